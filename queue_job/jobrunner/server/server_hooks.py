# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Start and stop the job runner with the Odoo server.

This is the only place that changes classes of `odoo.service.server`; there is no hook
for it in Odoo. It happens when the addon is imported, thus nothing changes unless
`queue_job` is one of the server-wide modules:

* a *threaded* server runs the runner in a daemon thread, from its `start` to `stop`;
* a *prefork* server keeps one more child, which it spawns again when it dies, and
  the job workers (:mod:`.job_workers`), where the configuration wants some;
* the main thread of an HTTP worker runs the jobs, see :mod:`...worker.main_thread`;
* there is no runner in the gevent process, with `--stop-after-init`, in tests, and
  when the capacity of root is 0.

Each patch calls the original and does its own part. The names are looked
up in the package `jobrunner` when they are used, so that deployment code can replace
`_start_runner_thread`, `_is_runner_enabled`, `QueueJobRunner` and so on there.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading
import time
from types import ModuleType
from typing import Any

from odoo.modules.registry import Registry
from odoo.service import server
from odoo.tools import config

from ...sessions import interrupts
from ...worker import active_leases, main_thread
from ..schedule import channel_config
from ..session.config import (
    SECTION,
    RunnerConfig,
    idle_maxima,
    idle_settings,
    lacks_workers,
)
from . import shared_heap

if os.name == "posix":  # elsewhere there is no prefork server
    import resource

    from .job_workers import JobWorkers
    from .threaded_workers import ThreadedWorkers

_logger = logging.getLogger(__name__)

#: Seconds to wait before the databases are listed. None are needed: leases that are
#: sent before the HTTP port is open are sent again.
START_DELAY = 0

#: Seconds a stopping server waits for its runner.
JOIN_TIMEOUT = 5

#: Seconds a stopping threaded server waits for jobs, if its requests have no limit.
STOP_TIMEOUT = 120

#: Seconds after which the runner process checks again that its parent lives.
PARENT_INTERVAL = 1

#: Seconds; a runner process that lives shorter than this died at once.
QUICK_DEATH = 5

#: Seconds; the longest pause before a runner that dies at once is spawned again.
MAX_RESPAWN_PAUSE = 5

M_ARENA_MAX = -8  # of mallopt(3)

orig_prefork__init__ = server.PreforkServer.__init__
orig_prefork_process_spawn = server.PreforkServer.process_spawn
orig_prefork_worker_pop = server.PreforkServer.worker_pop
orig_threaded_start = server.ThreadedServer.start
orig_threaded_stop = server.ThreadedServer.stop
orig_worker_cpu_expired = server.WorkerHTTP.signal_time_expired_handler


def _package() -> ModuleType:
    """The package `jobrunner`, in which other code replaces what is named above."""
    return sys.modules[__package__.rpartition(".")[0]]


def _is_runner_enabled() -> bool:
    """Tell whether the configuration lets the runner start.

    A malformed channel configuration raises ValueError, which stops the server: it
    would otherwise run, but its jobs would not.
    """
    return not channel_config.is_disabled(_package()._channels())


def _is_one_off() -> bool:
    """Tell whether this server only installs, updates or tests something."""
    return bool(config["stop_after_init"])  # which Odoo's --test-enable implies


# -- threaded server -------------------------------------------------------------------


class QueueJobRunnerThread(threading.Thread):
    """A runner in a thread of its own."""

    def __init__(self) -> None:
        super().__init__(name="odoo.addons.queue_job.jobrunner", daemon=True)
        self._stopping = threading.Event()
        self.runner = _package().QueueJobRunner.from_environ_or_config()

    def run(self) -> None:
        """Run the runner until `stop`."""
        if not self._stopping.wait(_package().START_DELAY):
            self.runner.run()

    def stop(self) -> None:
        """Ask the runner to end; join the thread to wait for it."""
        self._stopping.set()
        self.runner.stop()


def _start_runner_thread(server_type: str) -> None:
    """Start the runner of a threaded server, unless it is disabled."""
    package = _package()
    if package._is_runner_enabled():
        _logger.info("starting jobrunner thread (in %s)", server_type)
        package.runner_thread = package.QueueJobRunnerThread()
        package.runner_thread.start()
    else:
        _log_not_started("thread", server_type)


def _log_not_started(kind: str, server_type: str) -> None:
    _logger.info(
        "jobrunner %s (in %s) NOT started, "
        "because the root channel's capacity is set to 0",
        kind,
        server_type,
    )


def threaded_start(self: server.ThreadedServer, *args: Any, **kwargs: Any) -> Any:
    """Start the server, then the runner."""
    stop = kwargs.get("stop") or any(args[:1])
    wanted = not stop and not _is_one_off()
    if wanted:
        _package()._is_runner_enabled()  # raises before anybody is served
        _check_settings(prefork=False)
    result = orig_threaded_start(self, *args, **kwargs)
    if wanted:
        _package()._start_runner_thread("threaded server")
    return result


def threaded_stop(self: server.ThreadedServer, *args: Any, **kwargs: Any) -> Any:
    """Stop the runner along with the server."""
    thread = _package().runner_thread
    if thread:
        thread.stop()
    _wait_for_running_jobs()
    result = orig_threaded_stop(self, *args, **kwargs)
    if thread:
        thread.join(JOIN_TIMEOUT)
    return result


def _wait_for_running_jobs() -> None:
    """Let jobs end, as a prefork server does; a second signal ends the wait."""
    if active_leases.is_idle():
        return
    _logger.info("waiting for running jobs")
    if not active_leases.wait_idle(config["limit_time_real"] or STOP_TIMEOUT):
        _logger.info("the jobs which still run will be run again")


# -- prefork server --------------------------------------------------------------------


class WorkerJobRunner(server.Worker):
    """The child of a prefork server in which the runner runs.

    SIGINT and SIGTERM end it gracefully. It is no worker that could hang in a request:
    no watchdog kills it, and the CPU limit only renews the runner, should something
    send that signal. It ends by itself when its parent is gone.
    """

    def __init__(self, multi: server.PreforkServer) -> None:
        super().__init__(multi)
        self.watchdog_timeout = None
        self._made_at = self.watchdog_time
        self.runner: Any = None  # made in the child, where its file descriptors belong

    def start(self) -> None:  # pylint: disable=missing-return
        """Start in the child: give up what only HTTP workers need, make the runner."""
        super().start()
        signal.signal(signal.SIGTERM, self.signal_handler)
        if self.multi.socket:
            self.multi.socket.close()
        for pool in _pools(self.multi):
            pool.socket.close()
        _shed_memory()
        self._renew_runner()
        threading.Thread(
            name="queue_job parent watch", target=self._watch_parent, daemon=True
        ).start()

    @property
    def came_to_work(self) -> bool:
        """Whether it has pinged its parent, as it does when its start is over."""
        return self.watchdog_time > self._made_at

    def _renew_runner(self) -> None:
        self.runner = _package().QueueJobRunner.from_environ_or_config()
        if self.multi.job_workers:
            self.runner.send_to(*_pools(self.multi))
        self._renew = False

    def signal_handler(self, sig: int, frame: Any) -> None:  # pylint: disable=missing-return
        """End gracefully."""
        super().signal_handler(sig, frame)
        self._stop_runner()

    def signal_time_expired_handler(self, n: int, stack: Any) -> None:
        """Make a new runner, when the CPU time limit is reached."""
        _logger.info("Worker (%d) CPU time limit reached, renewing runner", self.pid)
        self._renew = True
        self._stop_runner()

    def _stop_runner(self) -> None:
        if self.runner:
            self.runner.stop()

    def sleep(self) -> None:
        """The runner sleeps by itself."""

    def check_limits(self) -> None:  # pylint: disable=missing-return
        """Check Odoo's limits, but allow as much CPU time as the system does."""
        super().check_limits()
        _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))

    def process_work(self) -> None:
        """Run the runner; come back to do it again, or to end."""
        if self._renew:
            self._renew_runner()
        if self.alive:  # a signal between the two would have stopped the old one
            self.runner.run()
        if not self._renew:
            self.alive = False

    def _watch_parent(self) -> None:
        while self.ppid == os.getppid():
            time.sleep(PARENT_INTERVAL)
        _logger.info("Worker (%s) Parent changed", self.pid)
        self.alive = False
        self._stop_runner()
        time.sleep(JOIN_TIMEOUT)
        os._exit(1)  # still here, and no parent is left to end it


def _shed_memory() -> None:
    """Give up what the parent had loaded, and keep threads from reserving more.

    The runner uses databases by plain SQL: it needs no registry. What the parent has
    frozen stays shared with it. The arenas are limited as Odoo does for its threaded
    server.
    """
    Registry.registries.clear()
    gc.collect()
    gc.freeze()
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(ctypes.c_int(M_ARENA_MAX), ctypes.c_int(2))
        libc.malloc_trim(0)
    except (OSError, AttributeError):
        _logger.debug("no GNU libc, memory stays as it is")


class Respawn:
    """When the prefork server may spawn a runner.

    At once, also after a first death; with growing pauses when runners keep dying
    before they have come to work.
    """

    def __init__(self) -> None:
        self._born = -float("inf")
        self._pause = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether the pause is over.

        :param now: monotonic time in seconds
        """
        return now >= self._born + self._pause

    def note(self, now: float) -> None:
        """Note that a runner was spawned.

        :param now: monotonic time in seconds
        """
        quick = now - self._born < QUICK_DEATH + self._pause
        self._pause = min(max(2 * self._pause, 1), MAX_RESPAWN_PAUSE) if quick else 0.0
        self._born = now

    def forgive(self) -> None:
        """Forget the pause: the runner that died had come to work before."""
        self._pause = 0.0


def prefork__init__(self: server.PreforkServer, app: Any) -> None:
    """Add the registers of runner processes and job workers.

    The configuration is read here, because a mistake in it must stop the server
    before it has any children.
    """
    orig_prefork__init__(self, app)
    self.jobrunner = {}
    self.jobrunner_respawn = self.job_workers = self.threaded_workers = None
    if not _is_one_off():
        _prepare_children(self)


def _prepare_children(multi: server.PreforkServer) -> None:
    multi.jobrunner_respawn = multi.job_workers = multi.threaded_workers = None
    if not _package()._is_runner_enabled():
        _log_not_started("process", "prefork server")
        return
    multi.jobrunner_respawn = Respawn()
    settings = _check_settings(prefork=True)
    if settings.workers:
        multi.job_workers = JobWorkers(settings)
    if settings.threads:
        multi.threaded_workers = ThreadedWorkers(settings)


def _pools(multi: server.PreforkServer) -> list[JobWorkers]:
    """The job workers of a server, those with threads last."""
    return list(filter(None, (multi.job_workers, multi.threaded_workers)))


def _check_settings(*, prefork: bool) -> RunnerConfig:
    """Read the settings; tell which of them have no effect in this server."""
    settings = RunnerConfig.load()
    wanted = settings.workers
    if wanted and not prefork:
        _logger.warning(
            "workers = %s of section [%s] is ignored: only a prefork server (Odoo's own"
            " workers above 0) has job workers, here threads run the jobs",
            wanted,
            SECTION,
        )
    elif idle := idle_settings(wanted):
        _logger.warning(
            "%s of section [%s] has no effect %s job workers",
            ", ".join(idle),
            SECTION,
            "where there are" if wanted else "without",
        )
    if idle := idle_maxima():
        _logger.warning(
            "%s of section [%s] has no effect, because channels is set, which takes"
            " precedence: remove one of them",
            ", ".join(idle),
            SECTION,
        )
    if prefork and not settings.threads and (names := settings.threaded_channels):
        _logger.warning(
            "the option threads of %s has no effect: this server has no threads for"
            " jobs (threads in section [%s]); their jobs run alone in a process",
            ", ".join(names),
            SECTION,
        )
    if settings.is_enabled and lacks_workers(wanted if prefork else 0):
        _logger.warning(
            "no worker would take the leases of this server, which has no HTTP"
            " (--no-http): set workers in section [%s] (of a prefork server), or host"
            " and port of a server that runs the jobs, or channels = root:0",
            SECTION,
        )
    return settings


def prefork_process_spawn(self: server.PreforkServer) -> None:
    """Spawn the workers, the job workers, and the runner if there is none."""
    shared_heap.freeze()
    orig_prefork_process_spawn(self)
    # the attribute is missing if queue_job was imported after the server was made
    if not hasattr(self, "jobrunner"):
        return
    if not hasattr(self, "jobrunner_respawn"):  # made by other code than ours
        _prepare_children(self)
    for pool in _pools(self):
        pool.spawn_missing(self)
    if not self.jobrunner and self.jobrunner_respawn:
        _spawn_runner(self, self.jobrunner_respawn)


def _spawn_runner(multi: server.PreforkServer, respawn: Respawn) -> None:
    now = time.monotonic()
    if respawn.is_due(now):
        respawn.note(now)
        multi.worker_spawn(_package().WorkerJobRunner, multi.jobrunner)


def prefork_worker_pop(self: server.PreforkServer, pid: int) -> None:
    """Forget the worker, and the runner or the job worker if it is that."""
    orig_prefork_worker_pop(self, pid)
    if not hasattr(self, "jobrunner_respawn"):
        return
    worker = self.jobrunner.pop(pid, None)
    if worker and worker.came_to_work:
        self.jobrunner_respawn.forgive()
    for pool in _pools(self):
        pool.register.pop(pid, None)


def worker_cpu_expired(self: server.WorkerHTTP, number: int, stack: Any) -> None:
    """Stop the job of a worker whose CPU time is over; without one, the worker."""
    if not interrupts.expire(self):
        orig_worker_cpu_expired(self, number, stack)


def install() -> None:
    """Patch the server classes."""
    server.WorkerHTTP.run = main_thread.run_worker
    server.WorkerHTTP.signal_time_expired_handler = worker_cpu_expired
    server.PreforkServer.__init__ = prefork__init__
    server.PreforkServer.process_spawn = prefork_process_spawn
    server.PreforkServer.worker_pop = prefork_worker_pop
    server.ThreadedServer.start = threaded_start
    server.ThreadedServer.stop = threaded_stop
