# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which job may start now: the tree of channels.

A job waits in its channel. It may start when its channel and all the ancestors of it
have room, and then takes a slot in each of them. Among the jobs that may start, the
one of the smallest (priority, creation, id) is first, wherever in the tree it waits.

A channel that is *paused* lets nothing start below it. A *throttled* channel starts
a job at most every so many seconds; one with a *rate* starts so many in a period, at
most. A *sequential* one has one slot, keeps the order of its jobs even when the first
one has to wait for its eta, and stops behind a failed job of its own.

The runner calls `ChannelManager.notify` with what it learns about jobs,
`get_jobs_to_run` for what to start, and sleeps until `get_wakeup_time`. Nothing here
knows the clock, the database or Odoo.

Other code imports the names of the tree from here, and replaces them here.

>>> def started(manager, now=0):
...     return [job.uuid for job in manager.get_jobs_to_run(now)]

Capacities and priorities. Two urgent jobs share a narrow channel:

>>> cm = ChannelManager()
>>> cm.simple_configure("root:4,A:4,B:1")
>>> for number in range(1, 7):
...     cm.notify("db", "A", f"A{number}", number, 0, 10, None, PENDING)
>>> for number in range(1, 3):
...     cm.notify("db", "B", f"B{number}", number, 0, 5, None, PENDING)
>>> started(cm)
['B1', 'A1', 'A2', 'A3']
>>> print(cm.get_channel_by_name("B"))
root.B(C:1,Q:1,R:1,F:0)
>>> cm.notify("db", "A", "A2", 2, 0, 10, None, DONE)
>>> started(cm)
['A4']
>>> cm.notify("db", "B", "B1", 1, 0, 5, None, DONE)
>>> started(cm)
['B2']
>>> cm.notify("db", "A", "A1", 1, 0, 10, None, DONE)
>>> cm.notify("db", "A", "A6", 6, 0, 5, None, PENDING)  # somebody is in a hurry
>>> started(cm)
['A6']
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable
from typing import Any

from ..core.states import (
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
)
from ..exception import ChannelNotFound
from .schedule import channel_config
from .schedule.channel import Channel, earliest
from .schedule.channel_config import ROOT, ChannelSettings, canonical_name
from .schedule.channel_config import split_strip as split_strip
from .schedule.channel_options import ChildDefaults, child_defaults
from .schedule.channel_queue import ChannelJob, JobFacts
from .schedule.channel_queue import ChannelQueue as ChannelQueue
from .schedule.channel_queue import JobSortingKey as JobSortingKey
from .schedule.lease_terms import LeaseTerms, terms_of
from .schedule.loose_channels import LooseChannels
from .schedule.maxima import NO_MAXIMA, Maxima
from .schedule.priority_queue import PriorityQueue as PriorityQueue
from .schedule.rate import Rate
from .schedule.reservations import Reservations
from .schedule.slots import TOTAL, FairSlots, SharedSlots, Slots
from .schedule.worker_pools import NO_THREADS, PoolSizes, WorkerPools

_logger = logging.getLogger(__name__)

#: The states in which a job is not over.
NOT_DONE = (WAIT_DEPENDENCIES, PENDING, ENQUEUED, STARTED, FAILED)


class ChannelManager:
    """The tree of channels of one database, or of several that share everything.

    :param shared_slots: slots of the channels that the configuration string names, and
        of the workers, shared with other databases; None to count alone
    :param db_name: name of the database; needed where slots are shared
    :param root_capacity: of root, where neither the configuration nor a row says
    :param maxima: of this database, and of all that share the slots together
    :param pool_sizes: of the workers, if some of them have threads

    >>> cm = ChannelManager()
    >>> cm.simple_configure("root:4,sub:2")
    >>> cm.get_channel_by_name("sub.not.configured", parent_fallback=True).fullname
    'root.sub.not.configured'
    """

    def __init__(
        self,
        shared_slots: SharedSlots | None = None,
        db_name: str | None = None,
        root_capacity: int = 1,
        maxima: Maxima = NO_MAXIMA,
        pool_sizes: PoolSizes = NO_THREADS,
    ) -> None:
        self._shared = shared_slots
        self._lock = shared_slots.lock if shared_slots else contextlib.nullcontext()
        self._databases = {db_name} if db_name else set()
        self._jobs: dict[tuple[str, str], ChannelJob] = {}
        # The channels of which the configuration string speaks: is it paused there?
        self._configured: dict[str, bool] = {}
        # What it says of channels made on the fly below one, and who is none of them.
        self._defaults: dict[str, ChildDefaults] = {}
        self._rows: set[str] = set()
        self._root_capacity = root_capacity
        self._maxima = maxima
        # What all databases run together: a channel above root, without a name.
        self._total = Channel(TOTAL, None, maxima.total) if maxima.total else None
        if self._total and shared_slots:
            self._total.share(shared_slots[TOTAL])
        self._root_channel = Channel(ROOT, self._total, maxima.root or root_capacity)
        self._loose = LooseChannels()
        self._pools = self._root_channel.pools = WorkerPools(pool_sizes, shared_slots)
        #: What leases may start beside their first jobs, where rates limit the starts.
        self.reservations = Reservations(self._root_channel, self._locate, self._lock)

    # -- settings ---------------------------------------------------------------

    @classmethod
    def parse_simple_config(cls, config_string: str) -> list[dict[str, Any]]:
        """Parse the configuration string; ValueError names the entry that is wrong."""
        return channel_config.parse(config_string)

    def simple_configure(self, config_string: str) -> None:
        """Configure the channels of which the configuration string speaks."""
        for config in self.parse_simple_config(config_string):
            self.get_channel_from_config(config)

    def get_channel_from_config(self, config: dict[str, Any]) -> Channel:
        """Configure a channel, which is created if need be, and return it.

        Its capacity is shared by all databases, and `apply_settings` may pause it but
        changes nothing else.
        """
        with self._lock:
            channel = self.get_channel_by_name(config["name"], autocreate=True)
            channel.configure(config)
            self._configured[channel.fullname] = channel.paused
            if self._shared:
                channel.share(self._shared[channel.fullname])
            self._set_defaults(channel, child_defaults(config))
            return channel

    def _set_defaults(self, channel: Channel, defaults: ChildDefaults | None) -> None:
        if defaults:
            self._defaults[channel.fullname] = defaults
        elif not self._defaults.pop(channel.fullname, None):
            return
        for each in channel.tree():
            self._apply_defaults(each)

    def _apply_defaults(self, channel: Channel) -> None:
        """Give a channel that nobody has declared what is said of those on the fly."""
        name = channel.fullname
        if name in self._configured or name in self._rows or not self._defaults:
            return
        channel.configure(self._config_of(ChannelSettings(name), channel))
        self._share_on_the_fly(channel)

    def _share_on_the_fly(self, channel: Channel) -> None:
        """Count a channel in all databases, if the configuration string rules it."""
        name = channel.fullname
        on_the_fly = name not in self._rows
        if on_the_fly and channel_config.defaults_above(name, self._defaults):
            if self._shared:
                channel.share(self._shared.passing(name))
        elif isinstance(channel._slots, FairSlots):
            channel.share(Slots())

    def apply_settings(self, settings: Iterable[ChannelSettings]) -> None:
        """Configure all other channels from the rows of the database.

        A channel without row goes back to no limit, root to its default. What runs is
        not touched. Give all the rows each time. A pause of a row, by a user or the
        neutralization of a copy, holds for every channel.
        """
        by_name = {canonical_name(row.complete_name): row for row in settings}
        with self._lock:
            self._rows = set(by_name)
            for name in by_name:
                self.get_channel_by_name(name, autocreate=True)
            for channel in self._root_channel.tree():
                row = by_name.get(channel.fullname, ChannelSettings(channel.name))
                if channel.fullname in self._configured:
                    channel.paused = self._configured[channel.fullname] or row.paused
                else:
                    channel.configure(self._config_of(row, channel))
                    self._share_on_the_fly(channel)
                    self._loose.add(channel)  # its record may be gone

    def _config_of(self, row: ChannelSettings, channel: Channel) -> dict[str, Any]:
        name, defaults = channel.fullname, None
        if name not in self._rows:
            defaults = channel_config.defaults_above(name, self._defaults)
        limits = channel_config.limits_of(
            name,
            row,
            root_capacity=self._root_capacity,
            defaults=defaults,
            maximum=self._maxima.root,
        )
        return limits._asdict()

    # -- the tree ---------------------------------------------------------------

    def get_channel_by_name(
        self,
        channel_name: str | None,
        autocreate: bool = False,
        parent_fallback: bool = False,
    ) -> Channel:
        """Return a channel by its path, with or without the leading "root.".

        An unknown one is created without limits of its own, and so is ruled by the
        nearest ancestor that has some, unless one of them has defaults for it. Without
        leave to create: `ChannelNotFound`.
        """
        channel = self._root_channel
        for name in canonical_name(channel_name).split(".")[1:]:
            child = channel.get_subchannel_by_name(name)
            if child is None:
                if not (autocreate or parent_fallback):
                    raise ChannelNotFound(f"Channel {channel_name} not found")
                child = Channel(name, channel)
                self._apply_defaults(child)
                self._loose.add(child)
            channel = child
        return channel

    def _locate(self, channel_name: str | None) -> Channel:
        return self.get_channel_by_name(channel_name, parent_fallback=True)

    # -- what happens to jobs ---------------------------------------------------

    def notify(
        self,
        db_name: str,
        channel_name: str | None,
        uuid: str,
        seq: int,
        date_created: Any,
        priority: int,
        eta: float | None,
        state: str | None,
    ) -> None:
        """Take note of a job; :meth:`update` for code that calls it by position.

        The parameters are those of :class:`JobFacts`.
        """
        self.update(
            JobFacts(
                db_name, channel_name, uuid, seq, date_created, priority, eta, state
            )
        )

    def update(self, facts: JobFacts) -> None:
        """Take note of a job as it is in the database now."""
        with self._lock:
            channel = self._locate(facts.channel_name)
            job = self._jobs.get((facts.db_name, facts.uuid))
            if job and not facts.agree_with(job, channel):
                job.channel.remove(job)
                job = None
            self._set_state(job or facts.job_of(channel), facts.state)

    def _set_state(self, job: ChannelJob, state: str | None) -> None:
        key = (job.db_name, job.uuid)
        if not state or state in (DONE, CANCELLED, WAIT_DEPENDENCIES):
            # a job that waits for others competes with nobody
            job.channel.set_done(job)
            self._jobs.pop(key, None)
            return
        if not job.channel.set_state(job, state):
            _logger.error("job %s of %s is in unknown state %s", *key[::-1], state)
            return
        self._databases.add(job.db_name)
        self._jobs[key] = job

    def remove_job(self, uuid: str, db_name: str | None = None) -> None:
        """Forget a job: that of one database, or of each that has the uuid."""
        if db_name:
            job = self._jobs.get((db_name, uuid))
            self._forget([job] if job else [])
        else:
            self._forget(job for job in self._jobs.values() if job.uuid == uuid)

    def take_back(self, uuid: str, now: float) -> None:
        """Forget a job that `get_jobs_to_run` has started now, and that did not run."""
        with self._lock:
            for key in [key for key in self._jobs if key[1] == uuid]:
                job = self._jobs.pop(key)
                job.channel.take_back(job, now)

    def remove_db(self, db_name: str) -> None:
        """Forget all jobs of a database, and give back the slots it holds."""
        self._forget(job for job in self._jobs.values() if job.db_name == db_name)
        if self._shared:
            self._shared.give_up(db_name)

    def forget_all(self) -> None:
        """Give back what this manager holds; what others hold stays."""
        self._forget(self._jobs.values())

    def clear_candidates(self) -> None:
        """Forget all jobs but those that run, and the channels they were made for."""
        running = self._root_channel._running
        with self._lock:
            self._forget(job for job in self._jobs.values() if job not in running)
            self._loose.forget_idle(self._is_kept)

    def _is_kept(self, channel: Channel) -> bool:
        """Whether a channel is declared, or configured by other code."""
        name = channel.fullname
        if name in self._configured or name in self._rows:
            return True
        on_the_fly = channel_config.defaults_above(name, self._defaults)
        return channel.has_settings and not on_the_fly

    def _forget(self, jobs: Iterable[ChannelJob]) -> None:
        with self._lock:
            for job in list(jobs):
                job.channel.remove(job)
                del self._jobs[job.db_name, job.uuid]
                self.reservations.use_up((job.db_name, job.uuid), time.time())

    # -- rates ------------------------------------------------------------------

    def uncounted_rates(self) -> list[tuple[Channel, Rate]]:
        """Return the channels with a rate whose past starts are not known yet."""
        with self._lock:
            return [
                (channel, channel.rate)
                for channel in self._root_channel.tree()
                if channel.rate and not channel.rate_is_counted
            ]

    def count_starts(
        self, channel: Channel, times: list[float], now: float = -math.inf
    ) -> None:
        """Take note of what this database has started in a channel until now."""
        with self._lock:
            channel.count_starts(next(iter(self._databases), ""), times, now)

    # -- what may start ---------------------------------------------------------

    def get_jobs_to_run(self, now: float) -> list[ChannelJob]:
        """Return the jobs that start now; they count as running from here on."""
        with self._lock:
            top = self._total or self._root_channel
            jobs = list(top.get_jobs_to_run(now))
            if self._shared:
                for db_name in self._databases:
                    self._shared.end_round(db_name)
            return jobs

    def get_wakeup_time(self) -> float:
        """Return when a job may start without anything happening, or 0."""
        with self._lock:
            times = [(self._total or self._root_channel).get_wakeup_time()]
            if self._shared:
                times += [self._shared.ask_again(name) for name in self._databases]
            return earliest(*times)

    def free_slots(
        self, channel_name: str | None = None, now: float | None = None
    ) -> int:
        """How many jobs of a channel (of root: of all) may start now, at most."""
        now = time.time() if now is None else now
        db_name = next(iter(self._databases), "")
        with self._lock:
            self._root_channel.end_throttles(now)
            return self._locate(channel_name).free_slots_on_path(db_name, now)

    @property
    def total(self) -> tuple[int | None, int]:
        """How many jobs all databases may run together, or None, and how many do."""
        with self._lock:
            return self._total.load if self._total else (None, 0)

    def shared_load(self) -> dict[str, tuple[int | None, int, int]]:
        """Return what databases share: size, what runs in all, what in this one."""
        name = next(iter(self._databases), "")
        with self._lock:
            load = {each: self._locate(each).load_of(name) for each in self._configured}
            return {**load, **self._pools.load(name)}

    def has_free_capacity(
        self, channel_name: str | None, now: float | None = None
    ) -> bool:
        """Tell whether a channel and all its ancestors let a job start now."""
        return self.free_slots(channel_name, now) > 0

    def is_sequential(self, channel_name: str | None) -> bool:
        """Tell whether the jobs of a channel run strictly in order."""
        with self._lock:
            return self._locate(channel_name).sequential

    def in_threads(self, channel_name: str | None) -> bool:
        """Tell whether the jobs of a channel run in threads of a worker."""
        with self._lock:
            return self._pools.in_threads(self._locate(channel_name))

    def lease_terms(self, channel_name: str | None) -> LeaseTerms:
        """Return what a lease for a job of a channel may do with its slot."""
        with self._lock:
            return terms_of(self._locate(channel_name))

    def interchangeable(
        self, channel_name: str | None, others: Iterable[str]
    ) -> list[str]:
        """Return those of other channels that are ruled by the same limits.

        A job of each of them could use a slot that was taken for a job of this one.

        >>> cm = ChannelManager()
        >>> cm.simple_configure("root:4,narrow:1,wide.b:2")
        >>> others = ["root.a", "root.c", "root.narrow", "root.wide"]
        >>> cm.interchangeable("root.a", others)
        ['root.c', 'root.wide']
        >>> others = ["root.narrow.b", "root.narrow", "root.c"]
        >>> cm.interchangeable("root.narrow.a", others)
        ['root.narrow.b', 'root.narrow']
        """
        with self._lock:
            limits = self._limits(channel_name)
            return [
                name
                for name in others
                if name != channel_name and self._limits(name) == limits
            ]

    def _limits(self, channel_name: str | None) -> tuple[bool, list[Channel]]:
        path = list(self._locate(channel_name).path())
        return self._pools.in_threads(path[0]), [c for c in path if c.is_limited]
