# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threaded job workers: children of a prefork server that run many jobs at once.

They are for jobs that wait for other servers: such a job needs a process of Odoo only
for its moments of work, and fifty of them share one. They are job workers
(:mod:`.job_workers`) on a socket of their own; each lease is served in a thread of its
own. What the jobs of a process share is said in `docs/deployment.md`, and what can be
looked at is (:mod:`...worker.shared_process`).

A worker is *retired* where a job worker would end between two leases: when it exceeds a
limit, when the server stops, or when a job can't be ended. It takes no more leases, the
parent forks another one at once, and it ends with the last of its jobs.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import select
import threading
import time

from odoo import sql_db
from odoo.service import server
from odoo.tools import config

from ...sessions import interrupts
from ...worker import shared_process
from . import shared_heap
from .job_workers import NO_CPU_LIMIT, JobWorkers, WorkerJob

_logger = logging.getLogger(__name__)

#: Seconds without a sign after which a worker is killed: the thread that gives it
#: doesn't wait for jobs, so one of them does not let any other thread run.
STALLED_AFTER = 60

#: Connections to databases that a job may have at once: its own, and one each for its
#: progress, its settlement and its method. And some for the leases that don't wait.
CONNECTIONS_OF_JOB = 4
CONNECTIONS_OF_WORKER = 2 * shared_process.ACTIVE_LEASES

M_ARENA_MAX = -8  # of mallopt(3)


class ThreadedWorkers(JobWorkers):
    """The threaded job workers of a prefork server, as its parent process knows them.

    :param settings: how many there are, with how many threads, and their limits
    """

    @property
    def worker_class(self) -> type[WorkerJob]:
        """What the parent forks."""
        return WorkerThreads

    @property
    def count(self) -> int:
        """How many there are to be."""
        return self.settings.threaded_workers

    def missing(self) -> int:
        """How many have to be forked now; not more than one for each retired one."""
        fresh = sum(not worker.is_retired for worker in self.register.values())
        room = 2 * self.count - len(self.register)
        return max(min(self.count - fresh, room), 0)


class WorkerThreads(WorkerJob):
    """A child of a prefork server that runs several jobs at once."""

    run = server.Worker.run  # the main thread runs no jobs

    def __init__(self, multi: server.PreforkServer) -> None:
        super().__init__(multi)
        self.watchdog_timeout = STALLED_AFTER
        self._retired = mmap.mmap(-1, 1)  # shared with the parent
        self._changed = threading.Condition()
        self._busy = 0

    @staticmethod
    def pool_of(multi: server.PreforkServer) -> JobWorkers:
        """The job workers of its kind.

        :param multi: the server
        """
        return multi.threaded_workers

    # -- in the parent -----------------------------------------------------------------

    @property
    def is_retired(self) -> bool:
        """Whether it takes no more leases."""
        return self._retired[0] > 0

    def close(self) -> None:  # pylint: disable=missing-return
        """Close what it shares with the parent."""
        super().close()
        self._retired.close()

    # -- in the child ------------------------------------------------------------------

    def start(self) -> None:  # pylint: disable=missing-return
        """Start in the child."""
        super().start()
        _limit_arenas()
        _allow_connections(self.pool.settings.threads)
        shared_process.begin()
        interrupts.share_process(self.retire, self.pool.settings.limit_time_cpu or 0)

    def _take_limits(self) -> None:  # pylint: disable=missing-return
        super()._take_limits()
        config["limit_time_cpu"] = NO_CPU_LIMIT  # each thread is measured instead

    def retire(self) -> None:
        """Take no more leases; any thread may call this."""
        self.alive = False
        self._wake()

    def _wake(self) -> None:
        self.multi.pipe_ping(self.eintr_pipe)

    def sleep(self) -> None:
        """Wait for a lease while a thread is free for it, else for a thread."""
        if not self.alive:
            return
        sources = [self.wakeup_fd_r]
        if self._is_free():
            sources.append(self.multi.socket)
        select.select(sources, [], [], self.multi.beat)
        server.empty_pipe(self.wakeup_fd_r)

    def _is_free(self) -> bool:
        return self._busy < self.pool.settings.threads

    def process_work(self) -> None:  # pylint: disable=missing-return
        """Accept a lease, if a thread is free for it."""
        if not self._busy:  # what is garbage of a job would be kept for ever
            shared_heap.freeze()
        if self._is_free():
            super().process_work()

    def process_request(self, client, addr) -> None:
        """Serve a lease in a thread of its own."""
        self._count(1)
        threading.Thread(
            target=self._serve, args=(client, addr), name="queue_job lease", daemon=True
        ).start()

    def _serve(self, client, addr) -> None:
        try:
            with shared_process.active():
                server.WorkerHTTP.process_request(self, client, addr)
        except OSError as error:  # the runner has gone
            _logger.debug("a lease can't be answered: %s", error)
        finally:
            self._count(-1)

    def _count(self, number: int) -> None:
        with self._changed:
            was_full = not self._is_free()
            self._busy += number
            self._changed.notify_all()
        if was_full:
            self._wake()

    def stop(self) -> None:  # pylint: disable=missing-return
        """Let the jobs end, but not those that can't be ended.

        A limit that would have killed a job worker holds from here on.
        """
        self._retired[0] = 1
        self.multi.pipe_ping(self.watchdog_pipe)
        began, limit = time.monotonic(), self.pool.limit.seconds
        with self._changed:
            while self._busy > interrupts.count_given_up():
                if limit and time.monotonic() - began > limit:
                    _logger.warning("the jobs which still run will be run again")
                    break
                self.multi.pipe_ping(self.watchdog_pipe)
                self._changed.wait(min(self.multi.beat, 1))
        super().stop()
        if self._busy:  # Python would wait for what they do
            os._exit(0)


def _limit_arenas() -> None:
    """Keep threads from reserving memory each, as Odoo does in its threaded server."""
    try:
        ctypes.CDLL("libc.so.6").mallopt(ctypes.c_int(M_ARENA_MAX), ctypes.c_int(2))
    except (OSError, AttributeError):
        _logger.debug("no GNU libc, memory stays as it is")


def _allow_connections(threads: int) -> None:
    """Let the pool have what so many jobs need; Odoo's limit is that of one of them.

    :param threads: how many jobs run at once
    """
    wanted = threads * CONNECTIONS_OF_JOB + CONNECTIONS_OF_WORKER
    config["db_maxconn"] = max(config["db_maxconn"], wanted)
    if sql_db._Pool:
        sql_db._Pool._maxconn = config["db_maxconn"]
