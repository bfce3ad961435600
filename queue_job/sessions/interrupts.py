# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""End the code of an attempt whose database session has been ended.

A time-out, a cancellation, an administrator or a failover ends the session in which a
job works, on whatever host the worker is. From then on the attempt can't commit
anything, so its code has to end as well. A thread of the worker watches the sessions of
the attempts that have been running for a moment: the operating system tells it that the
server has closed the connection, whatever the code does meanwhile. Then

1. `JobInterrupted` is raised in the code: by a signal where it runs in the main thread
   (a worker of a prefork server, see `main_thread`), which also wakes it from a sleep
   or a call that waits; otherwise by the interpreter, before its next instruction;
2. it is raised again after `REPEAT_AFTER`, for code that swallows every exception, and
   so that a `finally` block has had time to end;
3. after `KILL_AFTER` a worker of a prefork server is killed; its server replaces it.
   One that runs other jobs at the same time is retired instead: it starts no more, and
   ends with the last of them.

While the request of its lease is open the job keeps its slot and its state, so nothing
of it runs twice.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psycopg2

from odoo.service import server
from odoo.tools import config

from ..exception import JobInterrupted

if os.name == "posix":  # elsewhere there is no prefork server
    import resource

_logger = logging.getLogger(__name__)

#: Seconds between two checks of the sessions; a shorter attempt is never checked.
INTERVAL = 0.25
#: Seconds after which the code is interrupted again.
REPEAT_AFTER = 2.0
#: Seconds after the first interrupt until the worker is killed.
KILL_AFTER = 5.0
#: Characters of the stack that are kept.
MAX_STACK = 20_000

#: Wakes the main thread; not used by Odoo, nor by most libraries.
SIGNAL = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else None
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

#: Where the code of a killed worker was, for the worker that settles its job.
KEEP_STACK = """
UPDATE queue_job_signal SET stack = %(stack)s
 WHERE job_id = %(id)s AND claim_token = %(token)s
"""


class Attempt:
    """One attempt in this process, for as long as its code may be interrupted.

    :param job: the job
    :param cr: the cursor whose session does the work
    """

    __slots__ = (
        "began",
        "connection",
        "given_up",
        "interrupted",
        "job",
        "last",
        "native_id",
        "raises",
        "thread",
        "used_before",
    )

    def __init__(self, job, cr):
        self.job = job
        self.connection = cr._cnx
        self.thread = threading.get_ident()
        self.native_id = threading.get_native_id()
        self.used_before = time.thread_time()
        self.began = time.monotonic()
        self.raises: type[JobInterrupted] = JobInterrupted
        self.interrupted = self.last = 0.0
        self.given_up = False

    def __enter__(self) -> Attempt:
        _watcher.add(self)
        return self

    def __exit__(self, *exception) -> None:
        _watcher.remove(self)

    # -- called by the watching thread -----------------------------------------------

    def has_lost_its_session(self) -> bool:
        """Whether the server has closed the connection."""
        try:
            poll = select.poll()
            poll.register(self.connection.fileno(), _HUNG_UP)
            return bool(poll.poll(0))
        except (psycopg2.Error, OSError, ValueError):
            return True

    def interrupt(self, now: float) -> None:
        """Raise in the code, again after a while, or end the process.

        :param now: monotonic time in seconds
        """
        if not self.interrupted:
            self.interrupted = self.last = now
            _logger.warning(
                "%s: job %s: its session was ended, its code is interrupted",
                _dbname(self.connection),
                self.job.uuid,
            )
            self._raise()
        elif now - self.interrupted >= KILL_AFTER and _shared is not None:
            self._give_up(_shared)
        elif now - self.interrupted >= KILL_AFTER and _is_replaceable():
            self.kill()
        elif now - self.last >= REPEAT_AFTER:
            self.last = now
            self._raise()

    def expire(self, now: float) -> None:
        """Raise in the code that it has used up its processor time.

        :param now: monotonic time in seconds
        """
        self.interrupted = self.last = now
        self.raises = _UsedUp
        self._raise()

    def used_seconds(self) -> float:
        """How much processor time the code has used, by what the kernel counts."""
        try:
            stat = Path(f"/proc/self/task/{self.native_id}/stat").read_text()
        except OSError:  # it has ended, or this is no Linux
            return 0.0
        times = stat.rpartition(")")[2].split()[11:13]
        ticks = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        return ticks - self.used_before

    @property
    def takes_signals(self) -> bool:
        """Whether its code runs in the main thread, where a signal reaches it."""
        return bool(SIGNAL) and self.thread == threading.main_thread().ident

    def _raise(self) -> None:
        if self.takes_signals:
            signal.pthread_kill(self.thread, SIGNAL)
        else:
            _raise_in(self.thread, self.raises)

    def kill(self) -> None:
        """Keep where the code is, and end the process."""
        self._keep_stack("killed")
        os.kill(os.getpid(), signal.SIGKILL)

    def _give_up(self, shared: SharedProcess) -> None:
        """Keep where the code is, and let the process end with its other jobs."""
        if not self.given_up:
            self.given_up = True
            self._keep_stack("to end with its other jobs")
        shared.retire()

    def _keep_stack(self, fate: str) -> None:
        stack = self._stack()
        _logger.error(
            "%s: job %s: its code has not ended %.0f s after it was interrupted; worker"
            " %s is %s\n%s",
            _dbname(self.connection),
            self.job.uuid,
            KILL_AFTER,
            os.getpid(),
            fate,
            stack,
        )
        with suppress(Exception):
            with self.job._env.registry.cursor() as cr:
                cr.execute(
                    KEEP_STACK,
                    {
                        "stack": stack,
                        "id": self.job.id,
                        "token": self.job.claim_token,
                    },
                )

    def _stack(self) -> str:
        frame = sys._current_frames().get(self.thread)
        lines = traceback.format_stack(frame) if frame else []
        return "Stack of the code that did not end:\n" + "".join(lines)[-MAX_STACK:]


class _Watcher:
    """Checks the sessions of this process's attempts, while there are any."""

    def __init__(self):
        self._attempts: dict[int, Attempt] = {}
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._pid = 0

    def add(self, attempt: Attempt) -> None:
        self._attempts[attempt.thread] = attempt
        if self._pid != os.getpid():
            self._start()
        if not self._wanted.is_set():
            self._wanted.set()

    def remove(self, attempt: Attempt) -> None:
        """From here on nothing is raised in the thread any more.

        A signal finds that out by itself, when it is handled. What the interpreter was
        asked to raise has to be called off.
        """
        self._attempts.pop(attempt.thread, None)
        if attempt.interrupted and not attempt.takes_signals:
            with self._lock:
                _raise_in(attempt.thread, None)

    def attempt_of(self, thread: int | None) -> Attempt | None:
        return self._attempts.get(thread)

    def count_given_up(self) -> int:
        return sum(each.given_up for each in list(self._attempts.values()))

    def _start(self) -> None:
        """In each process anew: threads don't survive a fork."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        own = self._attempts.get(threading.get_ident())
        self._attempts = {own.thread: own} if own else {}
        threading.Thread(
            target=self._watch, name="queue_job sessions", daemon=True
        ).start()

    def _watch(self) -> None:
        while self._wanted.wait():
            time.sleep(INTERVAL)
            if not self._attempts:
                self._wanted.clear()
                if self._attempts:  # it came in between
                    self._wanted.set()
            now = time.monotonic()
            for attempt in list(self._attempts.values()):
                if now - attempt.began >= INTERVAL:
                    self._check(attempt, now)

    def _check(self, attempt: Attempt, now: float) -> None:
        if attempt.interrupted or attempt.has_lost_its_session():
            interrupt = attempt.interrupt
        elif _shared is not None and _shared.is_used_up(attempt, now):
            interrupt = attempt.expire
        else:
            return
        with self._lock:
            if self._attempts.get(attempt.thread) is not attempt:
                return
            try:
                interrupt(now)
            except Exception:
                _logger.exception("job %s can't be interrupted", attempt.job.uuid)


_watcher = _Watcher()


class SharedProcess(NamedTuple):
    """What is different where several jobs run in threads of one process.

    :param retire: lets the process start no more jobs, and end with those that run
    :param limit_time_cpu: seconds of processor time that a job may use; 0 for no limit
    """

    retire: Callable[[], None]
    limit_time_cpu: float

    def is_used_up(self, attempt: Attempt, now: float) -> bool:
        """Whether a job has used more processor time than it may.

        :param attempt: of the job
        :param now: monotonic time in seconds
        """
        limit = self.limit_time_cpu
        if not limit or now - attempt.began < limit:
            return False
        return attempt.used_seconds() >= limit


_shared: SharedProcess | None = None


class _UsedUp(JobInterrupted):
    """A job has used more processor time than its worker allows."""

    def __init__(self) -> None:
        limit = _shared.limit_time_cpu if _shared else config["limit_time_cpu"]
        super().__init__(
            f"The job used more processor time than limit_time_cpu, {limit} s, allows;"
            " raise it, or split the job"
        )


def share_process(retire: Callable[[], None], limit_time_cpu: float) -> None:
    """From now on, several jobs run in threads of this process.

    :param retire: see :class:`SharedProcess`
    :param limit_time_cpu: the same
    """
    global _shared
    _shared = SharedProcess(retire, limit_time_cpu)


def count_given_up() -> int:
    """How many jobs of this process could not be ended, and still run."""
    return _watcher.count_given_up()


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    """Raise in a thread before its next instruction; None calls that off."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(exception) if exception else None
    )


def _is_replaceable() -> bool:
    """Whether this process is one that its server replaces when it dies."""
    prefork = server.server
    return isinstance(prefork, server.PreforkServer) and prefork.pid != os.getpid()


def _dbname(connection) -> str:
    with suppress(psycopg2.Error):
        return connection.get_dsn_parameters()["dbname"]
    return "?"


def _on_signal(_number, _frame) -> None:
    attempt = _watcher.attempt_of(threading.get_ident())
    if attempt is not None and attempt.interrupted:
        raise JobInterrupted


def expire(worker) -> bool:
    """Interrupt the job of the main thread, whose worker has used up its CPU time.

    The worker gets some more of it to settle the job, and is replaced after that.

    :param worker: the HTTP worker of Odoo
    :return: False when no job runs in the main thread
    """
    attempt = _watcher.attempt_of(threading.main_thread().ident)
    if attempt is None:
        return False
    worker.alive = False
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    more = int(used.ru_utime + used.ru_stime + KILL_AFTER)
    resource.setrlimit(resource.RLIMIT_CPU, (more, hard))
    now = time.monotonic()
    if attempt.interrupted and now - attempt.interrupted >= KILL_AFTER:
        attempt.kill()
    attempt.interrupted = attempt.interrupted or now
    raise _UsedUp


def listen() -> None:
    """Let `SIGNAL` interrupt the jobs of the main thread, which has to call this."""
    if SIGNAL and signal.getsignal(SIGNAL) is not _on_signal:
        signal.signal(SIGNAL, _on_signal)
