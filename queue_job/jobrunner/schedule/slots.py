# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who holds the capacity of a channel.

A channel counts its running jobs in a `Slots`. Most channels have one of their own.
A channel named in the configuration string has one capacity for all databases of
the server, so the managers of all databases share one `FairSlots`, which they find
in the `SharedSlots` of the process. So have all databases together, where there is a
`max_capacity`.

Sharing is fair. A database that has a job to start and is refused a slot is
*starved*. While one is, a database that holds more slots than it may take no other;
among those that hold equally many, the one served longest ago is next. With a backlog
in each of three databases the slots thus go round evenly, and a database alone gets
them all. When a shared slot falls free, the most starved database is woken. It has
`GRACE_SECONDS` to take the slot; then the others need not wait for it any longer, so
that a database in trouble stops no other.

All of it happens under the one lock of the `SharedSlots`.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import NamedTuple
from weakref import WeakValueDictionary

from .rate import StartWindow

GRACE_SECONDS = 1.0

#: The name under which all that runs in all databases is counted; no channel has it.
TOTAL = ""

#: Slots held, and when one was taken last: the smallest is the most starved.
Rank = tuple[int, int]


class Slots:
    """How many jobs of each database run in one channel, and when they started."""

    __slots__ = ("held", "starts", "throttled_until")

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self.starts = StartWindow()
        self.throttled_until: float = 0

    @property
    def count(self) -> int:
        """How many jobs run, over all databases."""
        return self.held.total()

    def room(self, capacity: int | None) -> bool:
        """Tell whether one more job fits in."""
        return not capacity or self.count < capacity

    def is_worth_asking(self, capacity: int | None) -> bool:
        """Tell whether a database that has a job to start should ask for a slot."""
        return self.room(capacity)

    def admits(self, db_name: str, capacity: int | None) -> bool:
        """Tell whether this database may start one more job."""
        return self.room(capacity)

    def take(self, db_name: str) -> None:
        """Count one more running job."""
        self.held[db_name] += 1

    def release(self, db_name: str) -> None:
        """Count one running job less."""
        self.held[db_name] -= 1
        if self.held[db_name] <= 0:
            del self.held[db_name]


class Starvation(NamedTuple):
    """A database was refused a slot."""

    round: int  #: the dispatch round of that database in which it was refused
    until: float = math.inf  #: once it is called: until when the others wait for it


class FairSlots(Slots):
    """Slots that several databases share evenly."""

    __slots__ = (
        "__weakref__",
        "_capacity",
        "_offered",
        "_served",
        "_shared",
        "ask_again",
        "starved",
    )

    def __init__(self, shared: SharedSlots) -> None:
        super().__init__()
        self._shared = shared
        self._capacity: int | None = None
        self._served: dict[str, int] = {}
        self._offered: set[str] = set()  # no longer refused, in their present round
        self.starved: dict[str, Starvation] = {}
        #: database -> when it may ask again for room that it left to others
        self.ask_again: dict[str, float] = {}

    def is_worth_asking(self, capacity: int | None) -> bool:
        """Tell whether a database that has a job to start should ask for a slot."""
        return True  # a database that is refused is starved

    def admits(self, db_name: str, capacity: int | None) -> bool:
        """Tell whether a database may start a job; if not, it is starved now."""
        self._capacity = capacity
        self.ask_again.pop(db_name, None)
        room = self.room(capacity)
        if room and may_take(db_name, self._waiting(), self.rank):
            if self.starved.pop(db_name, None):
                self._offered.add(db_name)
                self._shared.keep(self)
            return True
        self.starved[db_name] = Starvation(self._shared.rounds[db_name])
        self._shared.keep(self)
        if room:
            self.ask_again[db_name] = self.call_most_starved()
        return False

    def rank(self, db_name: str) -> Rank:
        """Return the place in the queue of databases."""
        return self.held[db_name], self._served.get(db_name, 0)

    def take(self, db_name: str) -> None:  # pylint: disable=missing-return
        """Count one more running job."""
        super().take(db_name)
        self._served[db_name] = self._shared.next_number()

    def release(self, db_name: str) -> None:  # pylint: disable=missing-return
        """Count one running job less, and offer its slot to the most starved."""
        super().release(db_name)
        self.call_most_starved()

    def end_round(self, db_name: str, number: int) -> None:
        """Let the next one come, if this database was called, or asks no more.

        :param number: of the database's dispatch round that ends
        """
        starvation = self.starved.get(db_name)
        if starvation and starvation.round < number:
            self.satisfy(db_name)
        elif db_name in self._offered:
            self._offered.discard(db_name)
            self.call_most_starved()

    def satisfy(self, db_name: str) -> None:
        """A database is not starved any longer: another one is next."""
        self.starved.pop(db_name, None)
        self._shared.keep(self)
        self.ask_again.pop(db_name, None)
        self._offered.discard(db_name)
        self.call_most_starved()

    def call_most_starved(self) -> float:
        """Wake the database that is next.

        :return: until when it may come, in seconds of the clock; 0 without one
        """
        waiting = self._waiting()
        if not waiting or not self.room(self._capacity):
            return 0
        db_name = min(waiting, key=self.rank)
        starvation = self.starved[db_name]
        if starvation.until == math.inf:
            until = self._shared.clock() + GRACE_SECONDS
            starvation = self.starved[db_name] = starvation._replace(until=until)
        self._shared.wake(db_name)
        return starvation.until

    def _waiting(self) -> set[str]:
        """Databases that are starved, and come when they are called."""
        now = self._shared.clock()
        return {name for name, each in self.starved.items() if each.until > now}


def may_take(db_name: str, starved: set[str], rank: Callable[[str], Rank]) -> bool:
    """Tell whether a database may take a slot while others are starved.

    :param starved: names of databases
    :param rank: name of a database -> its place in the queue of databases

    >>> rank = {"a": (2, 7), "b": (1, 8), "c": (1, 9)}.__getitem__
    >>> [may_take(name, {"b", "c"}, rank) for name in "abc"]
    [False, True, False]
    """
    return all(rank(db_name) <= rank(rival) for rival in starved)


class SharedSlots:
    """The slots shared by the databases of this process, by channel name."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.rounds: Counter[str] = Counter()
        self.next_number = count(1).__next__
        self._slots: dict[str, FairSlots] = {}
        # those of channels on the fly: there while a channel or a database wants them
        self._passing: WeakValueDictionary[str, FairSlots] = WeakValueDictionary()
        self._wanted: set[FairSlots] = set()
        self._wakers: dict[str, Callable[[], None]] = {}

    def __getitem__(self, channel_name: str) -> FairSlots:
        """Return the slots of a channel, which are created when first asked for."""
        with self.lock:
            if channel_name not in self._slots:
                self._slots[channel_name] = FairSlots(self)
            return self._slots[channel_name]

    def passing(self, channel_name: str) -> FairSlots:
        """Return the slots of a channel on the fly, which are forgotten with it."""
        with self.lock:
            slots = self._passing.get(channel_name)
            if slots is None:
                slots = self._passing[channel_name] = FairSlots(self)
            return slots

    def keep(self, slots: FairSlots) -> None:
        """Keep slots as long as a database is starved of them."""
        if slots.starved:
            self._wanted.add(slots)
        else:
            self._wanted.discard(slots)

    def _all(self) -> list[FairSlots]:
        return [*self._slots.values(), *self._passing.values()]

    def listen(self, db_name: str, wake: Callable[[], None]) -> None:
        """Have `wake` called when a slot that this database waits for falls free.

        It is called under the lock, by any thread: it must return at once, and must
        not call a channel manager.
        """
        with self.lock:
            self._wakers[db_name] = wake

    def wake(self, db_name: str) -> None:
        """Wake a database, if it listens."""
        wake = self._wakers.get(db_name)
        if wake:
            wake()

    def held(self, db_name: str, channel_name: str = "root") -> int:
        """How many slots of a channel a database holds."""
        with self.lock:
            slots = self._slots.get(channel_name) or self._passing.get(channel_name)
            return slots.held[db_name] if slots else 0

    def may_take(
        self, db_name: str, starved: set[str], channel_name: str = "root"
    ) -> bool:
        """Tell whether the fairness rule lets a database take a slot of a channel."""
        with self.lock:
            return may_take(db_name, starved, self[channel_name].rank)

    def end_round(self, db_name: str) -> None:
        """Forget the starved databases that have asked for nothing in this round."""
        with self.lock:
            for slots in self._all():
                slots.end_round(db_name, self.rounds[db_name])
            self.rounds[db_name] += 1

    def ask_again(self, db_name: str) -> float:
        """When a database should ask again for room that it left to others, or 0."""
        with self.lock:
            times = [slots.ask_again.get(db_name, 0) for slots in self._all()]
            return min(filter(None, times), default=0)

    def give_up(self, db_name: str) -> None:
        """Release all that a database holds, and wait for it no more."""
        with self.lock:
            for slots in self._all():
                slots.held.pop(db_name, None)
                slots.satisfy(db_name)

    def forget(self, db_name: str) -> None:
        """A database is gone."""
        with self.lock:
            self._wakers.pop(db_name, None)
            self.rounds.pop(db_name, None)
            self.give_up(db_name)
