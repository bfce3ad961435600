# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job and its row: which attribute is in which column.

`from_row` and `new_row` are symmetrical: what the second writes, the first reads.
Values are those of SQL: None where there is nothing. `orm_values` translates them for
the ORM. Nothing here reads or writes the database, except for the hooks of other
addons, which may do anything.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dateutil.parser import isoparse

from odoo import fields, models

from ..claim.claims import INT_MAX
from ..core import texts
from ..core.fingerprints import fingerprint
from ..core.states import (
    FAILED,
    FINAL,
    IN_FLIGHT,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
)
from ..core.texts import is_empty, storable
from ..fields import decode, decode_arguments, encode
from . import results
from .odd_rows import DATES, readable
from .protocols import StoredJob

#: Written once, when the job is created.
CREATION_COLUMNS = (
    "uuid",
    "user_id",
    "channel",
    "name",
    "func_string",
    "date_created",
    "model_name",
    "method_name",
    "job_function_id",
    "channel_method_name",
    "records",
    "args",
    "kwargs",
    "timeout",
    "options",
    "identity_scope",
    "gate",
    "gate_limit",
)
#: Written whenever they have changed.
MUTABLE_COLUMNS = (
    "state",
    "priority",
    "retry",
    "max_retries",
    "exc_name",
    "exc_message",
    "exc_info",
    "company_id",
    "result",
    "result_json",
    "date_runnable",
    "date_enqueued",
    "date_started",
    "date_done",
    "date_cancelled",
    "exec_time",
    "eta",
    "scheduled",
    "identity_key",
    "worker_pid",
    "worker_host",
    "graph_uuid",
    "dependencies",
)
#: Say of a failed job when it failed, and in which way: see `failure_values`.
FAILURE_COLUMNS = ("failed_at", "failure_kind")
#: Follow from the state: see `consequences`.
STATE_COLUMNS = ("identity_slot", "lease_id", "gate_state", *FAILURE_COLUMNS)
CORE_COLUMNS = frozenset(
    (*CREATION_COLUMNS, *MUTABLE_COLUMNS, *STATE_COLUMNS, "id", "claim_token")
)
#: Worked out from the job when its row is created, and not read back.
_NOT_LOADED = ("func_string", "job_function_id", "channel_method_name")
#: What a job is loaded from; a statement that starts a job returns them.
LOAD_COLUMNS = (
    "id",
    *(name for name in CREATION_COLUMNS if name not in _NOT_LOADED),
    "claim_token",
    "lease_id",
    *MUTABLE_COLUMNS,
)
#: How the queue knows which worker a job belongs to, and what its caller was promised:
#: not for users.
ENGINE_COLUMNS = (
    "claim_token",
    "lease_id",
    "identity_slot",
    "identity_scope",
    "options",
    "result_json",
    *FAILURE_COLUMNS,
)
#: jsonb columns which hold a JSON *string* of JSON text.
SERIALIZED_COLUMNS = ("records", "args", "kwargs")


def select_list() -> str:
    """Return the SQL list of LOAD_COLUMNS.

    Serialized columns come as JSON text, whether they hold a JSON string or an object,
    so that they are parsed once.
    """
    return columns(LOAD_COLUMNS)


def columns(names: Iterable[str]) -> str:
    """Return an SQL list of columns, in a form that Python can hold."""
    return ", ".join(
        f"{readable(name) if name in DATES else _text_of(name)} AS {name}"
        for name in names
    )


def _text_of(name: str, prefix: str = "") -> str:
    """Return the SQL of a column; a serialized one comes as JSON text."""
    column = f"{prefix}{name}"
    return f"{column} #>> '{{}}'" if name in SERIALIZED_COLUMNS else column


_LOADED_DATES = tuple(name for name in LOAD_COLUMNS if name in DATES)


def packed_list(prefix: str = "") -> str:
    """Return the SQL of one JSON array with all LOAD_COLUMNS.

    For a worker that starts one job after the other: the client library looks at each
    column of a result anew, which takes as long as the statement itself. Dates are
    texts in it, so that the reader can pass over what Python cannot hold.

    :param prefix: of each column, with its dot
    """
    packed = ", ".join(_text_of(name, prefix) for name in LOAD_COLUMNS)
    return f"json_build_array({packed})"


def unpack(row: tuple) -> dict[str, Any]:
    """Return the values of a row of `packed_list` by their columns.

    :param row: its first value is the JSON array
    :return: {column: value}; `odd` lists dates that Python can't hold, as texts
    """
    values = dict(zip(LOAD_COLUMNS, row[0], strict=True))
    for name in _LOADED_DATES:
        text = values[name]
        if text is not None:
            values[name] = _date(text)
            if values[name] is None:
                values.setdefault("odd", []).append(f"{name} = {text}")
    return values


def _date(text: str) -> datetime | None:
    """Return the date in a text of PostgreSQL, None where Python cannot hold it."""
    # the first is quick, and in Python 3.10 wants three or six digits after the point
    for parse in (datetime.fromisoformat, isoparse):
        try:
            return parse(text)
        except ValueError:
            continue
    return None


_PLAIN_ATTRIBUTES = (
    "id",
    "user_id",
    "model_name",
    "method_name",
    "date_created",
    "state",
    "priority",
    "exc_name",
    "exc_message",
    "exc_info",
    "company_id",
    "result",
    "date_runnable",
    "date_enqueued",
    "date_started",
    "date_done",
    "date_cancelled",
    "worker_pid",
    "worker_host",
    "graph_uuid",
    "claim_token",
    "lease_id",
)


def from_row(job: StoredJob, row: dict[str, Any]) -> None:
    """Fill a job with its row; records and arguments are decoded when first read."""
    job.loaded_row = row
    for name in _PLAIN_ATTRIBUTES:
        setattr(job, name, row[name])
    # there is room for the next attempt, whatever was written by SQL
    job.retry = min(max(row["retry"] or 0, 0), INT_MAX - 1)
    job.max_retries = max(row["max_retries"] or 0, 0)
    job.timeout = max(row["timeout"] or 0, 0)
    job.options = row["options"] if isinstance(row["options"], dict) else {}
    job.identity_scope = row["identity_scope"] or "start"
    job._uuid = row["uuid"]
    job._description = row["name"]
    job._channel = row["channel"]
    job._identity_key = row["identity_key"]
    job._gate_text, job._gate_limit = row["gate"], row["gate_limit"]
    job._eta = row["eta"]
    job._dependencies = row["dependencies"]
    job._payload = {name: row[name] for name in SERIALIZED_COLUMNS}
    job._stored = {name: row[name] for name in MUTABLE_COLUMNS}
    job._stored["scheduled"] = bool(row["scheduled"])


def decoded(job: StoredJob, column: str, kinds: type | tuple[type, ...]) -> Any:
    """Return what a serialized column of a job holds, None when it is empty.

    :param column: of `SERIALIZED_COLUMNS`
    :param kinds: the classes that the value may have
    :raise ValueError: it is no JSON, or of none of these kinds; it came by SQL
    """
    stored = job._payload.get(column)
    if stored in ("[]", "{}"):
        return None
    try:
        if column == "records":
            value = decode(stored, job._env)
        else:
            value = decode_arguments(job._payload, column, job._env)
    except ValueError as error:
        raise ValueError(f"{column} = {stored!s:.200}: {error}") from error
    if value is None:
        return None
    if not isinstance(value, kinds):
        raise ValueError(f"{column} = {stored!s:.200}: a job cannot work with it")
    return value


def mutable_values(job: StoredJob) -> dict[str, Any]:
    """Return the present value of each mutable column."""
    eta = fields.Datetime.to_datetime(job.eta) or None
    waits = job.state in (PENDING, WAIT_DEPENDENCIES)
    return {
        "state": job.state,
        "priority": job.priority,
        "retry": min(job.retry, INT_MAX),
        "max_retries": job.max_retries,
        "exc_name": storable(job.exc_name, texts.EXC_NAME),
        "exc_message": storable(job.exc_message, texts.EXC_MESSAGE),
        "exc_info": storable(job.exc_info, texts.EXC_INFO),
        "company_id": job.company_id or None,
        **results.row_values(job),
        "date_runnable": job.date_runnable,
        "date_enqueued": job.date_enqueued,
        "date_started": job.date_started,
        "date_done": job.date_done,
        "date_cancelled": job.date_cancelled,
        "exec_time": job.exec_time,
        "eta": eta,
        "scheduled": bool(eta and waits and eta > datetime.now()),
        "identity_key": job.identity_key,
        "worker_pid": job.worker_pid,
        "worker_host": job.worker_host,
        "graph_uuid": job.graph_uuid,
        "dependencies": job.dependencies_text(),
    }


def new_row(job: StoredJob) -> dict[str, Any]:
    """Return all values of a job which has no row yet, but for its identity slot.

    :raise TypeError: its records or arguments have no JSON
    """
    config = job.job_config
    recordset = job.recordset
    # as they were given: nothing is called here, so there is nothing to copy
    args, kwargs = job._args, job._kwargs
    payload = {  # first, for what is refused may not even have a repr()
        "records": encode_records(job, recordset),
        "args": encode_arguments(job, args) if args else "[]",
        "kwargs": encode_arguments(job, kwargs) if kwargs else "{}",
    }
    row = mutable_values(job)
    row.update(
        uuid=job.uuid,
        user_id=job.user_id,
        channel=job.channel,
        name=storable(job.description, texts.DESCRIPTION),
        func_string=storable(job.func_string, texts.FUNC_STRING),
        date_created=job.date_created,
        model_name=job.model_name,
        method_name=job.method_name,
        job_function_id=config.job_function_id or None,
        channel_method_name=job.job_function_name,
        **payload,
        timeout=job.timeout or None,
        options=json.dumps(job.options) if job.options else None,
        identity_scope="done" if job.identity_scope == "done" else None,
        gate=job.gate,
        gate_limit=job.gate_limit,
    )
    return row


def attempt_values(
    job: StoredJob, outcome: str, exc_name: str | None = None, message: Any = None
) -> dict[str, Any]:
    """Return the values of `queue.job.attempt` for the present attempt of a job.

    :param outcome: one of the field `outcome`
    :param exc_name: of what ended the attempt
    :param message: a text, or any object
    """
    return {
        "job_id": job.id,
        "number": min(job.retry, INT_MAX),
        "date_start": job.date_started,
        "host": job.worker_host or socket.gethostname(),
        "pid": job.worker_pid or os.getpid(),
        "outcome": outcome,
        "exc_name": storable(exc_name, texts.EXC_NAME),
        "message": None if is_empty(message) else storable(message, texts.ATTEMPT),
    }


def encode_records(job: StoredJob, records: models.BaseModel) -> str:
    try:
        return encode(records)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"The records of {job.job_function_name} cannot be kept in a job: {error}"
        ) from error


def encode_arguments(job: StoredJob, arguments: tuple | dict) -> str:
    """Return the JSON text of arguments.

    :param arguments: the positional ones, or those by name
    :raise TypeError: one of them has no JSON; the message names it
    """
    try:
        return encode(arguments)
    except (TypeError, ValueError) as error:
        named = (
            arguments.items()
            if isinstance(arguments, dict)
            else enumerate(arguments, start=1)
        )
        for name, value in named:
            _check_argument(job, name, value)
        raise TypeError(f"{job.job_function_name}: {error}") from error


def _check_argument(job: StoredJob, name, value) -> None:
    try:
        encode((value,))
    except (TypeError, ValueError) as error:
        where = f"Argument {name!r}" if isinstance(name, str) else f"Argument {name}"
        raise TypeError(
            f"{where} of {job.job_function_name}, of type {type(value).__name__}, "
            f"cannot be kept in a job: {error}. Pass records, texts, numbers, dates, "
            "or lists and dictionaries of them."
        ) from error


def consequences(row: dict[str, Any], state: str) -> dict[str, None]:
    """Return the columns to clear when the job of a row comes into a state.

    :param row: with its `identity_scope`
    """
    values = {}
    if state not in IN_FLIGHT:
        values["lease_id"] = None
    holds_until_done = row.get("identity_scope") == "done"
    if state in FINAL or (state == STARTED and not holds_until_done):
        values["identity_slot"] = None
    return values


def failure_values(job: StoredJob, old: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return when a job failed and in which way, where its state changes.

    It costs no statement of its own. What has failed otherwise (by SQL, by the ORM,
    before these columns were there) is looked at by `queue.job.failure.kind`.

    :param old: the state in which the job was
    :param values: of its row, with the exception
    """
    if job.state == FAILED:
        error = values["exc_name"], values["exc_message"]
        kind = fingerprint(job.job_function_name, *error)
        return {"failed_at": datetime.now(), "failure_kind": kind}
    over = job.state in FINAL  # set to done or cancelled, which may be undone
    return dict.fromkeys(FAILURE_COLUMNS) if old == FAILED and not over else {}


def hook_values(job: StoredJob) -> dict[str, Any]:
    """Return what other addons want on the row, for columns that are not ours.

    The method `_job_store_values_for_<method>` of the model, or else
    `_job_store_values`, is asked. A job whose model is gone has no hook.
    """
    try:
        recordset = job.recordset
    except (KeyError, TypeError, ValueError):
        return {}
    hook = getattr(recordset, f"_job_store_values_for_{job.present_method}", None)
    values = (hook or recordset._job_store_values)(job)
    return {key: val for key, val in values.items() if key not in CORE_COLUMNS}


def orm_values(job: StoredJob, row: dict[str, Any]) -> dict[str, Any]:
    """Return values of SQL as the ORM expects them.

    :param row: {column: value}, some columns or all
    """
    values = {key: False if val is None else val for key, val in row.items()}
    if "records" in values:
        values.update(records=job.recordset, args=job.args, kwargs=job.kwargs)
    if values.get("options"):
        values["options"] = json.loads(values["options"])
    if values.get("dependencies"):
        values["dependencies"] = json.loads(values["dependencies"])
    return values
