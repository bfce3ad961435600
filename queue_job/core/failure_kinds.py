# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is decided about a kind of failure: when it comes back, whether it grows, and
how a trial of some of its jobs ended.

A kind is open until a manager acknowledges it, ignores it or calls it solved.

- Solved comes back with the first job that fails so again.
- Ignored comes back with a job that fails so again in another version of the module, or
  after `QUIET` without one, or on a day with more than `MORE` times as many as on the
  day before it was ignored.
- Acknowledged does not come back: somebody is at it.

This module imports nothing of Odoo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from .states import CANCELLED, DONE, FAILED

OPEN, ACKNOWLEDGED, IGNORED, SOLVED = "open", "acknowledged", "ignored", "solved"

#: Why a kind came back.
AFTER_SOLVED, OTHER_VERSION, MORE_OFTEN, AFTER_PAUSE = (
    "after_solved",
    "other_version",
    "more_often",
    "after_pause",
)

#: An ignored kind comes back with more than so many times the failures of a day.
MORE = 2
#: And with a failure after so long without one.
QUIET = timedelta(days=7)

RISING, STEADY, FALLING = "rising", "steady", "falling"
#: So many times as many are a trend; fewer are chance.
TREND = 1.5

#: What became of a job on trial.
SAME, OTHER, GONE, UNDER_WAY = "same", "other", "gone", "under_way"


class Seen(NamedTuple):
    """When jobs have failed in one way.

    :param before: the last failure that was known before
    :param last: the last one
    :param day: failures of the last 24 hours
    """

    before: datetime
    last: datetime
    day: int


def comes_back(
    state: str,
    since: datetime | None,
    seen: Seen,
    day_before: int,
    changed: datetime | None,
) -> str | None:
    """Return why a kind is open again, None if it stays as it is.

    :param state: of the kind
    :param since: when it came into this state
    :param seen: the failures
    :param day_before: of an ignored kind, failures of the day before `since`
    :param changed: when the version of the module changed last, None if never
    """
    if state not in (IGNORED, SOLVED) or since is None or seen.last <= since:
        return None
    if state == SOLVED:
        return AFTER_SOLVED
    if changed and since < changed <= seen.last:
        return OTHER_VERSION
    if seen.last - seen.before >= QUIET:
        return AFTER_PAUSE
    return MORE_OFTEN if seen.day > MORE * day_before else None


def trend(day: int, day_before: int) -> str:
    """Return whether there are more failures than before.

    :param day: of the last 24 hours
    :param day_before: of the 24 hours before these

    >>> trend(3, 2), trend(4, 2), trend(0, 2)
    ('steady', 'rising', 'falling')
    """
    if day > TREND * day_before:
        return RISING
    return FALLING if day * TREND < day_before else STEADY


def changed_versions(
    then: Mapping[str, str], now: Mapping[str, str], most: int = 10
) -> str:
    """Return which modules have other versions than before, for people.

    :param then: {module: version}
    :param now: the same
    :param most: modules that are named

    >>> changed_versions({"a": "1", "b": "1"}, {"a": "2", "b": "1", "c": "1"})
    'a 1 → 2, c – → 1'
    """
    parts = [
        f"{name} {then.get(name, '–')} → {now.get(name, '–')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    left = len(parts) - most
    return ", ".join(parts[:most]) + (f" (+{left})" if left > 0 else "")


def trial_outcome(
    jobs: Iterable[tuple[str, str | None]], kind: str, count: int
) -> Counter[str]:
    """Return what became of the jobs on trial: {"done", "cancelled" or more: jobs}.

    :param jobs: (state, kind of its failure) of each that is still there
    :param kind: the fingerprint of the kind of failure that they had
    :param count: of all jobs on trial
    """
    outcome: Counter[str] = Counter()
    for state, failure_kind in jobs:
        if state == FAILED:
            outcome[SAME if failure_kind == kind else OTHER] += 1
        else:
            outcome[state if state in (DONE, CANCELLED) else UNDER_WAY] += 1
    outcome[GONE] = count - outcome.total()
    return +outcome
