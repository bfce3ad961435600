# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One channel: the jobs that wait in it, those that run, and whether more may start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ...core.states import ENQUEUED, FAILED, PENDING, STARTED
from . import channel_options
from .channel_queue import ChannelJob, ChannelQueue
from .rate import Owner, Rate
from .slots import Slots
from .worker_pools import WorkerPools

#: What `free_slots` says where nothing limits the number of jobs.
UNLIMITED = 1000


def earliest(*times: float) -> float:
    """Return the first of some times of which 0 means never."""
    return min(filter(None, times), default=0)


class Channel:
    """A node of the tree: the jobs that wait here, and those that run here or below.

    :param capacity: how many jobs may run at once; None or 0 for no limit
    :param sequential: one job at a time, strictly in order
    :param throttle: seconds between two starts
    :param paused: start nothing

    >>> channel = Channel("sub", Channel("root", None, 1))
    >>> channel.configure({"name": "sub", "capacity": 1, "sequential": "False"})
    >>> print(channel)
    root.sub(C:1,Q:0,R:0,F:0)
    >>> channel.configure({"name": "sub", "paused": True})
    >>> print(channel)
    root.sub(C:∞,Q:0,R:0,F:0,paused)
    """

    def __init__(
        self,
        name: str,
        parent: Channel | None,
        capacity: int | None = None,
        sequential: bool = False,
        throttle: int = 0,
        paused: bool = False,
    ) -> None:
        self.name = name
        self.parent = parent
        self.children: dict[str, Channel] = {}
        self.capacity = capacity
        self.throttle = throttle
        self.paused = paused
        self.threads = False
        self.pools: WorkerPools = parent.pools if parent else WorkerPools()
        self.rate: Rate | None = None
        self.rate_is_counted = False
        self._queue = ChannelQueue(sequential)
        self._waiting: set[ChannelJob] = set()  # here and below
        self._running: set[ChannelJob] = set()
        self._failed: set[ChannelJob] = set()
        self._slots = Slots()
        if parent:
            parent.children[name] = self

    @property
    def sequential(self) -> bool:
        """Whether jobs run strictly in order."""
        return self._queue.sequential

    @sequential.setter
    def sequential(self, value: bool) -> None:
        """Let jobs run strictly in order, or not."""
        self._queue.sequential = value

    @property
    def load(self) -> tuple[int | None, int]:
        """The capacity, and how many jobs run in all databases that share it."""
        return self.capacity, self._slots.count

    def load_of(self, db_name: str) -> tuple[int | None, int, int]:
        """Return the capacity, what runs in all databases, and what in this one."""
        return *self.load, self._slots.held.get(db_name, 0)

    @property
    def is_idle(self) -> bool:
        """Whether there is neither a job nor a channel here or below."""
        return not (self._waiting or self._running or self._failed or self.children)

    @property
    def has_settings(self) -> bool:
        """Whether it has a limit or a rule of its own."""
        return any(
            (self.capacity, self.sequential, self.throttle, self.rate, self.paused)
        )

    @property
    def is_limited(self) -> bool:
        """Whether a job may have to wait because of this channel, of none above it.

        What runs here runs in the channels above as well: one that has no more room
        than this is always full before it.
        """
        if any((self.sequential, self.throttle, self.rate, self.paused)):
            return True
        here, *above = [channel.capacity or math.inf for channel in self.path()]
        return here < min(above, default=math.inf)

    @property
    def fullname(self) -> str:
        """The dotted path from root."""
        above = self.parent.fullname if self.parent else ""
        return f"{above}.{self.name}" if above else self.name

    def __str__(self) -> str:
        return (
            f"{self.fullname}(C:{self.capacity or '∞'},Q:{len(self._queue)},"
            f"R:{len(self._running)},F:{len(self._failed)}"
            f"{',paused' if self.paused else ''})"
        )

    def path(self) -> Iterator[Channel]:
        """Iterate from this channel up to root."""
        channel: Channel | None = self
        while channel:
            yield channel
            channel = channel.parent

    def tree(self) -> Iterator[Channel]:
        """Iterate over this channel and all those below it."""
        yield self
        for child in self.children.values():
            yield from child.tree()

    def get_subchannel_by_name(self, name: str) -> Channel | None:
        """Return the direct child of this name, if any."""
        return self.children.get(name)

    # -- settings ---------------------------------------------------------------

    def configure(self, config: dict[str, Any]) -> None:
        """Take over capacity, sequential, throttle, rate, paused and threads.

        Jobs that run go on running, also when they are now more than the capacity.
        """
        channel_options.check_values(config)
        self.capacity = config.get("capacity")
        self.sequential = channel_options.as_boolean(config.get("sequential"))
        self.throttle = int(config.get("throttle") or 0)
        self.paused = channel_options.as_boolean(config.get("paused"))
        self.threads = channel_options.as_boolean(config.get("threads"))
        self._set_rate(config.get("rate"))
        if not self.throttle:
            self._slots.throttled_until = 0

    def _set_rate(self, rate: Rate | str | None) -> None:
        rate = rate if isinstance(rate, Rate) else Rate.parse(rate)
        if rate != self.rate:
            # a longer window holds starts that were forgotten
            self.rate, self.rate_is_counted = rate, rate is None

    def count_starts(self, db_name: str, times: list[float], now: float) -> None:
        """Take note of what has started here or below until now, by any leader."""
        self._slots.starts.replace(times, db_name, now)
        self.rate_is_counted = True

    def release_starts(self, owner: Owner) -> bool:
        """Let a lease make no further starts; those that it has made are not counted.

        :return: whether it could have made some
        """
        was_reserved = self._slots.starts.release(owner)
        if was_reserved:
            self.rate_is_counted = self.rate is None
        return was_reserved

    def share(self, slots: Slots) -> None:
        """Count the running jobs in these slots from now on."""
        if slots is not self._slots:
            for job in self._running:
                self._slots.release(job.db_name)
                slots.take(job.db_name)
            self._slots = slots

    # -- what happens to jobs ---------------------------------------------------

    def remove(self, job: ChannelJob) -> None:
        """Forget a job here and in the ancestors."""
        for channel in self.path():
            channel._queue.remove(job)
            channel._waiting.discard(job)
            channel._failed.discard(job)
            if job in channel._running:
                channel._running.remove(job)
                channel._slots.release(job.db_name)
        self.pools.release(job)

    def set_done(self, job: ChannelJob) -> None:
        """The job is over."""
        self.remove(job)

    def set_pending(self, job: ChannelJob) -> None:
        """The job waits to be started."""
        if job not in self._queue:
            self.remove(job)
            self._queue.add(job)
            for channel in self.path():
                channel._waiting.add(job)

    def set_running(self, job: ChannelJob) -> None:
        """The job runs, whether there is room for it or not."""
        self._queue.remove(job)
        self._failed.discard(job)
        for channel in self.path():
            channel._waiting.discard(job)
            if job not in channel._running:
                channel._running.add(job)
                channel._slots.take(job.db_name)
        self.pools.take(job)

    def set_failed(self, job: ChannelJob) -> None:
        """The job is at rest until a user requeues it."""
        self.remove(job)
        self._failed.add(job)

    def set_state(self, job: ChannelJob, state: str) -> bool:
        """Put a job where its state belongs.

        :param state: of a job that is not over
        :return: False for an unknown state
        """
        setters = {
            PENDING: self.set_pending,
            ENQUEUED: self.set_running,
            STARTED: self.set_running,
            FAILED: self.set_failed,
        }
        if state in setters:
            setters[state](job)
        return state in setters

    # -- what may start ---------------------------------------------------------

    def is_blocked(self, now: float) -> bool:
        """Tell whether a pause, throttle, rate or failure lets nothing start here."""
        pause = max(self._slots.throttled_until, self._slots.starts.opens_at(self.rate))
        return pause > now or self.paused or bool(self.sequential and self._failed)

    def has_capacity(self) -> bool:
        """Tell whether there is room, and neither a pause nor a failure forbids it."""
        if self.paused or (self.sequential and self._failed):
            return False
        return self._slots.room(self.capacity)

    def next_job(self, now: float) -> ChannelJob | None:
        """Return the first job of this subtree which may start as far as it knows."""
        if not self._waiting or self.is_blocked(now):
            return None
        if not self._slots.is_worth_asking(self.capacity):
            return None
        candidates = [self._next_own(now)]
        candidates += [child.next_job(now) for child in self.children.values()]
        job = min(filter(None, candidates), default=None)
        # asked only for a job that exists: a refused database is starved
        if job and self._slots.admits(job.db_name, self.capacity):
            return job
        return None

    def _next_own(self, now: float) -> ChannelJob | None:
        """Return the first job that waits here, if there is a worker for it."""
        job = self._queue.peek(now)
        return job if job and self.pools.admits(job) else None

    def get_jobs_to_run(self, now: float) -> Iterator[ChannelJob]:
        """Start one job of this subtree after the other, as long as one may start."""
        self.end_throttles(now)
        while job := self.next_job(now):
            job.channel.set_running(job)
            for channel in job.channel.path():
                if channel.throttle:
                    channel._slots.throttled_until = now + channel.throttle
                if channel.rate:
                    channel._slots.starts.add(now, job.db_name)
            yield job

    def take_back(self, job: ChannelJob, now: float) -> None:
        """A job that was to start now has not: it costs neither a start nor a pause."""
        for channel in self.path():
            if channel._slots.throttled_until == now + channel.throttle:
                channel._slots.throttled_until = 0
            if channel.rate:
                channel._slots.starts.take_back(now, job.db_name)
        self.remove(job)

    def end_throttles(self, now: float) -> None:
        """Forget the pauses that are over, which would otherwise wake the runner."""
        for channel in self.tree():
            channel._slots.starts.forget(channel.rate, now)
            if channel._slots.throttled_until <= now:
                channel._slots.throttled_until = 0

    def get_wakeup_time(self, wakeup_time: float = 0) -> float:
        """Return when a job of this subtree may start without anything happening."""
        if not self.has_capacity():
            return wakeup_time
        pause = max(self._slots.throttled_until, self._slots.starts.opens_at(self.rate))
        if pause:
            return earliest(wakeup_time, pause)
        wakeup_time = earliest(wakeup_time, self._queue.get_wakeup_time())
        for child in self.children.values():
            wakeup_time = child.get_wakeup_time(wakeup_time)
        return wakeup_time

    def free_slots(self, db_name: str, now: float) -> int:
        """How many jobs may start here and below, at most.

        A database which is told that there is none counts as starved.
        """
        if self.is_blocked(now) or not self._slots.admits(db_name, self.capacity):
            return 0
        free = self.capacity - self._slots.count if self.capacity else UNLIMITED
        free = int(min(free, self._slots.starts.room(self.rate, now)))
        return min(free, 1) if self.throttle else free

    def free_slots_on_path(self, db_name: str, now: float) -> int:
        """The same, as far as the channels above let them.

        A database that can't use a slot further up must not ask for it.
        """
        free = UNLIMITED
        for channel in self.path():
            free = min(free, channel.free_slots(db_name, now))
            if free <= 0:
                break
        return free
