# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job's change does to the jobs that wait for it, with the ORM informed.

The statements and their rules are those of `dependencies`; here they run in the
transaction of an environment. If other addons are interested in writes, what SQL has
found is written by the ORM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from odoo.api import Environment

from ..core import events
from . import caches, dependencies, orm_bypass
from .dependencies import Change, Edge
from .protocols import JobEnds, StoredJob


def reasons(env: Environment) -> dependencies.Reasons:
    """Return the texts on cancelled children, in the language of the user."""
    return dependencies.Reasons(
        parent_cancelled=env._("Cancelled because a job it depends on was cancelled"),
        not_failed=env._(
            "Cancelled because it was to run after a failure, and there was none"
        ),
        parent_deleted=env._(
            "Cancelled because a job it depends on was deleted before it was done"
        ),
    )


# -- edges ----------------------------------------------------------------------------


def add_edges(env: Environment, jobs: Iterable[JobEnds]) -> None:
    """Write the edges to and from these jobs whose two ends are stored."""
    edges: dict[tuple[int, int], Edge] = {}
    for job in jobs:
        if job._new_edges:
            _take_edges(edges, job, list(job._new_edges))
        for child in job._reverse_depends_on:
            if job in child._new_edges:
                _take_edges(edges, child, [job])
    if edges:
        dependencies.add_edges(env.cr, list(edges.values()))
        caches.written(env, {id_ for ends in edges for id_ in ends}, caches.EDGES)


def _take_edges(
    edges: dict[tuple[int, int], Edge], child: JobEnds, parents: list[JobEnds]
) -> None:
    """Move the edges that can be written from the child to `edges`."""
    for parent in parents:
        if parent.id and child.id:
            condition = child._conditions.get(parent, "done")
            edges[parent.id, child.id] = Edge(parent.id, child.id, condition)
            child._new_edges.discard(parent)


def is_blocked(job: StoredJob) -> bool:
    """Return whether a parent still stops the job, as the table knows it."""
    if not job.id:
        return False
    job._env["queue.job"].flush_model(["state"])
    job._env.cr.execute(dependencies.IS_BLOCKED, {"id": job.id})
    found = job._env.cr.fetchone()
    return bool(found and found[0])


# -- changes that spread --------------------------------------------------------------


def release_children(env: Environment, parent_ids: list[int]) -> list[int]:
    """Release or cancel the children of jobs that have ended, where these decide it.

    :return: the ids of the cancelled ones
    """
    env["queue.job"].flush_model()
    with _written(env) as written:
        written += dependencies.released_rows(env.cr, parent_ids, reasons=reasons(env))
    return _cancelled_ids(written)


def cancel_dependents(
    env: Environment, parent_ids: list[int], date: datetime | None
) -> None:
    """Cancel what waits, directly or not, for jobs that have been cancelled.

    :param date: of their cancellation, naive and in UTC
    """
    env["queue.job"].flush_model()
    with _written(env) as written:
        written += dependencies.cancelled_rows(env.cr, parent_ids, date, reasons(env))


def repair(env: Environment, job_ids: list[int]) -> list[int]:
    """Release or cancel the waiting jobs among these, as their edges decide.

    :return: the ids of the cancelled ones, their dependents included
    """
    env["queue.job"].flush_model()
    with _written(env) as written:
        written += dependencies.repaired_rows(env.cr, job_ids, reasons(env))
    return _cancelled_ids(written)


@contextmanager
def _written(env: Environment) -> Iterator[list[Change]]:
    """Keep the ORM informed of states which SQL has written.

    Yields a list to which the block adds what it has changed. If other addons are
    interested in writes, the SQL is undone and the ORM writes the same.
    """
    written: list[Change] = []
    if orm_bypass.allows(env, "write"):
        yield written
        caches.written(env, [change.id for change in written], caches.RELEASED)
    else:
        with env.cr.savepoint(flush=False) as savepoint:
            yield written
            savepoint.rollback()
        _write_by_orm(env, written)
    events.tell_ids_after_commit(env.cr, events.CANCELLED, _cancelled_ids(written))


def _write_by_orm(env: Environment, changes: list[Change]) -> None:
    jobs = orm_bypass.orm_jobs(env)
    for change in changes:
        values = {"state": change.state}
        if change.is_cancelled:
            values.update(result=change.result, date_cancelled=env.cr.now())
        jobs.browse(change.id).write(values)
    jobs.flush_model()


def _cancelled_ids(changes: list[Change]) -> list[int]:
    return [change.id for change in changes if change.is_cancelled]
