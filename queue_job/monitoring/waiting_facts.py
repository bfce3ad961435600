# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads what `waiting_reason` has to know of some jobs, those of a page of the list.

A few statements read it, however many jobs are asked about and whatever waits in the
database: each part descends an index that the runner needs anyway, or counts no more
than so many of its entries. All of them see one snapshot, that of the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..claim.claims import NOT_BLOCKED, UTC_NOW, seconds_since
from ..core.waits import SINCE
from ..jobrunner.dispatch.recent_starts import RECENT_STARTS_OF_SEVERAL
from ..jobrunner.schedule.channel_config import ROOT, ChannelLimits, canonical_name
from ..jobrunner.schedule.worker_pools import ALONE, THREADS
from ..jobrunner.session.queries import OBSTACLE
from . import health
from .dashboard_queries import IN_FLIGHT
from .effective_settings import (
    configured_channels,
    effective_settings,
    maxima_of,
    runner_facts,
)
from .histogram import ancestors, sum_up_tree
from .waiting_causes import BEFORE_DATES, CAUSE_OF, JOBS_AHEAD, READY_CHANNELS
from .waiting_line import READ_LINES, READ_LINKS, Link, most_of, subject_of
from .waiting_reason import (
    ChannelFacts,
    Facts,
    Line,
    Load,
    Subject,
    line_of,
    server_reason,
    turn_reason,
)

_SINCE = f"greatest({', '.join(f'subject.{name}' for name in SINCE)})"

# `ahead` is a job of the channel that comes before this one and waits for its date.
READ_SUBJECTS = f"""
SELECT subject.id, subject.state, subject.channel, subject.retry,
       subject.gate_state IN ('new', 'waiting') AS is_blocked,
       -{seconds_since("subject.eta")} AS date_in,
       {seconds_since(_SINCE)} AS ready_for,
       {seconds_since("subject.date_enqueued")} AS enqueued_for,
       (SELECT coalesce(nullif(exc_name, ''), left(message, 100), '')
          FROM queue_job_attempt
         WHERE job_id = subject.id ORDER BY number DESC, id DESC LIMIT 1) AS error,
       (SELECT head.id FROM (
               SELECT id, priority, date_created FROM queue_job j
                WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
                  AND j.channel = subject.channel
                ORDER BY priority, date_created, id LIMIT 1) head
         WHERE (head.priority, head.date_created, head.id)
               < (subject.priority, subject.date_created, subject.id)) AS ahead
  FROM unnest(%(ids)s::int[]) AS asked (id) CROSS JOIN LATERAL (
       SELECT * FROM queue_job WHERE id = asked.id LIMIT 1) subject
"""

# What holds for all jobs: the runner that leads, and what runs.
READ_SERVER = f"""
SELECT {OBSTACLE},
       (SELECT to_jsonb(r) FROM (
               SELECT note, root_capacity, total_capacity, total_running, shared_load,
                      {seconds_since("last_seen")} AS age
                 FROM queue_job_runner
                WHERE last_seen <= {UTC_NOW} + interval '1 hour'
                ORDER BY leader DESC NULLS LAST, last_seen DESC LIMIT 1) r) AS runner,
       (SELECT jsonb_object_agg(channel, running) FROM ({IN_FLIGHT}) f) AS running
"""

READ_CHANNELS = """
SELECT names.name, failed.id AS failed, to_jsonb(c) AS settings
  FROM unnest(%(names)s::text[]) AS names (name)
  LEFT JOIN LATERAL (
       SELECT id, complete_name, capacity, sequential, throttle, paused, rate_limit,
              rate_period, threads
         FROM queue_job_channel WHERE complete_name = names.name LIMIT 1) c ON TRUE
  LEFT JOIN LATERAL (
       SELECT id FROM queue_job
        WHERE state = 'failed' AND channel = names.name LIMIT 1) failed ON TRUE
"""

# Compiled, the statements would take longer than they do. And where nobody has analyzed
# the table since a large insert, a bitmap of all that waits would be made and sorted.
PLAN_FOR_FEW = "SET LOCAL jit = off; SET LOCAL enable_bitmapscan = off"
PLAN_AS_BEFORE = "SET LOCAL jit TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT"


class Server(NamedTuple):
    """What holds for all jobs of the database."""

    runner: health.Facts
    obstacle: str
    total: Load | None
    """what all databases of the runner run together"""
    shared: Mapping[str, tuple[int | None, int, int]]
    """{channel or pool that databases share: (size, running in all, in this one)}"""
    running: Mapping[str, int]
    """{channel: jobs in flight, there and below}"""
    root_capacity: int | None
    """of the runner that leads, which has its own configuration"""

    def pool(self, channels: Iterable[ChannelFacts]) -> Load | None:
        """Return the load of the pool of workers that runs the jobs of a channel.

        :param channels: from that channel up to root
        """
        in_threads = any(channel.limits.threads for channel in channels)
        load = self.shared.get(THREADS if in_threads else ALONE)
        return Load(load[0] or 0, load[1], in_threads) if load else None


def read_facts(cr: Any, job_ids: Iterable[int]) -> dict[int, Facts]:
    """Read the facts about some jobs.

    :param cr: a cursor of the database, in one transaction
    :param job_ids: ids of their rows
    :return: by the id; without those that don't exist
    """
    ids = list(job_ids)
    cr.execute(PLAN_FOR_FEW)
    links = _read_links(cr, ids)
    ends = {job_id: subject_of(links, job_id) for job_id in ids if job_id in links}
    subjects = _read_subjects(cr, {end.id for end in ends.values() if end.id})
    server = read_server(cr)
    rows = [row for row in subjects.values() if row["state"] == "pending"]
    channels = read_channels(cr, [row["channel"] for row in rows], server)
    found = {}
    for job_id, end in ends.items():
        row = subjects.get(end.id)
        path = channels.get(row["channel"] or "", ()) if row else ()
        found[job_id] = Facts(
            subject=_subject(row),
            steps=end.steps,
            waits_for=end.kind,
            is_cut=end.is_cut,
            runner=server.runner,
            obstacle=server.obstacle,
            channels=_with_job_ahead(path, row),
            pool=server.pool(path),
            total=server.total,
        )
    found = _with_lines(cr, found)
    cr.execute(PLAN_AS_BEFORE)
    return found


def _read_links(cr: Any, ids: list[int]) -> dict[int, Link]:
    cr.execute(READ_LINKS, {"ids": ids})
    return {row[0]: Link(*row) for row in cr.fetchall()}


def _read_subjects(cr: Any, ids: set[int]) -> dict[int | None, dict[str, Any]]:
    cr.execute(READ_SUBJECTS, {"ids": list(ids)})
    return {row["id"]: row for row in cr.dictfetchall()}


def _subject(row: dict[str, Any] | None) -> Subject:
    if row is None:
        return Subject(None, None)
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


def _with_job_ahead(path, row) -> tuple[ChannelFacts, ...]:
    if not path:
        return ()
    own, *above = path
    return own._replace(ahead=row["ahead"]), *above


def _with_lines(cr: Any, found: dict[int, Facts]) -> dict[int, Facts]:
    """Look for the places of those jobs whose reason is that a channel is full."""
    full = {facts.subject.id: line_of(facts) for facts in found.values()}
    asked = {job_id: name for job_id, name in full.items() if job_id and name}
    if not asked:
        return found
    most = most_of(len(found))
    parameters = {"ids": list(asked), "names": list(asked.values()), "most": most}
    cr.execute(READ_LINES, parameters)
    lines = {
        row[0]: Line(row[1], row[2], most, row[3], row[4]) for row in cr.fetchall()
    }
    return {
        job_id: facts._replace(line=lines.get(facts.subject.id, facts.line))
        for job_id, facts in found.items()
    }


def read_server(cr: Any) -> Server:
    """Read what holds for all jobs of the database.

    :param cr: a cursor of the database
    """
    cr.execute(READ_SERVER, {"companies": None})
    (row,) = cr.dictfetchall()
    configured, error = configured_channels()
    runner = row["runner"] or {}
    capacity, running = runner.get("total_capacity"), runner.get("total_running")
    return Server(
        runner=health.Facts(**runner_facts(runner, configured, error)),
        obstacle=row["obstacle"] or "",
        total=Load(capacity, running or 0) if capacity else None,
        shared=runner.get("shared_load") or {},
        running=sum_up_tree(row["running"] or {}),
        root_capacity=runner.get("root_capacity"),
    )


def read_channels(
    cr: Any, names: Iterable[str | None], server: Server
) -> dict[str, tuple[ChannelFacts, ...]]:
    """Read what rules the jobs of some channels.

    :param names: as jobs have them
    :return: for each name, "" for none, the channels from that one up to root
    """
    paths = {name or "": list(ancestors(canonical_name(name))) for name in names}
    wanted = sorted({name for path in paths.values() for name in path})
    if not wanted:
        return {}
    cr.execute(READ_CHANNELS, {"names": wanted})
    rows = {row["name"]: row for row in cr.dictfetchall()}
    configured, _error = configured_channels()
    maxima = maxima_of(cr.dbname)
    found = {}
    for name in wanted:
        settings = rows[name]["settings"]
        effective = effective_settings(name, settings, configured, maxima)
        found[name] = _channel(name, rows[name], effective, server)
    starts = _recent_starts(cr, found.values())
    found = {
        name: facts._replace(starts=tuple(starts.get(name, ())))
        for name, facts in found.items()
    }
    return {name: tuple(found[each] for each in path) for name, path in paths.items()}


def _channel(name: str, row, settings, server: Server) -> ChannelFacts:
    limits = ChannelLimits(*(settings[each] for each in ChannelLimits._fields))
    if name == ROOT and server.root_capacity:
        limits = limits._replace(capacity=server.root_capacity)
    _size, in_all, in_this = server.shared.get(name) or (None, 0, 0)
    own_row = row["settings"] or {}
    return ChannelFacts(
        name=name,
        limits=limits,
        id=own_row.get("id"),
        fixed="" if own_row.get("paused") else settings["fixed"],
        running=server.running.get(name, 0),
        others=max(in_all - in_this, 0),
        failed=row["failed"],
    )


def recent_starts(cr: Any, name: str, limits: ChannelLimits) -> tuple[float, ...]:
    """Return the seconds since each start that a throttle or a rate looks at.

    :param cr: a cursor of the database
    :param name: full dotted name of the channel
    :param limits: those in force
    :return: the latest first
    """
    return tuple(_recent_starts(cr, [ChannelFacts(name, limits)]).get(name, ()))


def _recent_starts(cr: Any, channels: Iterable[ChannelFacts]) -> dict[str, list[float]]:
    """Return the seconds since each start that a throttle or a rate looks at."""
    asked = []
    for channel in channels:
        limits = channel.limits
        if limits.throttle or limits.rate:
            number, period = limits.rate or (1, 0)
            asked.append((channel.name, max(period, limits.throttle), number))
    if not asked:
        return {}
    names, periods, numbers = (list(each) for each in zip(*asked, strict=True))
    cr.execute(
        RECENT_STARTS_OF_SEVERAL,
        {"channels": names, "periods": periods, "limits": numbers},
    )
    found: dict[str, list[float]] = {}
    for name, age in cr.fetchall():
        found.setdefault(name, []).append(age)
    return found


def read_causes(cr: Any) -> dict[str, Any]:
    """Return what `CAUSE` has to know besides the rows.

    :param cr: a cursor of the database, in the transaction of the statement
    """
    cr.execute(PLAN_FOR_FEW)
    server = read_server(cr)
    anyone = Facts(Subject(None), runner=server.runner, obstacle=server.obstacle)
    is_held = bool(server_reason(anyone))
    causes, ahead = {}, []
    if not is_held:
        cr.execute(READY_CHANNELS)
        paths = read_channels(cr, [name for (name,) in cr.fetchall()], server)
        causes = {name: _cause_in(path, server) for name, path in paths.items()}
        ahead = _read_jobs_ahead(cr, paths, causes)
    cr.execute(PLAN_AS_BEFORE)
    return {
        "is_held": is_held,
        "channels": json.dumps(causes),
        "ahead": json.dumps({name: job for name, *job in ahead}),
    }


def _cause_in(path, server) -> str:
    """Return what the ready jobs of a channel wait for, which is before others."""
    pool, total = server.pool(path), server.total
    facts = Facts(Subject(None), channels=path, pool=pool, total=total)
    return CAUSE_OF[turn_reason(facts).code]


def _read_jobs_ahead(cr, paths, causes) -> list[tuple]:
    names = [
        name
        for name, path in paths.items()
        if path[0].limits.sequential and causes[name] not in BEFORE_DATES
    ]
    if not names:
        return []
    cr.execute(JOBS_AHEAD, {"channels": names})
    return cr.fetchall()
