# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The results of jobs: how they are kept in the row, and how they are read.

Only this module makes the values of the two columns and reads the data. `result` holds
the text of a result, for people; `result_json` holds its data: records as their ids,
dates as ISO texts, tuples and sets as lists, actions as they are. What has no JSON
becomes its text, and so does what is larger than `texts.RESULT_JSON`: a job must not
fail for what it returns.
"""

from __future__ import annotations

import json
import logging
from datetime import date
from decimal import Decimal
from typing import Any

from odoo import models
from odoo.api import Environment

from ..core import texts

_logger = logging.getLogger(__name__)

OF_PARENTS = """
SELECT parent.result_json
  FROM queue_job_dependency edge
  JOIN queue_job parent ON parent.id = edge.parent_id
 WHERE edge.child_id = %s
 ORDER BY parent.id
"""


def row_values(job: Any) -> dict[str, str | None]:
    """Return the columns of a result for the row of a job.

    :param job: the `Job`
    """
    is_empty = texts.is_empty(job.result)
    return {
        "result": None if is_empty else texts.storable(job.result, texts.RESULT),
        "result_json": _data_text(job),
    }


def _data_text(job: Any) -> str | None:
    """Return the text of the data: only a job that is done has any."""
    if job.state != "done":
        return None
    stored = job._stored or {}
    # only a text is compared: an array answers with an array
    loaded = job.result is None or type(job.result) is str
    if loaded and stored.get("state") == "done" and stored["result"] == job.result:
        return stored.get("result_json")
    return dump(job.result, job.job_function_name)


def of_record(record: models.BaseModel) -> Any:
    """Return the data of the result of a `queue.job` record."""
    return load(record.result_json)


def of_parents(env: Environment, job_id: int | None) -> list[Any]:
    """Return the data of the results of the jobs which a job has waited for.

    In the order in which those were created; None where there is no result.

    :param job_id: of the row of the job that waited
    """
    env["queue.job"].flush_model(["result_json"])
    env.cr.execute(OF_PARENTS, (job_id,))
    return [load(text) for (text,) in env.cr.fetchall()]


# -- a result as text, and back --------------------------------------------------------


def dump(result: Any, name: str = "a job") -> str | None:
    """Return the JSON text of a result, None for no result.

    :param name: what returned it, for the warning about a result without JSON
    """
    if result is None or result is False:
        return None
    try:
        text = json.dumps(_plain(result), ensure_ascii=False)
        problem = f"it has {len(text):,} characters" * (len(text) > texts.RESULT_JSON)
    except Exception as error:  # its own, where a subclass of a plain type raises it
        problem = texts.of(error)
    if not problem:
        return text
    _logger.warning(
        "The result of %s cannot be kept as data but only as text: %s", name, problem
    )
    return json.dumps(texts.storable(result, texts.RESULT), ensure_ascii=False)


def load(text: str | None) -> Any:
    """Return the data of a result."""
    return json.loads(text) if text else None


def as_action(data: Any) -> dict | None:
    """Return the result if it is an action for the web client."""
    if isinstance(data, dict) and str(data.get("type")).startswith("ir.actions."):
        return data
    return None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return texts.clean(value)
    if isinstance(value, models.BaseModel):
        return value.ids
    if isinstance(value, dict):
        items = {_key(key): _plain(item) for key, item in value.items()}
        if len(items) < len(value):
            raise TypeError("two keys of a dictionary are the same text")
        return items
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


def _key(key: Any) -> str:
    if isinstance(key, str | int | float):
        return texts.clean(str(key))
    raise TypeError(f"{key!r} is no key of a JSON object")
