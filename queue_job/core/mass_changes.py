# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which of many selected jobs a change touches, and why it leaves the others out.

A change is named by the method that makes it: `requeue`, `button_done`,
`button_cancelled`. What ended well, or was cancelled, runs again only if the user
says so with a word of its own (`again`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from .states import ALL_STATES, CANCELLED, DONE, FAILED, STARTED, WAITING

REQUEUE = "requeue"
SET_DONE = "button_done"
CANCEL = "button_cancelled"

#: change -> the states in which it touches a job
TOUCHED = {
    REQUEUE: (FAILED,),
    SET_DONE: (*WAITING, FAILED),
    CANCEL: (*WAITING, STARTED, FAILED),
}
#: The ended states of which a requeue takes jobs only where the user says so.
AGAIN = (DONE, CANCELLED)

#: Reasons why a job is left out.
NOT_ASKED = "not_asked"  # ended, and the user did not say that such jobs run again
STILL_TO_RUN = "still_to_run"
RUNNING = "running"
ENDED = "ended"
KEY_HELD = "key_held"  # another job holds its identity key
BUSY = "busy"  # somebody else changes it at this moment


#: Jobs that are named as the holders of identity keys.
NAMED_HOLDERS = 3


class Row(NamedTuple):
    """So many jobs of a state and a function; `reason` is None where they change."""

    state: str
    function: str
    count: int  # type: ignore[assignment]  # instead of that of tuples
    reason: str | None = None
    #: Ids of some jobs that hold the identity keys of these.
    holders: tuple[int, ...] = ()


def touched_states(change: str, again: Collection[str] = ()) -> tuple[str, ...]:
    """Return the states in which a change touches jobs.

    :param change: one of `TOUCHED`
    :param again: the states of `AGAIN` of which the user said so
    """
    return tuple(s for s in ALL_STATES if left_out(change, s, again) is None)


def left_out(change: str, state: str, again: Collection[str] = ()) -> str | None:
    """Return the reason why a change leaves a job of this state out, None if not.

    :param change: one of `TOUCHED`
    :param again: the states of `AGAIN` of which the user said so
    """
    if state in TOUCHED[change]:
        return None
    if change == REQUEUE and state in AGAIN:
        return None if state in again else NOT_ASKED
    if change == REQUEUE:
        return STILL_TO_RUN
    return RUNNING if state == STARTED else ENDED


def plan(
    change: str,
    counts: Mapping[tuple[str, str], int],
    again: Collection[str] = (),
    held: Mapping[tuple[str, str], Sequence[int]] | None = None,
) -> list[Row]:
    """Return what a change touches and leaves out, by state and function.

    :param change: one of `TOUCHED`
    :param counts: {(state, function): selected jobs}
    :param again: the states of `AGAIN` of which the user said so
    :param held: {(state, function): of each of them whose identity key another job
        holds, the id of that job}
    """
    held = held or {}
    rows = []
    for (state, function), count in counts.items():
        reason = left_out(change, state, again)
        holders = () if reason else held.get((state, function), ())
        rows += [
            Row(state, function, count - len(holders), reason),
            Row(state, function, len(holders), KEY_HELD, some_of(holders)),
        ]
    rows = [row for row in rows if row.count]
    return sorted(rows, key=lambda r: (r.reason or "", ALL_STATES.index(r.state), r[1]))


def some_of(holders: Iterable[int]) -> tuple[int, ...]:
    """Return the few holders of identity keys that are named."""
    return tuple(sorted(set(holders))[:NAMED_HOLDERS])


def holders_of(rows: Iterable[Row]) -> tuple[int, ...]:
    """Return some jobs that hold identity keys, of all rows of a plan."""
    return some_of(holder for row in rows for holder in row.holders)


def sum_up(rows: Collection[Row]) -> Counter[str | None]:
    """Return {reason: jobs}; the jobs that change are under None."""
    sums: Counter[str | None] = Counter()
    for row in rows:
        sums[row.reason] += row.count
    return sums
