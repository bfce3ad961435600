# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The edges of job graphs (table queue_job_dependency): who waits for whom.

A child waits in `wait_dependencies` until each of its edges is satisfied:

=========  =================================  ==================================
condition  satisfied when the parent is       never again satisfied when it is
=========  =================================  ==================================
done       done                               (cancelled: the child is as well)
failed     failed                             done or cancelled
always     done, failed or cancelled
=========  =================================  ==================================

The table says as well what follows when the parent is deleted, with two additions: a
job that had not ended counts as cancelled, and an edge which is not satisfied by then
stays, without a parent (`sql/dependencies.sql`). Nothing satisfies such an edge: its
child is cancelled, at once by `unlink` and by the sweep after a DELETE from outside. A
requeue doesn't free it either.

Children are released by ONE statement on a READ COMMITTED connection, after the
commit of the parent. Guarantees, and what gives each:

1. Of two last parents which end at once, at least one sees both as ended: each
   statement takes its snapshot after the commit of its own parent.
2. A child is released once: the second statement waits for the row, then finds that
   `state` is not `wait_dependencies` any more.
3. What a crash between commit and release leaves behind, `REPAIR_RELEASES` finds.

10,000 parents of one child: parents mostly end in the order of their ids, so an open
one is found by reading the index on (child_id, parent_id) from its end. That is why
the test is a subquery with `ORDER BY ... LIMIT 1` and not `NOT EXISTS`, which reads
all the parents that are done each time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..claim.claims import SILENT, UTC_NOW
from ..core.states import CANCELLED, DONE, FAILED, FINAL

_logger = logging.getLogger(__name__)

#: condition -> the states of the parent which satisfy it
SATISFYING = {"done": (DONE,), "failed": (FAILED,), "always": FINAL}
CONDITIONS = tuple(SATISFYING)


class Reasons(NamedTuple):
    """The texts on cancelled children; they are parameters of the statements below."""

    parent_cancelled: str = "Cancelled because a job it depends on was cancelled"
    not_failed: str = (
        "Cancelled because it was to run after a failure, and there was none"
    )
    parent_deleted: str = (
        "Cancelled because a job it depends on was deleted before it was done"
    )


#: In English, for processes that speak for no user.
REASONS = Reasons()


class Change(NamedTuple):
    """A waiting job after it was released or cancelled, as its row is now."""

    id: int
    state: str
    result: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the job can never run; else it is pending."""
        return self.state == CANCELLED


class Edge(NamedTuple):
    """An edge to be written, of two stored jobs."""

    parent_id: int
    child_id: int
    condition: str


# Neither true nor false if there is no parent.
SATISFIED = """
    CASE edge.condition
        WHEN 'failed' THEN parent.state = 'failed'
        WHEN 'always' THEN parent.state IN ('done', 'failed', 'cancelled')
        ELSE parent.state = 'done'
    END"""

# The edges of one job, from the end of the index on (child_id, parent_id). Said with an
# equation instead of a range, PostgreSQL might take another index for that order and
# read all the edges that there are: its statistics may be those of a graph of before,
# in which all edges were those of one child.
OF_CHILD = "edge.child_id BETWEEN {0} AND {0}"
BACKWARDS = "ORDER BY edge.child_id DESC, edge.parent_id DESC"

IS_OPEN = f"({SATISFIED}) IS NOT TRUE"

# The edge, to the newest parent, which still stops the child; NULL when there is none.
_OPEN_EDGE = f"""(
    SELECT edge.id
      FROM queue_job_dependency edge
      LEFT JOIN queue_job parent ON parent.id = edge.parent_id
     WHERE {OF_CHILD.format("child.id")} AND {IS_OPEN}
     {BACKWARDS}
     LIMIT 1)"""


def _release(*more_sources: str) -> str:
    """Return the end of a statement whose WITH clause `waiting` has (id, reason).

    :param more_sources: of the FROM clause
    """
    return f"""
UPDATE queue_job child
   SET state = CASE WHEN w.reason IS NULL THEN 'pending' ELSE 'cancelled' END,
       scheduled = coalesce(child.eta > {UTC_NOW}, false),
       date_runnable = CASE WHEN w.reason IS NULL THEN {UTC_NOW}
                            ELSE child.date_runnable END,
       result = coalesce(w.reason, child.result),
       date_cancelled = CASE WHEN w.reason IS NULL THEN NULL ELSE {UTC_NOW} END,
       identity_slot = CASE WHEN w.reason IS NULL THEN child.identity_slot END
  FROM {", ".join(["waiting w", *more_sources])}
 WHERE child.id = w.id AND child.state = 'wait_dependencies'
   AND (w.reason IS NOT NULL OR {_OPEN_EDGE} IS NULL)
RETURNING child.id, child.state, child.result"""


# The children of parents which have just ended; `reason` says why one can never run.
_WAITING = """
WITH waiting AS MATERIALIZED (
    SELECT edge.child_id AS id,
           max(CASE WHEN edge.condition = 'failed'
                     AND parent.state IN ('done', 'cancelled')
                    THEN %(not_failed)s
                    WHEN edge.condition = 'done' AND parent.state = 'cancelled'
                    THEN %(parent_cancelled)s END) AS reason
      FROM queue_job_dependency edge
      JOIN queue_job parent ON parent.id = edge.parent_id
      JOIN queue_job job ON job.id = edge.child_id AND job.state = 'wait_dependencies'
     WHERE edge.parent_id = ANY(%(parents)s)
     GROUP BY edge.child_id
)"""

# Releases them, and cancels those which can never run. Rows: (id, state, result), the
# state being 'pending' or 'cancelled'.
RELEASE_CHILDREN = f"{_WAITING}{_release()}"

# The same in a lease, which takes what comes free itself, or notifies others. Nothing
# is lost with a commit that PostgreSQL forgets in a crash: the sweep finds it.
RELEASE_SILENTLY = f"{_WAITING}{_release(SILENT)}"

# A page of the sweep, by id: what it looks at is bounded, however many jobs wait.
NEXT_WAITING = """
SELECT id FROM queue_job
 WHERE state = 'wait_dependencies' AND id > %(after)s
 ORDER BY id LIMIT %(limit)s"""

# Releases the waiting jobs among these whose parents allow it, and cancels those which
# can never run; unlike RELEASE_CHILDREN it begins at the children. Edges without a
# parent come first in this order. Of ten thousand parents only those are looked up
# which are to fail, hence no join.
REPAIR_RELEASES = f"""
WITH waiting AS MATERIALIZED (
    SELECT job.id,
           (SELECT CASE edge.condition WHEN 'failed' THEN %(not_failed)s
                   ELSE %(parent_deleted)s END
              FROM queue_job_dependency edge
             WHERE {OF_CHILD.format("job.id")}
               AND (edge.parent_id IS NULL
                    OR edge.condition = 'failed'
                       AND (SELECT parent.state FROM queue_job parent
                             WHERE parent.id = edge.parent_id)
                           IN ('done', 'cancelled'))
             {BACKWARDS}
             LIMIT 1) AS reason
      FROM queue_job job
     WHERE job.state = 'wait_dependencies' AND job.id = ANY(%(ids)s)
){_release()}"""

# The children to cancel: all that waits, directly or not, for these jobs to be done.
_TO_CANCEL = """
WITH RECURSIVE to_cancel AS (
    SELECT child.id
      FROM queue_job_dependency edge JOIN queue_job child ON child.id = edge.child_id
     WHERE edge.parent_id = ANY(%(ids)s) AND edge.condition = 'done'
       AND child.state = 'wait_dependencies'
     UNION
    SELECT child.id
      FROM to_cancel
      JOIN queue_job_dependency edge ON edge.parent_id = to_cancel.id
      JOIN queue_job child ON child.id = edge.child_id
     WHERE edge.condition = 'done' AND child.state = 'wait_dependencies'
)"""
DEPENDENTS = f"{_TO_CANCEL} SELECT id FROM to_cancel"

# Cancels them.
CANCEL_DEPENDENTS = f"""{_TO_CANCEL}
UPDATE queue_job job
   SET state = 'cancelled', date_cancelled = %(date)s, result = %(result)s,
       identity_slot = NULL
  FROM to_cancel
 WHERE job.id = to_cancel.id AND job.state = 'wait_dependencies'
RETURNING job.id, job.state, job.result"""

# These jobs, if they are cancelled, and the children that were cancelled with them: on
# the same date or, by a process of its own, a moment later.
CANCELLED_WITH_THEM = """
WITH RECURSIVE cancelled AS (
    SELECT id, date_cancelled FROM queue_job
     WHERE id = ANY(%(ids)s) AND state = 'cancelled'
     UNION
    SELECT child.id, child.date_cancelled
      FROM cancelled
      JOIN queue_job_dependency edge ON edge.parent_id = cancelled.id
      JOIN queue_job child ON child.id = edge.child_id
     WHERE child.state = 'cancelled'
       AND child.date_cancelled >= cancelled.date_cancelled
       AND child.date_started IS NULL
)
SELECT id FROM cancelled"""

# Those of requeued jobs that have to wait: all of the jobs have to run, whatever their
# state is yet.
WAITING_FOR_PARENTS = f"""
SELECT DISTINCT edge.child_id
  FROM queue_job_dependency edge
  LEFT JOIN queue_job parent ON parent.id = edge.parent_id
 WHERE edge.child_id = ANY(%(ids)s)
   AND (parent.id = ANY(%(ids)s) OR {IS_OPEN})"""

# Those of which a parent was deleted before it ended as they wanted.
WITHOUT_PARENT = """
SELECT DISTINCT child_id FROM queue_job_dependency
 WHERE child_id = ANY(%(ids)s) AND parent_id IS NULL"""

# What waits for one of these jobs.
WAITING_CHILDREN = """
SELECT DISTINCT edge.child_id
  FROM queue_job_dependency edge
  JOIN queue_job child ON child.id = edge.child_id AND child.state = 'wait_dependencies'
 WHERE edge.parent_id = ANY(%(ids)s)"""

# Whether a parent still stops this job, or one that was deleted.
IS_BLOCKED = f"""
SELECT {_OPEN_EDGE} IS NOT NULL FROM queue_job child WHERE child.id = %(id)s"""

READ_UUIDS = "SELECT id, uuid FROM queue_job WHERE id = ANY(%(ids)s)"

# Adds edges; the condition of one which exists is replaced.
ADD_EDGES = """
INSERT INTO queue_job_dependency (parent_id, child_id, condition)
SELECT * FROM unnest(%(parents)s::int[], %(children)s::int[], %(conditions)s::varchar[])
    ON CONFLICT (child_id, parent_id) DO UPDATE SET condition = excluded.condition
      WHERE queue_job_dependency.condition <> excluded.condition"""


#: Edges of one INSERT (three arrays).
PAGE_EDGES = 20_000


def is_satisfied(condition: str, parent_state: str) -> bool:
    """Return whether a parent in this state lets a child with this condition go on."""
    return parent_state in SATISFYING[condition]


def add_edges(cr: Any, edges: Sequence[Edge]) -> None:
    """Write edges; the condition of one that exists is replaced.

    :param edges: no two of them with the same ends
    """
    for start in range(0, len(edges), PAGE_EDGES):
        page = edges[start : start + PAGE_EDGES]
        cr.execute(
            ADD_EDGES,
            {
                "parents": [edge.parent_id for edge in page],
                "children": [edge.child_id for edge in page],
                "conditions": [edge.condition for edge in page],
            },
        )


def cancelled_rows(
    cr: Any,
    parent_ids: Iterable[int],
    date: datetime | None,
    reasons: Reasons = REASONS,
) -> list[Change]:
    """Cancel what waits, directly or not, for jobs that have been cancelled.

    :param date: of the cancellation, that of the parents: a requeue goes by it
    :param reasons: the texts on cancelled children
    :return: the children that were cancelled, and those that were released by it
    """
    ids = list(parent_ids)
    result = reasons.parent_cancelled
    cr.execute(CANCEL_DEPENDENTS, {"ids": ids, "date": date, "result": result})
    cancelled = _changes(cr)
    ended = ids + [change.id for change in cancelled]
    return cancelled + released_rows(cr, ended, reasons=reasons)


def released_rows(
    cr: Any,
    parent_ids: Iterable[int],
    *,
    statement: str = RELEASE_CHILDREN,
    reasons: Reasons = REASONS,
) -> list[Change]:
    """Release or cancel the children of ended parents, where these decide it.

    A child which is cancelled because it can never run has ended as well: its own
    children are looked at in turn.

    :param statement: RELEASE_CHILDREN, or RELEASE_SILENTLY in autocommit mode
    :param reasons: the texts on cancelled children
    :return: the children that were released or cancelled, at any depth
    """
    changed: list[Change] = []
    parents = list(parent_ids)
    while parents:
        cr.execute(statement, {"parents": parents, **reasons._asdict()})
        found = _changes(cr)
        changed += found
        parents = [change.id for change in found if change.is_cancelled]
    return changed


def repaired_rows(
    cr: Any, job_ids: Iterable[int], reasons: Reasons = REASONS
) -> list[Change]:
    """Release or cancel the waiting jobs among these, as all of their edges decide.

    :param reasons: the texts on cancelled children
    :return: the jobs that were released or cancelled, dependents included
    """
    cr.execute(REPAIR_RELEASES, {"ids": list(job_ids), **reasons._asdict()})
    found = _changes(cr)
    cancelled = [change.id for change in found if change.is_cancelled]
    return found + released_rows(cr, cancelled, reasons=reasons)


def repair_releases(
    cr: Any, after: int = 0, limit: int | None = None
) -> tuple[list[int], int]:
    """Release the waiting jobs whose parents allow it, a page of them.

    :param after: id after which the page begins
    :param limit: jobs looked at, None for all
    :return: the ids now pending, and where the next page begins: 0 after the last
    """
    cr.execute(NEXT_WAITING, {"after": after, "limit": limit})
    page = [id_ for (id_,) in cr.fetchall()]
    if not page:
        return [], 0
    found = repaired_rows(cr, page)
    _log_cancelled(cr, [change for change in found if change.is_cancelled])
    released = [change.id for change in found if not change.is_cancelled]
    return released, page[-1] if limit and len(page) == limit else 0


def _changes(cr: Any) -> list[Change]:
    return [Change(*row) for row in cr.fetchall()]


def _log_cancelled(cr: Any, cancelled: list[Change]) -> None:
    if cancelled:
        cr.execute(READ_UUIDS, {"ids": [change.id for change in cancelled]})
        uuids = dict(cr.fetchall())
        database = cr.connection.info.dbname
        for change in cancelled:
            text = "%s: job %s: %s"
            _logger.info(text, database, uuids[change.id], change.result)
