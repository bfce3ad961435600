# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What really happened: the journal that jobs keep outside of the database.

Each attempt of a job appends a line when it starts and one when its method ends,
with the monotonic clock, which all processes of a machine share. No rollback takes a
line back, so the journal knows of the attempts that came to nothing. A process that
was killed has written no end: then its end is the moment of the kill.

    start UUID PID MOMENT [THREAD]

What lasts may tell by a ``beat`` that it is still at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


@dataclass
class Attempt:
    """One run of a job's method; ``end`` is None when nobody wrote it."""

    uuid: str
    pid: int
    start: float
    end: float | None = None
    beat: float = 0.0


def read(path: Path) -> list[Attempt]:
    """The attempts in the order of their start."""
    attempts: list[Attempt] = []
    running: dict[tuple[str, ...], Attempt] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        event, uuid, pid, moment, *thread = line.split()
        key = (uuid, pid, *thread)
        if event == "start":
            running[key] = Attempt(uuid, int(pid), float(moment))
            attempts.append(running[key])
        elif event == "beat":
            running[key].beat = float(moment)
        elif key in running:  # not so in a process that was forked meanwhile
            running.pop(key).end = float(moment)
    return sorted(attempts, key=lambda attempt: attempt.start)


def bury(attempts: Iterable[Attempt], kills: Iterable[tuple[int, float]]) -> None:
    """Give those that were killed their end."""
    deaths = sorted(kills, key=lambda kill: kill[1])
    for attempt in attempts:
        if attempt.end is None:
            moments = [when for pid, when in deaths if pid == attempt.pid]
            attempt.end = next((w for w in moments if w >= attempt.start), None)


def most_at_once(attempts: Iterable[Attempt]) -> int:
    """How many attempts ran at the same time, at most."""
    events = []
    for attempt in attempts:
        events += [(attempt.start, 1), (attempt.end or float("inf"), -1)]
    running = most = 0
    for _moment, step in sorted(events):
        running += step
        most = max(most, running)
    return most


def worst_silence(
    attempts: list[Attempt], outages: Iterable[tuple[float, float]]
) -> float:
    """The longest time in which no job started, in seconds.

    :param outages: (begin, end) of what nobody can work in; the time until its end
        does not count

    >>> worst_silence([Attempt("a", 1, 0.0), Attempt("b", 1, 7.0)], [(1.0, 5.0)])
    2.0
    """
    outages = list(outages)
    return max(
        (
            _excused(before.start, after.start, outages)
            for before, after in pairwise(attempts)
        ),
        default=0.0,
    )


def _excused(since: float, until: float, outages: list[tuple[float, float]]) -> float:
    """Seconds from ``since``, or from the end of an outage within, to ``until``."""
    for begin, end in sorted(outages):
        if begin < until and end > since:
            since = min(end, until)
    return until - since


def worst_return(
    attempts: list[Attempt], outages: Iterable[tuple[float, float]]
) -> float:
    """The longest time from the end of an attempt until the job ran again.

    >>> worst_return([Attempt("a", 1, 0.0, 1.0), Attempt("a", 2, 3.0, 4.0)], [])
    2.0
    """
    outages = list(outages)
    worst, ends = 0.0, {}
    for attempt in attempts:
        if attempt.uuid in ends:
            gap = _excused(ends[attempt.uuid], attempt.start, outages)
            worst = max(worst, gap)
        ends[attempt.uuid] = attempt.end
    return worst
