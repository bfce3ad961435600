# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""New jobs: many rows by one statement, one job per identity key.

A job without an identity key costs its share of one INSERT. With a key the row also
takes the key's slot, which may be refused by a job of another transaction (see
`identity_slots`): a savepoint around the INSERT undoes it then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.errors import UniqueViolation

from odoo.api import Environment
from odoo.models import BaseModel
from odoo.sql_db import BaseCursor

from ..core import events
from ..keys import rules
from . import caches, identity_slots, job_graph, orm_bypass, row_mapper
from .protocols import StoredJob

_logger = logging.getLogger(__name__)

#: Rows of one INSERT.
PAGE_ROWS = 500
#: How often a slot is tried for, when its holder is gone before it can be read.
SLOT_ATTEMPTS = 3

_PLACEHOLDERS = {
    **dict.fromkeys(row_mapper.SERIALIZED_COLUMNS, "to_jsonb(%s::text)"),
    "options": "%s::jsonb",
}
BEGIN_INSERT = "SAVEPOINT queue_job_insert"
END_INSERT = "RELEASE SAVEPOINT queue_job_insert"
READ_IDS = "SELECT uuid, id FROM queue_job WHERE uuid = ANY(%s)"


class _New(NamedTuple):
    """A job on its way to the table."""

    job: StoredJob
    row: dict[str, Any]
    #: What other addons add to the row.
    extra: dict[str, Any]

    @property
    def key(self) -> str | None:
        return self.row["identity_key"]


def insert_many(
    env: Environment, jobs: Iterable[StoredJob], *, dedupe: bool = False
) -> dict[StoredJob, BaseModel]:
    """Create the rows of jobs, and the edges to those that are stored.

    :param dedupe: if each of the jobs has an identity key, and each key is held by a
        job which another transaction has just created, create nothing
    :return: {job: record of the job that it duplicates} when nothing was created
    :raise TypeError: the records or arguments of a job have no JSON
    """
    batch = [
        _New(job, row_mapper.new_row(job), row_mapper.hook_values(job)) for job in jobs
    ]
    rules.block((new.row for new in batch), datetime.now())
    keyed = [new for new in batch if new.key]
    if keyed:
        duplicates = _insert_keyed(env, batch, keyed, dedupe)
        if duplicates:
            return duplicates
    else:
        _insert(env, batch)
    job_graph.add_edges(env, [new.job for new in batch])
    events.tell_after_commit(events.ENQUEUED, [new.job for new in batch])
    return {}


# -- identity keys --------------------------------------------------------------------


def _insert_keyed(
    env: Environment, batch: list[_New], keyed: list[_New], dedupe: bool
) -> dict[StoredJob, BaseModel]:
    """Insert jobs of which some have an identity key; see `identity_slots`."""
    keys = [new.key for new in keyed]
    rows = [new.row for new in keyed]
    taken = {} if dedupe else identity_slots.find_duplicates(env, keys)
    for _attempt in range(SLOT_ATTEMPTS):
        identity_slots.assign(rows, taken)
        if _insert_in_savepoint(env, batch):
            return {}
        holders = identity_slots.read_holders(env, keys)
        # a job without a key is never left out
        if dedupe and all(new.key in holders for new in batch):
            text = "not enqueued, %s is job %s already"
            _log_held(keyed, holders, logging.DEBUG, text)
            return {
                new.job: identity_slots.holder_record(env, holders[new.key])
                for new in keyed
            }
        text = "enqueued again, %s has the key of job %s, which is not visible yet"
        _log_held(keyed, holders, logging.INFO, text)
        taken = {**taken, **holders}
    identity_slots.assign(rows, keys)
    _insert(env, batch)
    return {}


def _log_held(keyed: list[_New], holders: dict, level: int, text: str) -> None:
    for new in keyed:
        holder = holders.get(new.key)
        if holder:
            _logger.log(level, text, new.job.job_function_name, holder["uuid"])


def _insert_in_savepoint(env: Environment, batch: list[_New]) -> bool:
    """Insert the rows; False if another job holds one of the slots."""
    try:
        _insert(env, batch, in_savepoint=True)
    except UniqueViolation as error:
        if "identity_slot" not in (error.diag.constraint_name or ""):
            raise
        env.cr.execute("ROLLBACK TO SAVEPOINT queue_job_insert")
        return False
    return True


# -- rows -----------------------------------------------------------------------------


def _insert(env: Environment, batch: list[_New], *, in_savepoint: bool = False) -> None:
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


def _insert_by_orm(env: Environment, batch: list[_New], *, in_savepoint: bool) -> None:
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
    records = orm_bypass.orm_jobs(env).create(values)
    if in_savepoint:
        _take_slots(env, batch, records)
        env.cr.execute(END_INSERT)
    for new, record in zip(batch, records, strict=True):
        new.job.id = record.id


def _take_slots(env: Environment, batch: list[_New], records: BaseModel) -> None:
    slots = {
        record.id: new.row["identity_slot"]
        for new, record in zip(batch, records, strict=True)
        if new.row.get("identity_slot")
    }
    identity_slots.take(env, slots, records)


def _insert_by_sql(cr: BaseCursor, page: list[_New], *, begin: bool, end: bool) -> None:
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
