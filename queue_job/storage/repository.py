# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs and their rows: load, create, update, with the fence.

- Jobs are created by `insertion.insert_many`, in bulk.
- An update writes only the columns that have changed. For a claimed job
  (`claim_token` is not None) they are compared with what this object loaded or stored
  last, and the write is fenced: it touches the row only while the job still belongs
  to this claim and is in the state it was seen in, else `JobFenced` is raised and the
  work of the transaction must be rolled back. For any other job they are compared
  with the row as this transaction sees it.
- SQL writes the row where no other addon is interested (`fast_path`); otherwise the
  ORM does, as superuser and with the edit sentinel. A failure always goes through the
  ORM, because the followers are told there. In both ways the caches of the ORM, and
  what is computed from a job, show what the row holds (`caches`).
- A transition that `states` does not know is refused for a claimed job, and logged
  for the others: code which drives jobs by itself knows what it does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
from ..sessions import job_session, prepared_statements
from . import caches, dependencies, orm_bypass, row_mapper
from .insert import add_edges, insert_many, orm_jobs
from .row_mapper import LOAD_COLUMNS, MUTABLE_COLUMNS, from_row

if TYPE_CHECKING:
    from ..job import Job

__all__ = [
    "LOAD_COLUMNS",
    "cancel_dependents",
    "find_twins",
    "from_row",
    "insert_many",
    "release_children",
    "store",
]

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

# Locks the row as long as the claim holds.
ASSERT_CLAIM = """
SELECT id FROM queue_job WHERE id = %s AND claim_token = %s AND state = %s
   FOR NO KEY UPDATE"""

# Jobs which hold an identity key: not begun, or begun and the key is held until done.
FIND_TWINS = """
SELECT identity_key, min(id) FROM (
    SELECT identity_key, id FROM queue_job
     WHERE identity_key = ANY(%(keys)s)
       AND state IN ('wait_dependencies', 'pending', 'enqueued')
    UNION ALL
    SELECT identity_slot, id FROM queue_job
     WHERE identity_slot = ANY(%(keys)s)
       AND state = 'started' AND identity_scope = 'done'
) twin GROUP BY identity_key"""

# Where nobody looks at the count of rows: a void claim is a division by zero.
FENCED = "WITH written AS ({} RETURNING 1) SELECT 1 / count(*) FROM written"

ADD_LOCK_RECORD = """
INSERT INTO queue_job_lock (id, queue_job_id)
SELECT id, id FROM queue_job WHERE uuid = %s
    ON CONFLICT (id) DO NOTHING"""

# The row lock keeps a second worker out; the advisory lock, which ends with this
# transaction or its session, shows the runner that the worker lives.
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


def rows_by_uuids(env, uuids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of the jobs with these uuids, in any order."""
    env["queue.job"].flush_model()
    env.cr.execute(LOAD_BY_UUIDS, [list(uuids)])
    return env.cr.dictfetchall()


def row_of(record) -> dict[str, Any]:
    """Return the row of a `queue.job` record."""
    record.ensure_one()
    record.flush_recordset()
    record.env.cr.execute(LOAD_BY_ID, [record.id])
    row = record.env.cr.dictfetchone()
    if row is None:
        raise NoSuchJobError(f"Job {record} does no longer exist in the storage.")
    return row


def find_twins(env, keys: Iterable[str | None]) -> dict[str, int]:
    """Return {identity key: id of the job which holds it}."""
    wanted = [key for key in keys if key]
    if not wanted:
        return {}
    fnames = ["state", "identity_key", "identity_slot", "identity_scope"]
    env["queue.job"].flush_model(fnames)
    env.cr.execute(FIND_TWINS, {"keys": wanted})
    return dict(env.cr.fetchall())


# -- store ----------------------------------------------------------------------------


def store(job: Job) -> None:
    """Create or update the row of a job."""
    if job.id is None and job._may_be_stored:
        job.id = _find_id(job)
    before = _row_before(job) if job.id else None
    if before is None:
        insert_many(job.env, [job])
        return
    values = row_mapper.mutable_values(job)
    changed = _changes(job, before, values)
    extra = row_mapper.hook_values(job)
    if changed or extra:
        _update(job, before["state"], changed, extra)
        if "state" in changed:
            _tell_of_change(job, before["state"])
    job._stored = values
    add_edges(job.env, [job])


def store_bare(job: Job) -> None:
    """Update the row of a job by SQL alone, where the hooks of others have failed."""
    before = _row_before(job)
    values = row_mapper.mutable_values(job)
    _update_by_sql(job, before["state"], _changes(job, before, values))
    record = job.env["queue.job"].browse(job.id)
    record._invalidate_cache(None, record._ids)
    job._stored = values


def _find_id(job: Job) -> int | None:
    job._env["queue.job"].flush_model(["uuid"])
    job.env.cr.execute(FIND_ID, [job.uuid])
    found = job.env.cr.fetchone()
    return found[0] if found else None


def _row_before(job: Job) -> dict[str, Any] | None:
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


def _changes(job: Job, before: dict[str, Any], values: dict) -> dict[str, Any]:
    changed = {name: val for name, val in values.items() if before[name] != val}
    if "state" in changed:
        _check_transition(job, before["state"])
        changed.update(row_mapper.consequences(before, job.state))
        if job.gate:
            changed.update(rules.consequences(job.state))
    return changed


def _check_transition(job: Job, old: str) -> None:
    if job.claim_token is not None:
        check(old, job.state)
    elif not is_legal(old, job.state):
        _logger.warning("Unusual change of %s from %s to %s", job, old, job.state)


def _update(job: Job, old_state: str, changed: dict, extra: dict) -> None:
    env = job.env
    by_sql = (
        not extra and changed.get("state") != FAILED and orm_bypass.allows(env, "write")
    )
    if by_sql:
        _update_by_sql(job, old_state, changed)
        caches.written(env, [job.id], changed)
        return
    record = orm_jobs(env).browse(job.id)
    if job.claim_token is not None:
        caches.flush(record)  # the state that this object has stored last
        env.cr.execute(ASSERT_CLAIM, [job.id, job.claim_token, old_state])
        _assert_claimed(job)
    record.write({**row_mapper.orm_values(job, changed), **extra})


def _tell_of_change(job: Job, old: str) -> None:
    """Tell the listeners of an event, if the change is one."""
    name = _EVENTS.get(job.state)
    if job.state in (PENDING, WAIT_DEPENDENCIES) and old in _EVENTS_BACK:
        name = _EVENTS_BACK[old]
    if name:
        events.tell_after_commit(name, [job])


def _update_by_sql(job: Job, old_state: str, changed: dict) -> None:
    env = job.env
    caches.flush(env["queue.job"].browse(job.id))
    # all names are columns of ours
    assignments = ", ".join(f"{name} = %s" for name in changed)
    query = f"UPDATE queue_job SET {assignments} WHERE id = %s"
    params = [*changed.values(), job.id]
    if job.claim_token is None:
        prepared_statements.execute(env.cr, query, params)
        return
    query += " AND claim_token = %s AND state = %s"
    params += [job.claim_token, old_state]
    if job_session.take_last(env.cr, FENCED.format(query), params):
        return
    prepared_statements.execute(env.cr, query, params)
    _assert_claimed(job)


def _assert_claimed(job: Job) -> None:
    if not job.env.cr.rowcount:
        raise JobFenced(
            f"Job {job.uuid} was given to another worker, cancelled or set done "
            f"after claim {job.claim_token}: the outcome of this attempt is dropped."
        )


# -- dependencies ---------------------------------------------------------------------


def is_blocked(job: Job) -> bool:
    """Whether a parent still stops the job, as the table knows it."""
    if not job.id:
        return False
    job._env["queue.job"].flush_model(["state"])
    job._env.cr.execute(dependencies.IS_BLOCKED, {"id": job.id})
    found = job._env.cr.fetchone()
    return bool(found and found[0])


def release_children(job: Job) -> None:
    """Make pending the jobs which waited for this one, and for no other."""
    env = job.env
    record = job.db_record()
    if not record:
        return
    env["queue.job"].flush_model()
    with _written(env) as written:
        written += dependencies.released_rows(
            env.cr,
            record.ids,
            parent_cancelled=_cancelled_with_parent(env),
            not_failed=_no_failure(env),
        )


def repair(env, job_ids: list[int]) -> list[int]:
    """Release or cancel the waiting jobs among these, as their edges decide.

    :return: the ids of the cancelled ones, their dependents included
    """
    env["queue.job"].flush_model()
    with _written(env) as written:
        written += dependencies.repaired_rows(
            env.cr,
            job_ids,
            parent_deleted=env._(
                "Cancelled because a job it depends on was deleted before it was done"
            ),
            parent_cancelled=_cancelled_with_parent(env),
            not_failed=_no_failure(env),
        )
    return [id_ for id_, state, _result in written if state == CANCELLED]


def cancel_dependents(job: Job) -> None:
    """Cancel what waits, directly or not, for this job; it has been cancelled."""
    env = job.env
    record = job.db_record()
    if not record:
        return
    result = _cancelled_with_parent(env)
    env["queue.job"].flush_model()
    with _written(env) as written:
        env.cr.execute(
            dependencies.CANCEL_DEPENDENTS,
            {"ids": record.ids, "date": job.date_cancelled, "result": result},
        )
        cancelled = [id_ for (id_,) in env.cr.fetchall()]
        written += [(id_, "cancelled", result) for id_ in cancelled]
        written += dependencies.released_rows(
            env.cr, record.ids + cancelled, parent_cancelled=result
        )


def _cancelled_with_parent(env) -> str:
    return env._("Cancelled because a job it depends on was cancelled")


def _no_failure(env) -> str:
    return env._("Cancelled because it was to run after a failure, and there was none")


@contextmanager
def _written(env):
    """Keep the ORM informed of states which SQL has written.

    Yields a list to which the block adds rows (id, state, result). If other addons
    are interested in writes, the SQL is undone and the ORM writes the same.
    """
    written: list[tuple[int, str, str | None]] = []
    if orm_bypass.allows(env, "write"):
        yield written
        caches.written(env, [id_ for id_, *_ in written], caches.RELEASED)
        _tell_of_cancelled(env, written)
        return
    with env.cr.savepoint(flush=False) as savepoint:
        yield written
        savepoint.rollback()
    jobs = orm_jobs(env)
    for id_, state, result in written:
        values = {"state": state}
        if state == "cancelled":
            values.update(result=result, date_cancelled=env.cr.now())
        jobs.browse(id_).write(values)
    jobs.flush_model()
    _tell_of_cancelled(env, written)


def _tell_of_cancelled(env, written: list[tuple]) -> None:
    ids = [id_ for id_, state, _result in written if state == CANCELLED]
    events.tell_ids_after_commit(env.cr, events.CANCELLED, ids)


# -- locks ----------------------------------------------------------------------------


def add_lock_record(job: Job) -> None:
    """Insert the lock row of the job, unless it exists or the job is not stored."""
    job._env["queue.job"].flush_model(["uuid"])
    job.env.cr.execute(ADD_LOCK_RECORD, [job.uuid])


def lock(job: Job, namespace: int) -> bool:
    """Take the two locks of a started job; False if another transaction has them."""
    env = job.env
    env["queue.job"].flush_model(["uuid", "state"])
    env.cr.execute(LOCK, [job.uuid, namespace])
    found = env.cr.fetchone()
    return bool(found and found[0])
