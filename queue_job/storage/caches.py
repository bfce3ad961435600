# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What follows from the row of a job is brought up to date after SQL has written it.

An ORM write throws away what the caches hold of the written fields and of all that is
computed from them, in any model, and computes the stored ones anew. After SQL
`written` does the same, with the ORM's own means, and forgets what we count over many
jobs. Where nothing of it is cached or stored it does nothing.

What a worker writes beside the transaction of a job, `tell_started` and `tell_released`
bring to the stored fields of other addons, in a transaction of their own: others see
there that a job runs, and the row with the field is not locked as long as it does.
Where no stored field follows from what was written they do nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any

from psycopg2.errors import LockNotAvailable

from odoo import SUPERUSER_ID, api
from odoo.models import BaseModel
from odoo.modules.registry import Registry
from odoo.tools import SQL

from ..claim.claims import LIVENESS_LOCK
from . import orm_bypass

_logger = logging.getLogger(__name__)

#: The fields that are written by the statements which start a job, and return it.
STARTED = ("state", "date_enqueued", "date_started", "worker_pid", "worker_host")
#: By those which release children, and cancel dependents.
RELEASED = (
    *("state", "scheduled", "result", "date_runnable", "date_cancelled"),
    "identity_slot",
)
#: By the triggers of keys, after any of them (`sql/gates.sql`).
TRIGGERED = ("gate_state", "scheduled")
#: By a new edge, of the jobs at its ends.
EDGES = ("parent_edge_ids", "child_edge_ids")

#: Each statement sees what others have committed. It doesn't wait for long for a locked
#: row: a job may have written it at its beginning.
BEGIN_TELLING = """
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '1s'"""

#: Until its own transaction begins, this one shows that the worker of the job lives;
#: unless another session does so already.
SHOW_LIFE = f"SELECT pg_try_advisory_xact_lock({LIVENESS_LOCK}, %s)"


# -- in the transaction that has written ----------------------------------------------


def flush(record: BaseModel) -> None:
    """Write what the ORM still holds back of a job, before SQL looks at its row.

    :param record: of `queue.job`
    """
    transaction = record.env.transaction
    if transaction.field_dirty or transaction.tocompute:
        record.flush_recordset()


def fill(record: BaseModel, values: Iterable[tuple[str, Any]]) -> None:
    """Let the ORM know the values of fields, which SQL has read, of one record.

    :param values: (name of a field, value of its column)
    """
    for name, value in values:
        record._fields[name]._insert_cache(record, [value])


def written(
    env: api.Environment,
    ids: Iterable[int],
    names: Collection[str],
    create: bool = False,
) -> None:
    """Bring up to date what follows from rows of jobs that SQL has written.

    What the ORM has held back of the rows is written already.

    :param ids: of the jobs
    :param names: of the fields that were written
    :param create: the rows are new
    """
    found = orm_bypass.findings(env.registry)
    # a view of keys looks at the smaller of the two
    if not found.stored_from and env.transaction.field_data.keys().isdisjoint(
        found.derived
    ):
        return
    for field in found.overviews:
        field._invalidate_cache(env)
    records = env["queue.job"].browse(ids)
    names = {*names, *TRIGGERED}
    records._invalidate_cache(names, records._ids)
    records.modified(names, create=create)


# -- beside the transaction of a job --------------------------------------------------


def tell_started(registry: Registry, job_id: int) -> None:
    """Let stored fields show that a job runs, whose start is committed.

    Before the first statement of the job's own transaction: its snapshot has to show
    what is written here, for the job writes the same rows at its end.

    :param registry: of the database
    :param job_id: id of its row
    """
    _tell(registry, [job_id], STARTED, alive=job_id)


def tell_released(registry: Registry, ids: Collection[int]) -> None:
    """Let stored fields show that jobs were released or cancelled by those before them.

    :param registry: of the database
    :param ids: of the jobs; the change of their rows is committed
    """
    if ids:
        _tell(registry, list(ids), RELEASED)


def _tell(registry, ids: list[int], names: Collection[str], alive=None) -> None:
    """Compute the stored fields that follow from these.

    An error is logged and raised nowhere: the next change of the job, which the ORM
    writes, computes the fields again.

    :param alive: id of a job which runs
    """
    if orm_bypass.findings(registry).stored_from.isdisjoint(names):
        return
    try:
        with registry.cursor() as cr:
            cr.execute(BEGIN_TELLING)
            if alive:
                cr.execute(SHOW_LIFE, [alive])
            update_stored(api.Environment(cr, SUPERUSER_ID, {}), ids, names)
    except Exception as error:
        _logger.warning(
            "%s: stored fields of other addons do not show what became of jobs %s: %s",
            registry.db_name,
            ids,
            error,
            exc_info=not isinstance(error, LockNotAvailable),
        )


def update_stored(
    env: api.Environment, ids: Collection[int], names: Collection[str]
) -> None:
    """Compute the stored fields that follow from these, write those that have changed.

    Only those: a transaction that began before and writes the same row later meets a
    serialization error. They are computed once more when their rows are locked.

    :param ids: of jobs
    :param names: of fields of a job
    """
    for field, records in _compute_stored(env, ids, names):
        table = SQL.identifier(env[field.model_name]._table)
        lock = SQL(
            "SELECT id FROM %s WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            table,
            sorted(records),
        )
        env.cr.execute(lock, log_exceptions=False)
    if env.transaction.field_dirty:
        env.transaction.clear()
        _compute_stored(env, ids, names)
        env.flush_all()


def _compute_stored(env, ids, names) -> list[tuple]:
    """Compute in the cache; return each field that has changed, and the ids."""
    env["queue.job"].browse(ids).modified(names)
    pending = {
        field: env[field.model_name].browse(found)
        for field, found in env.transaction.tocompute.items()
    }
    env.transaction.tocompute.clear()
    for field, records in pending.items():
        records.fetch([field.name])  # to compare with
    for field, records in pending.items():
        env.add_to_compute(field, records)
    for field, records in pending.items():
        records._recompute_recordset([field.name])
    return [(field, set(found)) for field, found in env.transaction.field_dirty.items()]
