# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a job does not run yet: from facts to one reason.

`waiting_reason` is a pure function, and applies the rules that the runner obeys. The
facts are read by `waiting_facts`, the reason is put into words by `waiting_texts`.

A job that waits for its parents, or for others of its key, is explained by the job at
the end of that line: the *subject*. If that has failed or runs, this is the reason; if
it waits itself, its own reason is part of the reason.

What is asked first, of a pending subject:

1. its date: it would not start earlier, whatever else there is;
2. the runner, and what makes it hold all jobs back; modules that are being updated,
   a drained database;
3. its key, about which the runner has not decided yet;
4. the channels from its own up to root: a pause of any of them, then what stops each;
5. what the runner shares among its databases: the workers, and all that they run.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any, NamedTuple

from ..core.errors import OUTDATED_CODE
from ..core.states import (
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    IN_FLIGHT,
    PENDING,
    WAIT_DEPENDENCIES,
)
from ..jobrunner.schedule.channel_config import ChannelLimits
from ..jobrunner.schedule.rate import Rate, StartWindow
from . import health

JOB, CHANNEL = "queue.job", "queue.job.channel"

#: What helps: a method of the record that is named with it.
REQUEUE, RESUME, RUN_NOW = "requeue", "action_resume", "action_run_now"

#: Reasons which are over in a moment: nobody has to be told.
MOMENTARY = frozenset({"soon", "enqueued", "release", "key_new"})

#: Seconds within which a job without any obstacle starts, or is taken by its worker.
SOON = 10


class ChannelFacts(NamedTuple):
    """A channel on the path from that of the job up to root."""

    name: str
    limits: ChannelLimits
    id: int | None = None
    """of its record, if there is one"""
    fixed: str = ""
    """what holds the setting that pauses it, where its record does not"""
    running: int = 0
    """jobs in flight, here and below"""
    others: int = 0
    """jobs of other databases in flight, where these share the channel"""
    failed: int | None = None
    """id of a job of this very channel that has failed"""
    ahead: int | None = None
    """id of a job of this very channel that comes before it and waits for its date"""
    starts: tuple[float, ...] = ()
    """seconds since each of the last starts, here and below"""


class Subject(NamedTuple):
    """The job at the end of the line: the one that is asked about, or a blocker."""

    id: int | None
    """None: it was deleted"""
    state: str | None = PENDING
    date_in: float | None = None
    """seconds until its date"""
    ready_for: float = 0
    """seconds since it could run"""
    enqueued_for: float = 0
    """seconds since a worker was given it"""
    retry: int = 0
    """attempts there were"""
    error: str = ""
    """name of the exception of the last attempt, or what it said"""
    is_blocked: bool = False
    """its key has not been decided about"""


class Line(NamedTuple):
    """The jobs that wait for slots of a channel, there and below, in their order."""

    before: int = 0
    waiting: int = 0
    most: int = 10000
    """nothing is counted further than this"""
    run_seconds: float | None = None
    """mean run time of the jobs of the channel, as measured"""
    is_crowded: bool = False
    """so many channels compete that nothing was counted"""


class Load(NamedTuple):
    """What all databases of the runner run together, as it said last."""

    capacity: int = 0
    running: int = 0
    in_threads: bool = False
    """of a pool of workers: those with threads"""

    @property
    def is_full(self) -> bool:
        """Whether there is no room."""
        return self.running >= self.capacity


class Facts(NamedTuple):
    """What is known of a job and of what it waits for."""

    subject: Subject
    steps: int = 0
    """from the job to the subject; 0 if they are the same"""
    waits_for: str = ""
    """how it waits for the first job of the line, see `waiting_line`"""
    is_cut: bool = False
    """the line goes on behind the subject, further than what is looked at"""
    runner: health.Facts = health.Facts()
    obstacle: str = ""
    """what keeps all jobs from starting: modules that are being updated, a drain"""
    channels: tuple[ChannelFacts, ...] = ()
    """from that of the subject up to root"""
    line: Line = Line()
    pool: Load | None = None
    """the workers that would run it; None if their slots are not counted"""
    total: Load | None = None
    """None for no maximum"""


class Reason(NamedTuple):
    """A code which has a text, the values of the text, and what helps."""

    code: str
    values: dict[str, Any] = {}
    record: tuple[str, int] | None = None
    """what blocks: (model, id)"""
    remedy: str | None = None
    """a method of this record"""
    because: Reason | None = None
    """why the blocker waits itself"""

    @property
    def cure(self) -> Reason | None:
        """This reason, or that of the blocker, whichever has a remedy."""
        if self.remedy:
            return self
        return self.because.cure if self.because else None


def waiting_reason(facts: Facts) -> Reason | None:
    """Return why a job does not run; None where it runs or has ended."""
    if facts.steps:
        return _behind(facts)
    if facts.subject.state not in (WAIT_DEPENDENCIES, PENDING, ENQUEUED):
        return None
    return _own_reason(facts)


def _behind(facts: Facts) -> Reason:
    """The job waits for another one, at the end of the line."""
    subject, prefix = facts.subject, facts.waits_for
    if subject.id is None or subject.state in (CANCELLED, DONE):
        return Reason("parent_gone")
    record, values = (JOB, subject.id), {"job": subject.id, "steps": facts.steps}
    if subject.state == FAILED:
        return Reason(f"{prefix}_failed", values, record, REQUEUE)
    if subject.state in IN_FLIGHT:
        return Reason(f"{prefix}_running", values, record)
    if facts.is_cut:
        return Reason("far", values, record)
    return Reason(f"{prefix}_waits", values, record, because=_own_reason(facts))


def _own_reason(facts: Facts) -> Reason:
    subject = facts.subject
    if subject.state == WAIT_DEPENDENCIES:
        return Reason("release")
    if subject.state == ENQUEUED:
        return _enqueued(subject)
    return (
        _date(subject)
        or server_reason(facts)
        or (Reason("key_new") if subject.is_blocked else None)
        or turn_reason(facts)
    )


def turn_reason(facts: Facts) -> Reason:
    """Return why a job does not run that nothing but its channels may hold."""
    return _pause(facts.channels) or _channel(facts) or _no_obstacle(facts)


def line_of(facts: Facts) -> str | None:
    """Return the full channel for whose slots the subject waits, None for none."""
    if facts.subject.state != PENDING or facts.is_cut:
        return None
    reason = _own_reason(facts)
    return reason.values["channel"] if reason.code == "full" else None


def _enqueued(subject: Subject) -> Reason:
    if subject.enqueued_for < SOON:
        return Reason("enqueued")
    return Reason("enqueued_long", {"duration": subject.enqueued_for})


def _date(subject: Subject) -> Reason | None:
    if subject.date_in is None or subject.date_in <= 0:
        return None
    record = (JOB, subject.id) if subject.id else None
    values: dict[str, Any] = {"until": subject.date_in}
    if subject.error == OUTDATED_CODE:
        return Reason("outdated_code", values, record, RUN_NOW)
    if not subject.retry:
        return Reason("date", values, record, RUN_NOW)
    values = {**values, "retry": subject.retry, "error": subject.error}
    return Reason("retry" if subject.error else "retry_lost", values, record, RUN_NOW)


def server_reason(facts: Facts) -> Reason | None:
    """Return what keeps all jobs of the database from running, None for nothing."""
    for problem in health.health_problems(facts.runner):
        if problem.level == health.DANGER:
            return Reason(problem.code, problem.values)
    return Reason(facts.obstacle) if facts.obstacle else None


def _pause(channels: tuple[ChannelFacts, ...]) -> Reason | None:
    for channel in reversed(channels):
        if channel.limits.paused and channel.fixed:
            return _because_of(channel, "channel_fixed", {"source": channel.fixed})
        if channel.limits.paused:
            return _because_of(channel, "channel_paused", remedy=RESUME)
    return None


def _channel(facts: Facts) -> Reason | None:
    """What stops the jobs of a channel, of the job's own or of one above it."""
    for stops in (_sequence, _too_many_starts):
        for channel in facts.channels:
            reason = stops(channel)
            if reason:
                return reason
    full = [channel for channel in facts.channels if _is_full(channel)]
    return _full(full[0], facts) if full else None


def _sequence(channel: ChannelFacts) -> Reason | None:
    if not channel.limits.sequential:
        return None
    values: dict[str, Any] = {"channel": channel.name}
    if channel.failed:
        values["job"] = channel.failed
        return Reason("sequential_failed", values, (JOB, channel.failed), REQUEUE)
    if channel.ahead:
        values["job"] = channel.ahead
        return Reason("sequential_date", values, (JOB, channel.ahead), RUN_NOW)
    return None


def _too_many_starts(channel: ChannelFacts) -> Reason | None:
    """A throttle is a rate of one start."""
    limits = channel.limits
    throttle = Rate.of(1, limits.throttle) if limits.throttle else None
    for code, rate in (("throttle", throttle), ("rate", limits.rate)):
        wait = opens_in(rate, channel.starts)
        if rate and wait > 0:
            values = {"until": wait, "number": rate.number, "period": rate.period}
            return _because_of(channel, code, values)
    return None


def opens_in(rate: Rate | None, ages: tuple[float, ...]) -> float:
    """Return the time until the next start, by the window that the runner uses.

    :param rate: None for no limit
    :param ages: seconds since the last starts
    :return: seconds, 0 for now
    """
    window = StartWindow()
    window.replace([-age for age in ages], "")
    if rate and not window.room(rate, 0):
        return max(window.opens_at(rate), 0)
    return 0


def _is_full(channel: ChannelFacts) -> bool:
    capacity = channel.limits.capacity or inf
    return channel.running + channel.others >= capacity


def _full(channel: ChannelFacts, facts: Facts) -> Reason:
    line, capacity = facts.line, channel.limits.capacity or 1
    running = channel.running + channel.others
    values: dict[str, Any] = {"running": running, "capacity": capacity}
    if channel.others:
        return _because_of(channel, "full_shared", {**values, "own": channel.running})
    if line.is_crowded:
        return _because_of(channel, "full_crowded", values)
    if line.before >= line.most:
        return _because_of(channel, "full_long", {**values, "before": line.most})
    place = line.before + 1
    waiting = f"{line.most}+" if line.waiting >= line.most else line.waiting
    values.update(place=place, waiting=waiting or place)
    seconds = (line.run_seconds or 0) * place / capacity
    if not seconds or not isfinite(seconds):
        return _because_of(channel, "full", values)
    return _because_of(channel, "full_estimated", {**values, "duration": seconds})


def _because_of(
    channel: ChannelFacts,
    code: str,
    values: dict[str, Any] | None = None,
    remedy: str | None = None,
) -> Reason:
    record = (CHANNEL, channel.id) if channel.id else None
    values = {"channel": channel.name, **(values or {})}
    return Reason(code, values, record, remedy if record else None)


def _no_obstacle(facts: Facts) -> Reason:
    """Nothing in this database: the runner shares slots and workers among several."""
    in_threads = facts.pool and facts.pool.in_threads
    pool = "threads_full" if in_threads else "pool_full"
    for code, load in (("total_full", facts.total), (pool, facts.pool)):
        if load and load.is_full:
            values = {"running": load.running, "capacity": load.capacity}
            return Reason(code, values)
    if facts.subject.ready_for < SOON:
        return Reason("soon")
    return Reason("workers_busy", {"duration": facts.subject.ready_for})
