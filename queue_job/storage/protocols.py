# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What storage needs of a job: `Job` has it all, and nothing here imports `Job`.

Attributes with an underscore are those between a job and its row: values of the row
which the job decodes, or works out, when it is asked for them.
"""

from __future__ import annotations

from collections.abc import MutableSet
from datetime import datetime
from typing import Any, Protocol

from odoo.api import Environment
from odoo.models import BaseModel


class JobEnds(Protocol):
    """A job at one end of an edge."""

    id: int | None
    _conditions: dict[Any, str]
    _new_edges: set[Any]
    _reverse_depends_on: MutableSet[Any]


class StoredJob(JobEnds, Protocol):
    """A job which has a row, or gets one. Dates are naive and in UTC."""

    # written once, with the row
    uuid: str
    user_id: int
    channel: str
    description: str
    func_string: str
    date_created: datetime
    model_name: str
    method_name: str
    present_method: str
    job_function_name: str
    job_config: Any
    recordset: BaseModel
    timeout: int
    options: dict[str, Any]
    identity_scope: str
    gate: str | None
    gate_limit: int | None

    # written when they have changed
    state: str
    priority: int
    retry: int
    max_retries: int
    exc_name: str | None
    exc_message: str | None
    exc_info: str | None
    company_id: int | None
    result: Any
    date_runnable: datetime | None
    date_enqueued: datetime | None
    date_started: datetime | None
    date_done: datetime | None
    date_cancelled: datetime | None
    exec_time: float | None
    eta: Any
    identity_key: str | None
    worker_pid: int | None
    worker_host: str | None
    graph_uuid: str | None

    # written by who claims it
    claim_token: int | None
    lease_id: int | None

    #: Of the records, or of who has loaded the job where it has none.
    env: Environment
    #: Of who has delayed or loaded the job.
    _env: Environment
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: As they were given; None when they are not decoded yet.
    _args: Any
    _kwargs: Any
    #: The serialized columns, by name.
    _payload: dict[str, Any]
    #: The row from which it was loaded last; None for one that is new.
    loaded_row: dict[str, Any] | None
    #: The mutable columns as this object has loaded or stored them last.
    _stored: dict[str, Any] | None

    def dependencies_text(self) -> str | None:
        """Return the JSON of the column `dependencies`."""
