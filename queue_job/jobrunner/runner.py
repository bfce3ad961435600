# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The job runner of a server: one loop per database.

It lists the databases every few seconds and keeps one :class:`DatabaseLoop` for each,
so that it finds databases that are created, dropped, renamed or get the addon installed
without a restart. It holds what the databases share: the configuration, the capacity of
the channels that the configuration names, and the HTTP connections.

Logs, at INFO: ``starting``, ``initializing database connections``, ``queue job runner
ready for db <name>``, ``database connections ready``, ``stopped``.

>>> _odoo_now() > 1e9
True
"""

import logging
import os
import selectors
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import odoo
from odoo.tools import config as odoo_config

from . import channels
from .dispatch.dispatcher import Dispatcher, classic_get
from .keep_running import keep_running
from .leader_loop import DatabaseLoop
from .schedule.slots import SharedSlots
from .schedule.worker_pools import PoolSizes
from .session.config import RunnerConfig
from .session.database import (
    PG_ADVISORY_LOCK_ID,
    Database,
    MasterElectionLost,
    _connection_info_for,
)
from .session.served_databases import db_names, served
from .session.worker_limit import WorkerLimit

if TYPE_CHECKING:
    from .server.job_workers import JobWorkers

__all__ = [
    "ERROR_RECOVERY_DELAY",
    "PG_ADVISORY_LOCK_ID",
    "SELECT_TIMEOUT",
    "Database",
    "MasterElectionLost",
    "QueueJobRunner",
    "_connection_info_for",
]

_logger = logging.getLogger(__name__)

select = selectors.DefaultSelector

#: Seconds; the longest time the runner sleeps without looking around.
SELECT_TIMEOUT = 60

#: Seconds between two tries after an error of the runner itself.
ERROR_RECOVERY_DELAY = 5

#: Seconds after which the watchdog checks again for connections that do not answer.
WATCHDOG_INTERVAL = 1.0

#: Databases that a line of the log names.
NAMES_IN_LOG = 20

#: Seconds between two lists of the databases.
DISCOVERY_INTERVAL = 5.0


def _channels() -> str:
    """The channel configuration string in force."""
    return RunnerConfig.load().channels or "root:1"


def _odoo_now() -> float:
    """Now, in seconds since the epoch."""
    return time.time()


class QueueJobRunner:
    """Runs the jobs of all databases of this server.

    :param scheme: ``http`` or ``https``, how the workers are reached
    :param host: their host
    :param port: their port
    :param user: user name of HTTP basic authentication, None for none
    :param password: its password
    :param channel_config_string: capacities of the channels, None for the configured
    :raise ValueError: the channel configuration is malformed
    """

    def __init__(
        self,
        scheme="http",
        host="localhost",
        port=8069,
        user=None,
        password=None,
        channel_config_string=None,
        *,
        config: RunnerConfig | None = None,
    ):
        self.config = config or RunnerConfig.load().with_address(
            scheme, host, port, user, password, channel_config_string
        )
        self.channel_manager = channels.ChannelManager()
        self.channel_manager.simple_configure(self.config.channels or "root:1")
        self.shared_slots = SharedSlots()
        self.dispatcher = Dispatcher(self.config)
        self.worker_limit = WorkerLimit(odoo_config["limit_time_real"] or 0)
        self.root_capacity = 1
        self.pool_sizes = PoolSizes()
        self.thread_dispatcher: Dispatcher | None = None
        self.loops: dict[str, DatabaseLoop] = {}
        self._stop = False
        self._stop_event = threading.Event()
        self._stop_pipe = os.pipe()
        self._announced = False
        self._left: set[str] = set()
        self._last_error = ""

    def __del__(self):
        for descriptor in getattr(self, "_stop_pipe", ()):
            with suppress(OSError):
                os.close(descriptor)

    @classmethod
    def from_environ_or_config(cls) -> "QueueJobRunner":
        """The runner as the environment and the configuration file describe it."""
        return cls(config=RunnerConfig.load())

    def send_to(
        self, job_workers: "JobWorkers", threaded: "JobWorkers | None" = None
    ) -> None:
        """Send the leases to this server's job workers; call it before :meth:`run`.

        :param job_workers: where they listen, and how many they are
        :param threaded: the same of those with threads; None if there are none
        """
        settings = job_workers.settings
        self.config = self._config_of(job_workers)
        self.dispatcher = Dispatcher(self.config, f"{job_workers.count} job workers")
        self.worker_limit = job_workers.limit
        self.root_capacity = job_workers.count
        if threaded:
            self.pool_sizes = settings.pool_sizes
            self.root_capacity = sum(self.pool_sizes)
            self.thread_dispatcher = Dispatcher(
                self._config_of(threaded),
                f"{threaded.count} threaded job workers",
                self.pool_sizes.threads,
            )

    def _config_of(self, workers: "JobWorkers") -> RunnerConfig:
        return self.config.with_address("http", workers.host, workers.port, None, None)

    # -- databases -----------------------------------------------------------------

    @property
    def db_by_name(self) -> dict[str, DatabaseLoop]:
        """The loops by the name of their database."""
        return self.loops

    def get_db_names(self) -> list[str]:
        """The databases this server serves, sorted.

        :raise ValueError: the option ``dbfilter`` is no regular expression
        """
        if names := db_names(odoo_config["db_name"]):
            return names
        databases = odoo.service.db.list_dbs(True)
        names = served(databases, [], odoo_config["dbfilter"])
        self._log_left(set(databases) - set(names))
        return names

    def _log_left(self, databases):
        """Log which databases the filter leaves to other servers, each once."""
        new = sorted(databases - self._left)
        self._left = databases
        if not new:
            return
        more = len(new) - NAMES_IN_LOG
        _logger.info(
            "dbfilter %r leaves %s databases without a runner of this server: %s%s",
            odoo_config["dbfilter"],
            len(new),
            ", ".join(new[:NAMES_IN_LOG]),
            f" and {more} more" if more > 0 else "",
        )

    def initialize_databases(self) -> None:
        """Start a loop for each new database, stop those of the vanished."""
        wanted = set(self.get_db_names())
        if self._stop:  # while they were listed
            return
        self._drop_dead()
        for name in sorted(wanted - set(self.loops)):
            loop = DatabaseLoop(name, self)
            self.shared_slots.listen(name, loop.wake)
            loop.start()
            self.loops[name] = loop
            if self._stop:  # too late for `close_databases`
                self._drop(name)
        for name in sorted(set(self.loops) - wanted):
            _logger.info("%s: database is gone", name)
            self._drop(name)

    def _drop_dead(self):
        """Forget the loops whose threads have died; new ones take their place."""
        for name in [name for name, loop in self.loops.items() if not loop.is_alive()]:
            _logger.error("%s: the thread of its loop is dead; a new one starts", name)
            self._drop(name)

    def _drop(self, name):
        loop = self.loops.pop(name, None)
        if loop:
            loop.stop()
            self.shared_slots.forget(name)
        return loop

    def close_databases(self, remove_jobs=True) -> None:
        """Stop all loops, and wait for those that lead, some seconds at most.

        One that is still connecting has nothing to hand over.

        :param remove_jobs: has no effect; other code passes it
        """
        loops = [self._drop(name) for name in list(self.loops)]
        deadline = time.monotonic() + 2.0
        for loop in filter(None, loops):
            if loop.leads:
                loop.join(max(0.0, deadline - time.monotonic()))

    # -- the life of the runner ------------------------------------------------------

    def ready(self, db_name: str) -> None:
        """Log that a loop has begun to lead its database; loops call this.

        :param db_name: name of the database
        """
        _logger.info("queue job runner ready for db %s", db_name)
        if not self._announced:
            self._announced = True
            _logger.info("database connections ready")

    def run(self) -> None:
        """Run until :meth:`stop`, whatever errors the runner itself meets."""
        _logger.info("starting")
        _logger.info("initializing database connections")
        for dispatcher in self._dispatchers:
            dispatcher.announce()
        # in threads: neither may keep the runner from being stopped at once
        for name, target in (
            ("watchdog", self._watch_connections),
            ("databases", self._find_databases),
        ):
            threading.Thread(
                name=f"queue_job {name}",
                target=keep_running,
                args=(f"the thread {name} of the runner", target, self._stop_event),
                daemon=True,
            ).start()
        try:
            self._stop_event.wait()
        except (KeyboardInterrupt, InterruptedError):
            self.stop()
        self.close_databases()
        for dispatcher in self._dispatchers:
            dispatcher.close()
        _logger.info("stopped")

    def _find_databases(self) -> None:
        """List the databases every few seconds; a server may not answer for minutes."""
        while not self._stop:
            try:
                self.initialize_databases()
                self._last_error = ""
                self.sleep(DISCOVERY_INTERVAL)
            except Exception as error:
                self._log_error(error)
                self.sleep(ERROR_RECOVERY_DELAY)

    @property
    def _dispatchers(self) -> list[Dispatcher]:
        return list(filter(None, (self.dispatcher, self.thread_dispatcher)))

    def _log_error(self, error):
        """Log that the databases can't be listed, at WARNING if the error is new."""
        is_new, self._last_error = str(error) != self._last_error, str(error)
        _logger.log(
            logging.WARNING if is_new else logging.DEBUG,
            "can't list the databases: %s; a try every %s s",
            error,
            ERROR_RECOVERY_DELAY,
        )

    def _watch_connections(self) -> None:
        while not self._stop_event.wait(WATCHDOG_INTERVAL):
            for loop in list(self.loops.values()):
                loop.break_if_stuck()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until :meth:`stop`.

        :param seconds: the longest time
        """
        self._stop_event.wait(seconds)

    def stop(self) -> None:
        """Ask the runner to end; returns at once."""
        self._stop = True
        self._stop_event.set()
        for loop in list(self.loops.values()):
            loop.stop()
        with suppress(OSError):
            os.write(self._stop_pipe[1], b".")

    # -- known to deployment code ------------------------------------------------------

    def requeue_dead_jobs(self) -> None:
        """Scan for dead jobs now, in each database."""
        for loop in self.loops.values():
            loop.scan_now()

    def run_jobs(self) -> None:
        """Run a dispatch round now, in each database."""
        for loop in self.loops.values():
            loop.wake()

    def process_notifications(self) -> None:
        """Run a dispatch round now; each loop reads its notifications itself."""
        self.run_jobs()

    def wait_notification(self) -> None:
        """Wait as long as the runner does between two lists of the databases."""
        self.sleep(DISCOVERY_INTERVAL)


def _async_http_get(scheme, host, port, user, password, db_name, job_uuid) -> None:
    """Ask a worker by the classic request to run one enqueued job, in a thread.

    The runner itself sends leases; this is for code that calls it by name.
    """
    threading.Thread(
        target=classic_get,
        args=(scheme, host, port, user, password, db_name, job_uuid),
        daemon=True,
    ).start()
