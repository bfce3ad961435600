# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""So many starts in a period: the rate of a channel, and the starts it has seen.

The window slides: of any period, wherever it begins, no more than the number start. A
job counts when it is given to a worker. A lease that may start several reserves them:
they count for as long as it is open, and then those that it has started, at the moments
at which it has.

>>> rate, window = Rate(2, 60), StartWindow()
>>> window.add(100, "db"), window.add(130, "db"), window.room(rate, 130)
(None, None, 0)
>>> window.opens_at(rate), window.room(rate, 159), window.room(rate, 160)
(160, 0, 1)
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import NamedTuple

DEFAULT_PERIOD = 60


class Rate(NamedTuple):
    """At most so many starts in so many seconds."""

    number: int
    period: float

    @classmethod
    def of(cls, number: int | None, period: float | None) -> Rate | None:
        """Return the rate of a row; None without a number of starts."""
        if not number or number < 0:
            return None
        return cls(number, max(period or DEFAULT_PERIOD, 1))

    @classmethod
    def parse(cls, text: str | None) -> Rate | None:
        """Read the text of the configuration.

        >>> Rate.parse("100/60"), Rate.parse("5"), Rate.parse("")
        (Rate(number=100, period=60), Rate(number=5, period=60), None)
        """
        if not text:
            return None
        number, slash, period = str(text).partition("/")
        number, period = number.strip(), period.strip() if slash else "60"
        if not (_is_positive(number) and _is_positive(period)):
            raise ValueError(
                f"invalid rate {text}: give starts/seconds, such as 100/60"
            )
        return cls(int(number), int(period))


def _is_positive(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


#: Database, and name of the slot of a lease.
Owner = tuple[str, str]


class Reservation(NamedTuple):
    """So many starts that a lease may make."""

    number: int
    since: float = -math.inf  #: those that it made before are counted already


class StartWindow:
    """The latest starts in a channel, of each database that shares it.

    >>> rate, window = Rate(3, 60), StartWindow()
    >>> window.reserve(("db", "lease 7"), 2)
    >>> window.room(rate, 100), window.opens_at(Rate(2, 60))
    (1, inf)
    >>> window.settle(("db", "lease 7"), [101])
    >>> window.room(rate, 102), window.room(rate, 161)
    (2, 3)
    """

    __slots__ = ("_reserved", "_starts")

    def __init__(self) -> None:
        self._starts: list[tuple[float, str]] = []
        self._reserved: dict[Owner, Reservation] = {}

    def add(self, when: float, db_name: str) -> None:
        """A job has started."""
        insort(self._starts, (when, db_name))

    def take_back(self, when: float, db_name: str) -> None:
        """A job that was to start has not."""
        if (when, db_name) in self._starts:
            self._starts.remove((when, db_name))

    def replace(
        self, times: Iterable[float], db_name: str, now: float = -math.inf
    ) -> None:
        """These are the starts of a database, as its table has them since `now`."""
        others = [start for start in self._starts if start[1] != db_name]
        self._starts = sorted([*others, *((when, db_name) for when in times)])
        for owner, each in self._reserved.items():
            if owner[0] == db_name:
                since = max(each.since, now)
                self._reserved[owner] = each._replace(since=since)

    def reserve(self, owner: Owner, number: int) -> None:
        """A lease may make so many starts."""
        self._reserved[owner] = Reservation(number)

    def settle(self, owner: Owner, times: Iterable[float]) -> None:
        """A lease has ended, and has made these starts; nothing without reservation."""
        reservation = self._reserved.pop(owner, None)
        if reservation:
            for when in times:
                if when >= reservation.since:
                    self.add(when, owner[0])

    def use(self, owner: Owner, now: float) -> None:
        """A lease was lost: it may have made all its starts, the last of them now."""
        reservation = self._reserved.get(owner)
        if reservation:
            self.settle(owner, [now] * reservation.number)

    def release(self, owner: Owner) -> bool:
        """A lease makes no further starts; those that it has made are to be counted.

        :return: whether it had a reservation
        """
        return self._reserved.pop(owner, None) is not None

    def forget(self, rate: Rate | None, now: float) -> None:
        """Forget the starts that do not count any more."""
        if not rate:
            self._starts.clear()
        elif self._starts and self._starts[0][0] + rate.period <= now:
            del self._starts[: self._past(rate, now)]

    def room(self, rate: Rate | None, now: float) -> float:
        """How many more jobs may start now."""
        if not rate:
            return float("inf")
        return max(0, self._free(rate) - len(self._starts) + self._past(rate, now))

    def opens_at(self, rate: Rate | None) -> float:
        """When the next job may start; 0 if the starts that are known leave room."""
        if not rate or len(self._starts) < self._free(rate):
            return 0
        if self._free(rate) <= 0:
            return math.inf  # when a lease ends
        return self._starts[-self._free(rate)][0] + rate.period

    def _free(self, rate: Rate) -> int:
        """How many of the starts are not reserved."""
        if not self._reserved:
            return rate.number
        return rate.number - sum(each.number for each in self._reserved.values())

    def _past(self, rate: Rate, now: float) -> int:
        """How many of the starts are out of the window."""
        return bisect_right(self._starts, now, key=lambda start: start[0] + rate.period)
