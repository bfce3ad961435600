# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job workers: children of a prefork server that run jobs and serve no users.

They are HTTP workers on a socket of their own, which only this machine reaches, and
answer nothing but the requests of the runner. So jobs take no worker from the users,
have their own limits, and need neither host nor port to be configured. The parent
binds the socket before it forks them, so that no lease comes too early; it respawns
them and ends them as it does its HTTP workers.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable

import psycopg2
from werkzeug.exceptions import NotFound

from odoo import sql_db
from odoo.modules.registry import Registry
from odoo.service import server
from odoo.tools import config

from ...claim import lease
from ..session.config import LIMITS, RunnerConfig
from ..session.worker_limit import WorkerLimit
from . import shared_heap

_logger = logging.getLogger(__name__)

#: Leases that may wait for a worker: a capacity above the workers is no error.
BACKLOG = 1024

#: The paths that a job worker serves.
PATHS = frozenset({lease.PATH, lease.CLASSIC_PATH})

#: Odoo takes its CPU limit as it is, and knows no 0; this is thirty years.
NO_CPU_LIMIT = 10**9


class JobWorkers:
    """The job workers of a prefork server, as its parent process knows them.

    :param settings: how many there are, and their limits
    """

    host = "127.0.0.1"

    @property
    def worker_class(self) -> type[WorkerJob]:
        """What the parent forks."""
        return WorkerJob

    @property
    def count(self) -> int:
        """How many there are to be."""
        return self.settings.workers

    def __init__(self, settings: RunnerConfig) -> None:
        self.settings = settings
        self.register: dict[int, WorkerJob] = {}
        self.socket = socket.create_server((self.host, 0), backlog=BACKLOG)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    @property
    def limit(self) -> WorkerLimit:
        """How long they may be busy with a lease."""
        return WorkerLimit(
            self.settings.limit_time_real or 0,
            "the limit_time_real of the job workers (section [queue_job])",
        )

    def spawn_missing(self, multi: server.PreforkServer) -> None:
        """Fork those that are not there yet, or not any more."""
        missing = self.missing()
        if missing:
            _refresh_registries()
            shared_heap.freeze()
        for _number in range(missing):
            multi.worker_spawn(self.worker_class, self.register)

    def missing(self) -> int:
        """How many have to be forked now."""
        return max(self.count - len(self.register), 0)


def _refresh_registries() -> None:
    """Bring what the children inherit up to date: each would have to do it again."""
    try:
        for registry in Registry.registries.snapshot.values():
            with registry.cursor() as cr:
                registry.check_signaling(cr)
    except psycopg2.Error as error:
        _logger.debug("the registries stay as they are: %s", error)
    finally:
        sql_db.close_all()  # a child must not share a connection


class WorkerJob(server.WorkerHTTP):
    """A child of a prefork server that runs jobs.

    The parent's objects are its own copies here, so it can put its socket, its
    application and its limits where Odoo's code looks for them.
    """

    def __init__(self, multi: server.PreforkServer) -> None:
        super().__init__(multi)
        self.pool = self.pool_of(multi)
        self.watchdog_timeout = self.pool.limit.seconds or None

    @staticmethod
    def pool_of(multi: server.PreforkServer) -> JobWorkers:
        """The job workers of its kind.

        :param multi: the server
        """
        return multi.job_workers

    def start(self) -> None:  # pylint: disable=missing-return
        """Start in the child, with the socket and the limits of job workers."""
        http_socket, self.multi.socket = self.multi.socket, self.pool.socket
        self.multi.app = only_jobs(self.multi.app)
        if self.watchdog_timeout:  # an idle worker, too, must give signs in time
            self.multi.beat = min(self.multi.beat, self.watchdog_timeout / 4)
        self._take_limits()
        super().start()
        if http_socket:
            http_socket.close()

    def _take_limits(self) -> None:
        for name in LIMITS:
            config[name] = getattr(self.pool.settings, name) or 0
        config["limit_time_cpu"] = config["limit_time_cpu"] or NO_CPU_LIMIT

    def check_limits(self) -> None:  # pylint: disable=missing-return
        """End between two leases where a limit is exceeded; a new worker follows.

        A new worker serves one lease in any case: if the limit is too small, the next
        worker would be no better.
        """
        soft = self.pool.settings.limit_memory_soft or 0
        config["limit_memory_soft"] = soft if self.request_count else 0
        super().check_limits()

    def sleep(self) -> None:  # pylint: disable=missing-return
        """Wait for a lease, unless the worker has to end."""
        if self.alive:
            super().sleep()

    def process_request(self, client, addr) -> None:  # pylint: disable=missing-return
        """Serve a lease, which has the whole time limit for itself.

        A registry that was loaded for it is kept out of the garbage collections of the
        next ones: better a pause between two leases than within a job.
        """
        self.multi.pipe_ping(self.watchdog_pipe)
        super().process_request(client, addr)
        shared_heap.freeze()


def only_jobs(app: Callable) -> Callable:
    """Return an application that serves nothing but the runner's requests.

    :param app: the WSGI application of Odoo
    """

    def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
        known = environ.get("PATH_INFO") in PATHS
        return (app if known else NotFound())(environ, start_response)

    return application
