# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""New jobs: many rows by one statement, edges in bulk, one job per identity key.

A job without an identity key costs its share of one INSERT. With a key the row also
takes the key's slot, a column with a unique index, so that two transactions which
enqueue the same key at once leave one job, whatever their snapshots show:

1. A twin which this transaction sees is found before (`repository.find_twins`).
2. A twin which it does not see yet makes the INSERT wait for the other transaction,
   then fail on the index if that one has committed. A savepoint undoes the INSERT,
   and a second cursor, with a snapshot of now, reads the twin.

The slot is taken at the creation only. A job that is run again after an error does
not take it back, and so cannot collide with a twin enqueued in the meantime.

With the slot, a key held until the start is free again when the job starts, and one
held until done when the job ends; a slot left behind by SQL from outside is freed
when it is found in the way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg2.errors import UniqueViolation

from ..core import events
from ..keys import rules
from . import caches, dependencies, orm_bypass, row_mapper

if TYPE_CHECKING:
    from ..job import Job

_logger = logging.getLogger(__name__)

#: Rows of one INSERT.
PAGE_ROWS = 500
#: Edges of one INSERT (three arrays).
PAGE_EDGES = 20_000
#: How often a slot is tried for, when its holder is gone before it can be read.
SLOT_ATTEMPTS = 3

_PLACEHOLDERS = {
    **dict.fromkeys(row_mapper.SERIALIZED_COLUMNS, "to_jsonb(%s::text)"),
    "options": "%s::jsonb",
}

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


BEGIN_INSERT = "SAVEPOINT queue_job_insert"
END_INSERT = "RELEASE SAVEPOINT queue_job_insert"
TAKE_SLOTS = """
UPDATE queue_job SET identity_slot = taken.slot
  FROM unnest(%(ids)s::integer[], %(slots)s::text[]) AS taken (id, slot)
 WHERE queue_job.id = taken.id"""
READ_IDS = "SELECT uuid, id FROM queue_job WHERE uuid = ANY(%s)"


class _New(NamedTuple):
    """A job on its way to the table."""

    job: Job
    row: dict[str, Any]
    extra: dict[str, Any]


def orm_jobs(env):
    """Return the model as the queue itself uses it."""
    jobs = env["queue.job"].sudo()
    return jobs.with_context(_job_edit_sentinel=jobs.EDIT_SENTINEL)


def insert_many(env, jobs: Iterable[Job], *, dedupe: bool = False) -> dict[Job, Any]:
    """Create the rows of jobs, and the edges to those that are stored.

    :param dedupe: if each of the jobs has an identity key, and each key is held by a
        job which another transaction has just created, create nothing
    :return: {job: record of its twin} when nothing was created
    """
    batch = [
        _New(job, row_mapper.new_row(job), row_mapper.hook_values(job)) for job in jobs
    ]
    rules.hold((new.row for new in batch), datetime.now())
    keyed = [new for new in batch if new.row["identity_key"]]
    if keyed:
        twins = _insert_keyed(env, batch, keyed, dedupe)
        if twins:
            return twins
    else:
        _insert(env, batch)
    add_edges(env, [new.job for new in batch])
    events.tell_after_commit(events.ENQUEUED, [new.job for new in batch])
    return {}


# -- identity slots -------------------------------------------------------------------


def _insert_keyed(env, batch: list[_New], keyed: list[_New], dedupe: bool) -> dict:
    """Insert jobs of which some have an identity key; see the module's text."""
    taken = {} if dedupe else _visible_twins(env, keyed)
    for _attempt in range(SLOT_ATTEMPTS):
        _assign_slots(keyed, taken)
        if _insert_in_savepoint(env, batch):
            return {}
        holders = _holders(env, [new.row["identity_key"] for new in keyed])
        # a job without a key is never left out
        if dedupe and all(new.row["identity_key"] in holders for new in batch):
            text = "not enqueued, %s is job %s already"
            _log_held(keyed, holders, logging.DEBUG, text)
            return {
                new.job: _twin_record(env, holders[new.row["identity_key"]])
                for new in keyed
            }
        text = "enqueued again, %s has the key of job %s, which is not visible yet"
        _log_held(keyed, holders, logging.INFO, text)
        taken = {**taken, **holders}
    _assign_slots(keyed, {new.row["identity_key"] for new in keyed})
    _insert(env, batch)
    return {}


def _log_held(keyed: list[_New], holders: dict, level: int, text: str) -> None:
    for new in keyed:
        holder = holders.get(new.row["identity_key"])
        if holder:
            _logger.log(level, text, new.job.job_function_name, holder["uuid"])


def _visible_twins(env, keyed: list[_New]) -> dict[str, int]:
    from .repository import find_twins

    return find_twins(env, [new.row["identity_key"] for new in keyed])


def _assign_slots(keyed: list[_New], taken: Iterable[str]) -> None:
    """Give each free key to the first job which asks for it."""
    seen = set(taken)
    for new in keyed:
        key = new.row["identity_key"]
        new.row["identity_slot"] = None if key in seen else key
        seen.add(key)


def _insert_in_savepoint(env, batch: list[_New]) -> bool:
    """Insert the rows; False if another job holds one of the slots."""
    try:
        _insert(env, batch, in_savepoint=True)
    except UniqueViolation as error:
        if "identity_slot" not in (error.diag.constraint_name or ""):
            raise
        env.cr.execute("ROLLBACK TO SAVEPOINT queue_job_insert")
        return False
    return True


def _holders(env, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Return the rows which hold the slots of these keys, as everybody sees them."""
    with env.registry.cursor() as cr:
        cr.execute(FREE_STALE_SLOTS, {"keys": keys})
        cr.execute(READ_HOLDERS, {"keys": keys})
        return {row["identity_slot"]: row for row in cr.dictfetchall()}


def _twin_record(env, row: dict[str, Any]):
    """Return the record of a row, readable even if this transaction cannot see it."""
    record = env["queue.job"].sudo().browse(row["id"])
    if not record.exists():
        for name in row_mapper.LOAD_COLUMNS[1:]:
            field = record._fields[name]
            value = field.convert_to_cache(row[name], record, validate=False)
            field._update_cache(record, value)
    return record


# -- rows -----------------------------------------------------------------------------


def _insert(env, batch: list[_New], *, in_savepoint: bool = False) -> None:
    """Insert the rows and give the jobs their ids."""
    if orm_bypass.allows(env, "create") and not any(new.extra for new in batch):
        pages = list(_pages(batch, PAGE_ROWS))
        for number, page in enumerate(pages, start=1):
            _insert_by_sql(
                env.cr,
                page,
                begin=in_savepoint and number == 1,
                end=in_savepoint and number == len(pages),
            )
        ids = [new.job.id for new in batch]
        caches.written(
            env, ids, row_mapper.CREATION_COLUMNS + row_mapper.MUTABLE_COLUMNS, True
        )
    else:
        _insert_by_orm(env, batch, in_savepoint=in_savepoint)


def _insert_by_orm(env, batch: list[_New], *, in_savepoint: bool) -> None:
    """Create the records, then take the slots; only SQL can fail without a log."""
    if in_savepoint:
        env.flush_all()  # what waits to be written is not undone with the jobs
        env.cr.execute(BEGIN_INSERT)
    values = [
        {
            **row_mapper.orm_values(new.job, _without_nulls(new.row)),
            "identity_slot": False,
            **new.extra,
        }
        for new in batch
    ]
    records = orm_jobs(env).create(values)
    if in_savepoint:
        _take_slots(env, batch, records)
        env.cr.execute(END_INSERT)
    for new, record in zip(batch, records, strict=True):
        new.job.id = record.id


def _take_slots(env, batch: list[_New], records) -> None:
    slots = {
        record.id: new.row["identity_slot"]
        for new, record in zip(batch, records, strict=True)
        if new.row.get("identity_slot")
    }
    env.flush_all()
    parameters = {"ids": list(slots), "slots": list(slots.values())}
    try:
        env.cr.execute(TAKE_SLOTS, parameters, log_exceptions=False)
    except UniqueViolation:
        env.clear()  # of the records which are undone
        raise
    records.invalidate_recordset(["identity_slot"], flush=False)


def _insert_by_sql(cr, page: list[_New], *, begin: bool, end: bool) -> None:
    """Insert a page by one statement, the savepoint around it included.

    :param begin: the savepoint begins with this page
    :param end: the savepoint ends with this page
    """
    columns = list(
        dict.fromkeys(
            name for new in page for name, value in new.row.items() if value is not None
        )
    )
    one_row = ", ".join(_PLACEHOLDERS.get(name, "%s") for name in columns)
    all_rows = ", ".join([f"({one_row})"] * len(page))
    statement = f"INSERT INTO queue_job ({', '.join(columns)}) VALUES {all_rows}"
    parameters = [new.row.get(name) for new in page for name in columns]
    if begin:
        statement = f"{BEGIN_INSERT}; {statement}"
    if end:  # the last statement is the one whose rows are fetched
        statement = f"{statement}; {END_INSERT}; {READ_IDS}"
        parameters.append([new.row["uuid"] for new in page])
    else:
        statement = f"{statement} RETURNING uuid, id"
    cr.execute(statement, parameters, log_exceptions=not begin)
    ids = dict(cr.fetchall())
    for new in page:
        new.job.id = ids[new.row["uuid"]]


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _pages(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


# -- edges ----------------------------------------------------------------------------


def add_edges(env, jobs: Iterable[Job]) -> None:
    """Write the edges to and from these jobs whose two ends are stored."""
    edges: dict[tuple[int, int], str] = {}
    for job in jobs:
        if job._new_edges:
            _take_edges(edges, job, list(job._new_edges))
        for child in job._reverse_depends_on:
            if job in child._new_edges:
                _take_edges(edges, child, [job])
    if not edges:
        return
    for page in _pages(list(edges.items()), PAGE_EDGES):
        env.cr.execute(
            dependencies.ADD_EDGES,
            {
                "parents": [parent for (parent, _child), _condition in page],
                "children": [child for (_parent, child), _condition in page],
                "conditions": [condition for _ends, condition in page],
            },
        )
    caches.written(env, {id_ for pair in edges for id_ in pair}, caches.EDGES)


def _take_edges(edges: dict, child: Job, parents: list[Job]) -> None:
    """Move the edges that can be written from the child to `edges`."""
    for parent in parents:
        if parent.id and child.id:
            edges[parent.id, child.id] = child._conditions.get(parent, "done")
            child._new_edges.discard(parent)
