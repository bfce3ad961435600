# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The lines in which jobs wait: for each other, and for the slots of a channel.

A job waits for another one: for a parent, or for one of its key. That waits maybe, too.
`READ_LINKS` reads each job of these lines once, however many of the jobs that are asked
about stand in the same one; `subject_of` goes along a line to its end. This module
imports nothing of Odoo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..jobrunner.schedule.channel_config import ROOT
from ..keys.admission import HOLDER
from ..storage.dependencies import BACKWARDS, IS_OPEN, OF_CHILD

#: Jobs of a channel's line that are counted for one job, and for each of a page.
MOST, MOST_OF_PAGE = 2000, 200
#: Channels whose jobs are counted where they share the slots of one above them.
MOST_CHANNELS = 50
#: Jobs of the lines of jobs that wait for each other; what is further is not looked at.
MOST_LINKS = 500
#: Parents of one job that are looked at, the newest first.
MOST_PARENTS = 50

#: How a job waits for another one.
PARENT, KEY = "parent", "key"

# The open parent that matters most: one that is gone or has failed; or else one that
# waits itself, for there may be a failure behind it. What runs will end.
_OPEN_PARENT = f"""
SELECT parent_id AS id, '{PARENT}' AS kind FROM (
       SELECT edge.parent_id, parent.state
         FROM queue_job_dependency edge
         LEFT JOIN queue_job parent ON parent.id = edge.parent_id
        WHERE {OF_CHILD.format("held.id")} AND {IS_OPEN}
        {BACKWARDS} LIMIT {MOST_PARENTS}) AS open
 ORDER BY CASE state WHEN 'failed' THEN 1 WHEN 'wait_dependencies' THEN 2
                     WHEN 'pending' THEN 3 WHEN 'enqueued' THEN 4
                     WHEN 'started' THEN 4 ELSE 0 END, parent_id DESC LIMIT 1"""

_STEP = f"""
  LEFT JOIN LATERAL (
       SELECT * FROM ({_OPEN_PARENT}) parent WHERE held.state = 'wait_dependencies'
        UNION ALL
       SELECT id, '{KEY}' FROM ({HOLDER}) holder
        WHERE held.state = 'pending' AND held.gate_state IN ('new', 'waiting')
       ) step ON TRUE"""

# Of these jobs, and of those that they wait for, and so on: (id, kind, next), see
# `Link`. A line that others have joined is not read again. The limits of one row keep
# PostgreSQL from reading the whole table, which it may take for a small one.
READ_LINKS = f"""
WITH RECURSIVE walk AS (
    SELECT held.id, step.kind, step.id AS next
      FROM unnest(%(ids)s::int[]) AS asked (id) CROSS JOIN LATERAL (
           SELECT * FROM queue_job WHERE id = asked.id LIMIT 1) held {_STEP}
    UNION
    SELECT held.id, step.kind, step.id
      FROM walk CROSS JOIN LATERAL (
           SELECT * FROM queue_job WHERE id = walk.next LIMIT 1) held {_STEP}
)
SELECT * FROM walk LIMIT {MOST_LINKS}
"""

_READY = "j.state = 'pending' AND j.scheduled IS NOT TRUE"
_SAME_PRIORITY = "j.priority = subject.priority"
_SAME_DATE = f"{_SAME_PRIORITY} AND j.date_created = subject.date_created"


def _jobs(condition: str) -> str:
    """SQL of the jobs of a channel that could run, as many as are counted.

    Without the order, PostgreSQL might find them by reading the whole table.
    """
    return f"""(
               SELECT FROM queue_job j
                WHERE {_READY} AND j.channel = rivals.channel AND {condition}
                ORDER BY j.priority, j.date_created, j.id LIMIT %(most)s)"""


# Those before the subject. Not by a comparison of rows: if the first columns are equal,
# PostgreSQL goes on to the end of the channel in the index.
_BEFORE = " UNION ALL ".join(
    (
        _jobs("j.priority < subject.priority"),
        _jobs(f"{_SAME_PRIORITY} AND j.date_created < subject.date_created"),
        _jobs(f"{_SAME_DATE} AND j.id < subject.id"),
    )
)
_IN_OR_BELOW = f"""(fulls.name = '{ROOT}' OR {{0}} = fulls.name
                     OR starts_with({{0}}, fulls.name || '.'))"""

# The places of jobs in the lines of full channels: whoever waits there or below it
# takes the next slot in the order of all. Rows: (id, before, waiting, mean run time,
# whether so many channels compete that they were not counted).
READ_LINES = f"""
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::int[], %(names)s::text[]) AS a (id, name)
), names AS (
    (SELECT channel FROM queue_job j
      WHERE {_READY} ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT j.channel FROM queue_job j
             WHERE {_READY} AND j.channel > names.channel
             ORDER BY j.channel LIMIT 1)
      FROM names WHERE names.channel IS NOT NULL
), fulls AS MATERIALIZED (
    SELECT name, ARRAY(
           SELECT channel FROM names
            WHERE channel IS NOT NULL AND {_IN_OR_BELOW.format("channel")}
            LIMIT {MOST_CHANNELS} + 1) AS channels
      FROM (SELECT DISTINCT name FROM asked) AS fulls
), lines AS MATERIALIZED (
    SELECT fulls.name, fulls.channels,
           cardinality(fulls.channels) > {MOST_CHANNELS} AS is_crowded,
           (SELECT count(*) FROM (
                   SELECT FROM unnest(fulls.channels[:{MOST_CHANNELS}])
                               AS rivals (channel)
                    CROSS JOIN LATERAL {_jobs("TRUE")} AS job
                    LIMIT %(most)s) AS capped) AS waiting,
           (SELECT sum(run_seconds) / nullif(sum(
                       coalesce(done, 0) + coalesce(failed, 0) + coalesce(retried, 0)
                       + coalesce(cancelled, 0)), 0)
              FROM queue_job_statistic
             WHERE minute IS NULL AND {_IN_OR_BELOW.format("channel")}) AS run_seconds
      FROM fulls
)
SELECT asked.id, before.count, lines.waiting, lines.run_seconds, lines.is_crowded
  FROM asked JOIN lines ON lines.name = asked.name
 CROSS JOIN LATERAL (SELECT * FROM queue_job WHERE id = asked.id LIMIT 1) subject
 CROSS JOIN LATERAL (
       SELECT count(*) FROM (
              SELECT FROM unnest(CASE WHEN NOT lines.is_crowded
                                      THEN lines.channels END) AS rivals (channel)
               CROSS JOIN LATERAL ({_BEFORE}) AS job
               LIMIT %(most)s) AS capped) before
"""


class Link(NamedTuple):
    """A job, and what it waits for."""

    id: int
    kind: str | None = None
    """`PARENT` or `KEY`; None if it waits for no other job"""
    next: int | None = None
    """the other job; None with a kind: it was deleted"""


class End(NamedTuple):
    """The end of the line of jobs that wait for each other."""

    id: int | None
    """the job there; None: it was deleted"""
    steps: int = 0
    """from the job that is asked about"""
    kind: str = ""
    """how that waits for the next one"""
    is_cut: bool = False
    """the line is longer than what is looked at, or a circle"""


def subject_of(links: Mapping[int, Link], job_id: int) -> End:
    """Return the end of the line in which a job stands.

    :param links: of all its jobs, by their ids
    :param job_id: id of a job, which is one of them

    >>> links = {1: Link(1, PARENT, 2), 2: Link(2, KEY, 3), 3: Link(3)}
    >>> subject_of(links, 1)
    End(id=3, steps=2, kind='parent', is_cut=False)
    >>> subject_of({1: Link(1, PARENT, None)}, 1)
    End(id=None, steps=1, kind='parent', is_cut=False)
    >>> subject_of({1: Link(1, KEY, 2)}, 1)
    End(id=2, steps=1, kind='key', is_cut=True)
    """
    kind, steps, link = links[job_id].kind or "", 0, links[job_id]
    while link.kind:
        steps += 1
        if link.next is None:
            return End(None, steps, kind)
        if link.next not in links or steps > len(links):
            return End(link.next, steps, kind, is_cut=True)
        link = links[link.next]
    return End(link.id, steps, kind)


def most_of(count: int) -> int:
    """Return how many jobs are counted for each of so many."""
    return MOST if count == 1 else MOST_OF_PAGE
