# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which job holds an identity key, so that a duplicate of it is not enqueued.

A key is held by a job that hasn't begun, or until the job is done if its
`identity_scope` says so. The holder also has the key in `identity_slot`, a column with
a unique index, so that two transactions which enqueue the same key at once leave one
job, whatever their snapshots show:

1. A duplicate that this transaction sees is found before (`find_duplicates`).
2. A duplicate that it does not see yet makes the INSERT wait for the other transaction,
   then fail on the index if that one has committed. A savepoint undoes the INSERT,
   and a second cursor, with a snapshot of now, reads the duplicate (`read_holders`).

The slot is taken at the creation only, and again by a requeue where it is free. A job
that is run again after an error does not take it back, and so cannot collide with a
duplicate enqueued in the meantime.

With the slot, a key held until the start is free again when the job starts, and one
held until done when the job ends; a slot left behind by SQL from outside is freed
when it is found in the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg2.errors import UniqueViolation

from odoo.api import Environment
from odoo.models import BaseModel

from . import caches, row_mapper

# Jobs which hold an identity key: not begun, or begun and the key is held until done.
FIND_DUPLICATES = """
SELECT identity_key, min(id) FROM (
    SELECT identity_key, id FROM queue_job
     WHERE identity_key = ANY(%(keys)s)
       AND state IN ('wait_dependencies', 'pending', 'enqueued')
    UNION ALL
    SELECT identity_slot, id FROM queue_job
     WHERE identity_slot = ANY(%(keys)s)
       AND state = 'started' AND identity_scope = 'done'
) duplicate GROUP BY identity_key"""

# Frees slots of jobs which hold their key no more (written by SQL from outside).
FREE_STALE_SLOTS = """
UPDATE queue_job SET identity_slot = NULL WHERE id IN (
    SELECT id FROM queue_job
     WHERE identity_slot = ANY(%(keys)s)
       AND (state IN ('done', 'cancelled', 'failed')
            OR (state = 'started' AND identity_scope IS DISTINCT FROM 'done'))
       FOR NO KEY UPDATE SKIP LOCKED
)"""

READ_HOLDERS = f"""
SELECT identity_slot, {row_mapper.select_list()}
  FROM queue_job WHERE identity_slot = ANY(%(keys)s)"""

TAKE_SLOTS = """
UPDATE queue_job SET identity_slot = taken.slot
  FROM unnest(%(ids)s::integer[], %(slots)s::text[]) AS taken (id, slot)
 WHERE queue_job.id = taken.id"""

# A slot that is free again goes to the oldest of the jobs with its key.
TAKE_FREE_SLOTS = """
UPDATE queue_job SET identity_slot = identity_key
 WHERE id IN (
    SELECT DISTINCT ON (job.identity_key) job.id
      FROM queue_job job
     WHERE job.id = ANY(%(ids)s)
       AND job.identity_key IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM queue_job holder
            WHERE holder.identity_slot = job.identity_key)
     ORDER BY job.identity_key, job.id
)"""


def find_duplicates(env: Environment, keys: Iterable[str | None]) -> dict[str, int]:
    """Find the jobs which hold identity keys, as this transaction sees them.

    :param keys: identity keys; None is passed over
    :return: {identity key: id of the job which holds it}
    """
    wanted = [key for key in keys if key]
    if not wanted:
        return {}
    fnames = ["state", "identity_key", "identity_slot", "identity_scope"]
    env["queue.job"].flush_model(fnames)
    env.cr.execute(FIND_DUPLICATES, {"keys": wanted})
    return dict(env.cr.fetchall())


def read_holders(env: Environment, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Find the jobs which hold slots, as other transactions see them.

    It reads them with a cursor of its own.

    :param keys: identity keys
    :return: {identity key: row of the job which holds its slot}
    """
    with env.registry.cursor() as cr:
        cr.execute(FREE_STALE_SLOTS, {"keys": keys})
        cr.execute(READ_HOLDERS, {"keys": keys})
        return {row["identity_slot"]: row for row in cr.dictfetchall()}


def assign(rows: Iterable[dict[str, Any]], taken: Iterable[str]) -> None:
    """Give each free key to the first row which asks for it.

    :param rows: of new jobs with an `identity_key`; their `identity_slot` is set
    :param taken: keys that other jobs hold
    """
    seen = set(taken)
    for row in rows:
        key = row["identity_key"]
        row["identity_slot"] = None if key in seen else key
        seen.add(key)


def take(env: Environment, slots: dict[int, str], records: BaseModel) -> None:
    """Write the slots of jobs which the ORM has just created.

    :param slots: {id of a job: the slot that it takes}
    :param records: all jobs that were created with them
    :raise UniqueViolation: another job holds one of the slots; it is not logged
    """
    env.flush_all()
    parameters = {"ids": list(slots), "slots": list(slots.values())}
    try:
        env.cr.execute(TAKE_SLOTS, parameters, log_exceptions=False)
    except UniqueViolation:
        env.clear()  # of the records which are undone
        raise
    records.invalidate_recordset(["identity_slot"], flush=False)


def take_free(jobs: BaseModel) -> None:
    """Let `queue.job` records that may run hold their key again, where it is free."""
    if any(jobs.mapped("identity_key")):
        jobs.flush_model()
        jobs.env.cr.execute(TAKE_FREE_SLOTS, {"ids": jobs.ids})
        caches.written(jobs.env, jobs.ids, ["identity_slot"])


def holder_record(env: Environment, row: dict[str, Any]) -> BaseModel:
    """Return the `queue.job` record of a holder, as superuser.

    It is readable even if this transaction cannot see the row.

    :param row: of `read_holders`
    """
    record = env["queue.job"].sudo().browse(row["id"])
    if not record.exists():
        for name in row_mapper.LOAD_COLUMNS[1:]:
            field = record._fields[name]
            value = field.convert_to_cache(row[name], record, validate=False)
            field._update_cache(record, value)
    return record
