# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs and their rows: load, create, update, with the fence.

- Jobs are created by `insert.insert_many`, in bulk.
- An update writes only the columns that have changed. For a claimed job
  (`claim_token` is not None) they are compared with what this object loaded or stored
  last, and the write is fenced: it touches the row only while the job still belongs
  to this claim and is in the state it was seen in, else `JobFenced` is raised and the
  work of the transaction must be rolled back. For any other job they are compared
  with the row as this transaction sees it.
- SQL writes the row where no other addon is interested (`orm_bypass`); otherwise the
  ORM does, as superuser and with the edit sentinel. In both ways the followers of a
  failed job are notified (`_message_post_on_failure`), and the caches of the ORM, and
  what is computed from a job, show what the row holds (`caches`).
- A transition that `states` does not know is refused for a claimed job, and logged
  for the others: code which drives jobs by itself knows what it does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from odoo.api import Environment
from odoo.models import BaseModel

from ..claim import claims
from ..core import events
from ..core.states import (
    CANCELLED,
    DONE,
    FAILED,
    FINAL,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
    check,
    is_legal,
)
from ..exception import JobFenced, NoSuchJobError
from ..keys import rules
from ..sessions import job_session
from . import caches, job_graph, orm_bypass, row_mapper
from .insert import insert_many
from .protocols import StoredJob
from .row_mapper import MUTABLE_COLUMNS

_logger = logging.getLogger(__name__)

#: state -> the event of its becoming that
_EVENTS = {DONE: events.DONE, FAILED: events.FAILED, CANCELLED: events.CANCELLED}
#: state -> the event of its leaving that, to wait again
_EVENTS_BACK = {STARTED: events.RETRIED, **dict.fromkeys(FINAL, events.ENQUEUED)}

_LOAD = row_mapper.select_list()
LOAD_BY_UUIDS = f"SELECT {_LOAD} FROM queue_job WHERE uuid = ANY(%s)"
LOAD_BY_ID = f"SELECT {_LOAD} FROM queue_job WHERE id = %s"
READ_MUTABLE = f"""
SELECT {row_mapper.columns(MUTABLE_COLUMNS)}, identity_scope
  FROM queue_job WHERE id = %s"""
FIND_ID = "SELECT id FROM queue_job WHERE uuid = %s"

#: By which the followers of a failed job are found.
NOTICE_COLUMNS = ("job_function_id", "channel", "company_id", "user_id")

# Locks the row as long as the claim holds.
ASSERT_CLAIM = """
SELECT id FROM queue_job WHERE id = %s AND claim_token = %s AND state = %s
   FOR NO KEY UPDATE"""

ADD_LOCK_RECORD = """
INSERT INTO queue_job_lock (id, queue_job_id)
SELECT id, id FROM queue_job WHERE uuid = %s
    ON CONFLICT (id) DO NOTHING"""

# The row lock keeps a second worker out; the advisory lock, which ends with this
# transaction or its session, shows the runner that the worker is alive.
LOCK = """
WITH lock_row AS MATERIALIZED (
    SELECT queue_job_id FROM queue_job_lock
     WHERE queue_job_id IN (
        SELECT id FROM queue_job WHERE uuid = %s AND state = 'started'
     )
       FOR NO KEY UPDATE SKIP LOCKED
)
SELECT pg_try_advisory_xact_lock(%s, queue_job_id) FROM lock_row"""


# -- load -----------------------------------------------------------------------------


def rows_by_uuids(env: Environment, uuids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of the jobs with these uuids, in any order."""
    env["queue.job"].flush_model()
    env.cr.execute(LOAD_BY_UUIDS, [list(uuids)])
    return env.cr.dictfetchall()


def row_of(record: BaseModel) -> dict[str, Any]:
    """Return the row of a `queue.job` record.

    :raise NoSuchJobError: it was deleted
    """
    record.ensure_one()
    record.flush_recordset()
    record.env.cr.execute(LOAD_BY_ID, [record.id])
    row = record.env.cr.dictfetchone()
    if row is None:
        raise NoSuchJobError(f"Job {record} does no longer exist in the storage.")
    return row


def find_id(job: StoredJob) -> int | None:
    """Return the id of the row with the uuid of a job, None if there is none."""
    job._env["queue.job"].flush_model(["uuid"])
    job.env.cr.execute(FIND_ID, [job.uuid])
    found = job.env.cr.fetchone()
    return found[0] if found else None


# -- create and update ----------------------------------------------------------------


def create(job: StoredJob) -> None:
    """Create the row of a job.

    :raise TypeError: its records or arguments have no JSON
    """
    insert_many(job.env, [job])


def update(job: StoredJob) -> bool:
    """Update the row of a job.

    :return: False if the row is gone, and nothing was written
    :raise JobFenced: the job is claimed, and its claim doesn't hold any more
    :raise IllegalTransition: the job is claimed, and cannot come into its new state
    """
    before = _row_before(job)
    if before is None:
        return False
    values = row_mapper.mutable_values(job)
    changed = _changes(job, before, values)
    extra = row_mapper.hook_values(job)
    if changed or extra:
        _update(job, before["state"], changed, extra)
        if "state" in changed:
            _tell_of_change(job, before["state"])
    job._stored = values
    job_graph.add_edges(job.env, [job])
    return True


def store_bare(job: StoredJob) -> None:
    """Update the row of a job by SQL alone, where the hooks of others have failed.

    :raise JobFenced: the job is claimed, and its claim doesn't hold any more
    """
    before = _row_before(job)
    values = row_mapper.mutable_values(job)
    _update_by_sql(job, before["state"], _changes(job, before, values))
    record = job.env["queue.job"].browse(job.id)
    record._invalidate_cache(None, record._ids)
    job._stored = values


def _row_before(job: StoredJob) -> dict[str, Any] | None:
    """Return the values to compare with, None if the row is gone."""
    if job.claim_token is not None and job._stored:
        return {**job._stored, "identity_scope": job.identity_scope}
    env = job.env
    caches.flush(env["queue.job"].browse(job.id))
    env.cr.execute(READ_MUTABLE, [job.id])
    row = env.cr.dictfetchone()
    if row is not None:
        row["scheduled"] = bool(row["scheduled"])
    return row


def _changes(job: StoredJob, before: dict[str, Any], values: dict) -> dict[str, Any]:
    changed = {name: val for name, val in values.items() if before[name] != val}
    if "state" in changed:
        _check_transition(job, before["state"])
        changed.update(row_mapper.consequences(before, job.state))
        changed.update(row_mapper.failure_values(job, before["state"], values))
        if job.gate:
            changed.update(rules.consequences(job.state))
    return changed


def _check_transition(job: StoredJob, old: str) -> None:
    if job.claim_token is not None:
        check(old, job.state)
    elif not is_legal(old, job.state):
        _logger.warning("Unusual change of %s from %s to %s", job, old, job.state)


def _update(job: StoredJob, old_state: str, changed: dict, extra: dict) -> None:
    env = job.env
    record = orm_bypass.orm_jobs(env).browse(job.id)
    if not extra and orm_bypass.allows(env, "write"):
        if changed.get("state") != FAILED:
            _update_by_sql(job, old_state, changed)
            caches.written(env, [job.id], changed)
            return
        row = _update_by_sql(job, old_state, changed, returning=NOTICE_COLUMNS)
        caches.written(env, [job.id], changed)
        caches.fill(record, zip(NOTICE_COLUMNS, row, strict=True))
        record._message_post_on_failure()
        return
    job_session.send_kept(env.cr)
    if job.claim_token is not None:
        caches.flush(record)  # the state that this object has stored last
        env.cr.execute(ASSERT_CLAIM, [job.id, job.claim_token, old_state])
        _assert_claimed(job)
    record.write({**row_mapper.orm_values(job, changed), **extra})


def _tell_of_change(job: StoredJob, old: str) -> None:
    """Tell the listeners of an event, if the change is one."""
    name = _EVENTS.get(job.state)
    if job.state in (PENDING, WAIT_DEPENDENCIES) and old in _EVENTS_BACK:
        name = _EVENTS_BACK[old]
    if name:
        events.tell_after_commit(name, [job])


def _update_by_sql(
    job: StoredJob, old_state: str, changed: dict, returning: Iterable[str] = ()
) -> tuple | None:
    env = job.env
    caches.flush(env["queue.job"].browse(job.id))
    # all names are columns of ours
    assignments = ", ".join(f"{name} = %s" for name in changed)
    query = f"UPDATE queue_job SET {assignments} WHERE id = %s"
    params = [*changed.values(), job.id]
    if job.claim_token is not None:
        query += " AND claim_token = %s AND state = %s"
        params += [job.claim_token, old_state]
        if job_session.take_last(env.cr, claims.FENCED.format(query), params):
            return None
    if returning:
        query += f" RETURNING {', '.join(returning)}"
    job_session.execute_now(env.cr, query, params)
    if job.claim_token is not None:
        _assert_claimed(job)
    return env.cr.fetchone() if returning else None


def _assert_claimed(job: StoredJob) -> None:
    if not job.env.cr.rowcount:
        raise JobFenced(
            f"Job {job.uuid} was given to another worker, cancelled or set done "
            f"after claim {job.claim_token}: the outcome of this attempt is dropped."
        )


# -- locks ----------------------------------------------------------------------------


def add_lock_record(job: StoredJob) -> None:
    """Insert the lock row of the job, unless it exists or the job is not stored."""
    job._env["queue.job"].flush_model(["uuid"])
    job.env.cr.execute(ADD_LOCK_RECORD, [job.uuid])


def lock(job: StoredJob, namespace: int) -> bool:
    """Take the two locks of a started job.

    :param namespace: of the advisory lock
    :return: False if the job is not started, or another transaction has the locks
    """
    env = job.env
    env["queue.job"].flush_model(["uuid", "state"])
    env.cr.execute(LOCK, [job.uuid, namespace])
    found = env.cr.fetchone()
    return bool(found and found[0])
