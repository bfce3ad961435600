# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads what `waiting_reason` has to know of one job.

One statement reads it, whatever waits in the database: each part descends an index that
the runner needs anyway, or counts at most `MOST` of its entries. Where a channel has a
throttle or a rate, the runner's own statement reads its last starts.
"""

from __future__ import annotations

from typing import Any

from ..claim.claims import NOT_BLOCKED, UTC_NOW, seconds_since
from ..core.waits import SINCE
from ..jobrunner.dispatch.recent_starts import RECENT_STARTS
from ..jobrunner.schedule.channel_config import ROOT, ChannelLimits, canonical_name
from ..jobrunner.session.queries import OBSTACLE
from ..keys.admission import HOLDER
from ..storage.dependencies import BACKWARDS, IS_OPEN, OF_CHILD
from . import health
from .dashboard_queries import IN_FLIGHT, READY
from .effective_settings import (
    configured_channels,
    effective_settings,
    maxima_of,
    runner_facts,
)
from .histogram import ancestors, sum_up_tree
from .waiting_reason import ChannelFacts, Facts, Line, Subject, Total

#: Jobs of a line that are counted.
MOST = 2000
#: Steps of a line of jobs that wait for each other; what is further is not looked at.
DEEPEST = 200
#: Parents of one job that are looked at, the newest first.
MOST_PARENTS = 50

# The open parent that matters most: one that has failed, or is gone.
_OPEN_PARENT = f"""
SELECT parent_id AS id, 'parent' AS kind FROM (
       SELECT edge.parent_id, parent.state
         FROM queue_job_dependency edge
         LEFT JOIN queue_job parent ON parent.id = edge.parent_id
        WHERE {OF_CHILD.format("held.id")} AND {IS_OPEN}
        {BACKWARDS} LIMIT {MOST_PARENTS}) AS open
 ORDER BY state = 'failed' DESC NULLS FIRST LIMIT 1"""

_SINCE = f"greatest({', '.join(f'subject.{name}' for name in SINCE)})"
_SAME_PRIORITY = "j.priority = subject.priority"
_SAME_DATE = f"{_SAME_PRIORITY} AND j.date_created = subject.date_created"


def _jobs(condition: str) -> str:
    """SQL of the jobs of the subject's channel that could run, `MOST` at most.

    Without the order, PostgreSQL might find so many by reading the whole table.
    """
    return f"""(
               SELECT FROM queue_job j
                WHERE {READY} AND j.channel = subject.channel AND {condition}
                ORDER BY j.priority, j.date_created, j.id LIMIT {MOST})"""


# Those before the subject. Not by a comparison of rows: if the first columns are equal,
# PostgreSQL goes on to the end of the channel in the index.
_BEFORE = " UNION ALL ".join(
    (
        _jobs("j.priority < subject.priority"),
        _jobs(f"{_SAME_PRIORITY} AND j.date_created < subject.date_created"),
        _jobs(f"{_SAME_DATE} AND j.id < subject.id"),
    )
)


# `walk` goes from the job (its id) to what it waits for, and what that waits for, until
# a job waits for no other one. `path` holds the channels from that job's up to root.
READ_FACTS = f"""
WITH RECURSIVE walk AS (
    SELECT id, state, channel, gate, gate_state, 0 AS steps, NULL::text AS kind
      FROM queue_job WHERE id = %(id)s
    UNION ALL
    SELECT j.id, j.state, j.channel, j.gate, j.gate_state, held.steps + 1,
           coalesce(held.kind, step.kind)
      FROM walk AS held CROSS JOIN LATERAL (
           SELECT * FROM ({_OPEN_PARENT}) parent
            WHERE held.state = 'wait_dependencies'
            UNION ALL
           SELECT id, 'key' FROM ({HOLDER}) holder
            WHERE held.state = 'pending' AND held.gate_state IN ('new', 'waiting')
           ) step
      LEFT JOIN queue_job j ON j.id = step.id
     WHERE held.steps < {DEEPEST}
), subject AS MATERIALIZED (
    SELECT walk.steps, walk.kind, j.id, j.state, j.channel, j.priority, j.date_created,
           j.eta, j.date_runnable, j.retry, j.date_enqueued, j.gate_state
      FROM (SELECT * FROM walk ORDER BY steps DESC LIMIT 1) walk
      LEFT JOIN queue_job j ON j.id = walk.id
), path AS MATERIALIZED (
    SELECT array_to_string(parts[1:depth], '.') AS name
      FROM (SELECT string_to_array(CASE
                   WHEN starts_with(channel || '.', '{ROOT}.') THEN channel
                   ELSE concat_ws('.', '{ROOT}', nullif(channel, '')) END, '.') AS parts
              FROM subject) AS split
     CROSS JOIN generate_series(1, cardinality(parts)) AS depth
)
SELECT subject.id, subject.state, subject.channel, subject.steps, subject.kind,
       subject.retry, subject.gate_state IN ('new', 'waiting') AS is_blocked,
       -{seconds_since("subject.eta")} AS date_in,
       {seconds_since(_SINCE)} AS ready_for,
       {seconds_since("subject.date_enqueued")} AS enqueued_for,
       (SELECT coalesce(exc_name, '') FROM queue_job_attempt
         WHERE job_id = subject.id ORDER BY number DESC, id DESC LIMIT 1) AS error,
       {OBSTACLE},
       (SELECT to_jsonb(r) FROM (
               SELECT note, root_capacity, total_capacity, total_running,
                      {seconds_since("last_seen")} AS age
                 FROM queue_job_runner
                WHERE last_seen <= {UTC_NOW} + interval '1 hour'
                ORDER BY leader DESC NULLS LAST, last_seen DESC LIMIT 1) r) AS runner,
       (SELECT jsonb_object_agg(channel, running) FROM ({IN_FLIGHT}) f) AS running,
       (SELECT jsonb_object_agg(complete_name, to_jsonb(c)) FROM (
               SELECT id, complete_name, capacity, sequential, throttle, paused,
                      rate_limit, rate_period, threads
                 FROM queue_job_channel JOIN path ON path.name = complete_name) c)
       AS channels,
       (SELECT jsonb_object_agg(path.name, failed.id)
          FROM path CROSS JOIN LATERAL (
               SELECT id FROM queue_job
                WHERE state = 'failed' AND channel = path.name LIMIT 1) failed)
       AS failed,
       (SELECT head.id FROM (
               SELECT id, priority, date_created FROM queue_job j
                WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
                  AND j.channel = subject.channel
                ORDER BY priority, date_created, id LIMIT 1) head
         WHERE (head.priority, head.date_created, head.id)
               < (subject.priority, subject.date_created, subject.id)) AS ahead,
       (SELECT count(*) FROM ({_BEFORE} LIMIT {MOST}) AS capped) AS before,
       (SELECT count(*) FROM {_jobs("TRUE")} AS capped) AS waiting,
       (SELECT sum(run_seconds) / nullif(sum(
                   coalesce(done, 0) + coalesce(failed, 0) + coalesce(retried, 0)
                   + coalesce(cancelled, 0)), 0)
          FROM queue_job_statistic
         WHERE minute IS NULL AND channel = subject.channel) AS run_seconds
  FROM subject
"""

# Compiled, the statement would take longer than it does. And where nobody has analyzed
# the table since a large insert, a bitmap of all that waits would be made and sorted.
PLAN_FOR_FEW = "SET LOCAL jit = off; SET LOCAL enable_bitmapscan = off"
PLAN_AS_BEFORE = "SET LOCAL jit TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT"


def read_facts(cr: Any, job_id: int) -> Facts | None:
    """Read the facts about a job.

    :param cr: a cursor of the database
    :param job_id: id of its row
    :return: None if there is no such job
    """
    cr.execute(PLAN_FOR_FEW)
    cr.execute(READ_FACTS, {"id": job_id, "companies": None})
    row = next(iter(cr.dictfetchall()), None)
    cr.execute(PLAN_AS_BEFORE)
    if row is None:
        return None
    configured, error = configured_channels()
    runner = row["runner"] or {}
    return Facts(
        subject=_subject(row),
        steps=row["steps"],
        waits_for=row["kind"] or "",
        runner=health.Facts(**runner_facts(runner, configured, error)),
        obstacle=row["obstacle"] or "",
        channels=_channels(cr, row, configured, runner.get("root_capacity")),
        line=Line(row["before"], row["waiting"], MOST, row["run_seconds"]),
        total=Total(runner.get("total_capacity"), runner.get("total_running")),
    )


def _subject(row: dict[str, Any]) -> Subject:
    return Subject(
        id=row["id"],
        state=row["state"],
        date_in=row["date_in"],
        ready_for=row["ready_for"] or 0,
        enqueued_for=row["enqueued_for"] or 0,
        retry=row["retry"] or 0,
        error=row["error"] or "",
        is_blocked=bool(row["is_blocked"]),
    )


def _channels(cr, row, configured, root_capacity) -> tuple[ChannelFacts, ...]:
    """Return the channels from that of the subject up to root.

    :param root_capacity: of the runner that leads, which has its own configuration
    """
    own, *above = ancestors(canonical_name(row["channel"]))
    running = sum_up_tree(row["running"] or {})
    rows, failed = row["channels"] or {}, row["failed"] or {}
    maxima = maxima_of(cr.dbname)
    found = []
    for name in (own, *above):
        settings = effective_settings(name, rows.get(name), configured, maxima)
        limits = ChannelLimits(*(settings[each] for each in ChannelLimits._fields))
        if name == ROOT and root_capacity:
            limits = limits._replace(capacity=root_capacity)
        own_row = rows.get(name, {})
        found.append(
            ChannelFacts(
                name=name,
                limits=limits,
                id=own_row.get("id"),
                fixed="" if own_row.get("paused") else settings["fixed"],
                running=running.get(name, 0),
                failed=failed.get(name),
                ahead=row["ahead"] if name == own else None,
                starts=recent_starts(cr, name, limits),
            )
        )
    return tuple(found)


def recent_starts(cr, name: str, limits: ChannelLimits) -> tuple[float, ...]:
    """Return the seconds since each start that a throttle or a rate looks at.

    :param cr: a cursor of the database
    :param name: full dotted name of the channel
    :param limits: those in force
    :return: the latest first
    """
    if not (limits.throttle or limits.rate):
        return ()
    number, period = limits.rate or (1, 0)
    parameters = {
        "channel": name,
        "period": max(period, limits.throttle),
        "limit": number,
    }
    cr.execute(RECENT_STARTS, parameters)
    return tuple(age for (age,) in cr.fetchall())
