# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where the jobs of a channel run: alone in a process, or in a thread beside others.

A server with threaded job workers has two pools of workers. The jobs of a channel with
the option `threads`, and of those below it, run in the threads; all others have a
process to themselves. A job takes a slot of its pool besides those of its channels, so
that no pool is sent more than it can run at once.

Without threads there is one pool, the workers, of which the channels alone limit the
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .slots import SharedSlots, Slots

if TYPE_CHECKING:
    from .channel import Channel
    from .channel_queue import ChannelJob

#: The names of the pools among the `SharedSlots`; no channel has such a name.
ALONE, THREADS = "workers: alone", "workers: threads"


class PoolSizes(NamedTuple):
    """How many jobs run at once in the workers of a server that has threads.

    :param alone: each in a process of its own
    :param threads: in threads; 0 if there are none, and `alone` is no limit
    """

    alone: int = 0
    threads: int = 0


#: A server whose workers are one pool.
NO_THREADS = PoolSizes()


class WorkerPools:
    """The slots of the two pools.

    :param sizes: how many jobs they run at once
    :param shared: the slots that all databases of the runner share; None to count alone
    """

    def __init__(
        self, sizes: PoolSizes = NO_THREADS, shared: SharedSlots | None = None
    ) -> None:
        self.sizes = sizes
        self._slots: dict[bool, Slots] = {
            False: shared[ALONE] if shared else Slots(),
            True: shared[THREADS] if shared else Slots(),
        }
        self._taken: dict[ChannelJob, Slots] = {}

    def in_threads(self, channel: Channel) -> bool:
        """Tell whether the jobs of a channel run in threads."""
        return self.sizes.threads > 0 and any(each.threads for each in channel.path())

    def admits(self, job: ChannelJob) -> bool:
        """Tell whether a job that may start as far as its channels know has a worker.

        A database that is refused counts as starved, see :class:`.FairSlots`.
        """
        if not self.sizes.threads:
            return True
        in_threads = self.in_threads(job.channel)
        size = self.sizes.threads if in_threads else self.sizes.alone
        return self._slots[in_threads].admits(job.db_name, size)

    def load(self, db_name: str) -> dict[str, tuple[int, int, int]]:
        """Return the size of each pool, what runs in it, and what of this database.

        :return: by the name of the pool; empty where there is only one
        """
        if not self.sizes.threads:
            return {}
        return {
            name: (size, slots.count, slots.held.get(db_name, 0))
            for name, size, slots in (
                (ALONE, self.sizes.alone, self._slots[False]),
                (THREADS, self.sizes.threads, self._slots[True]),
            )
        }

    def take(self, job: ChannelJob) -> None:
        """The job runs."""
        if self.sizes.threads and job not in self._taken:
            self._taken[job] = self._slots[self.in_threads(job.channel)]
            self._taken[job].take(job.db_name)

    def release(self, job: ChannelJob) -> None:
        """The job does not run any more, wherever its channel runs jobs by now."""
        slots = self._taken.pop(job, None)
        if slots is not None:
            slots.release(job.db_name)
