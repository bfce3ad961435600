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
from contextlib import suppress

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

    __slots__ = ("began", "connection", "interrupted", "job", "last", "thread")

    def __init__(self, job, cr):
        self.job = job
        self.connection = cr._cnx
        self.thread = threading.get_ident()
        self.began = time.monotonic()
        self.interrupted = self.last = 0.0

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
        elif now - self.interrupted >= KILL_AFTER and _is_replaceable():
            self.kill()
        elif now - self.last >= REPEAT_AFTER:
            self.last = now
            self._raise()

    @property
    def takes_signals(self) -> bool:
        """Whether its code runs in the main thread, where a signal reaches it."""
        return bool(SIGNAL) and self.thread == threading.main_thread().ident

    def _raise(self) -> None:
        if self.takes_signals:
            signal.pthread_kill(self.thread, SIGNAL)
        else:
            _raise_in(self.thread, JobInterrupted)

    def kill(self) -> None:
        """Keep where the code is, and end the process."""
        stack = self._stack()
        _logger.error(
            "%s: job %s: its code has not ended %.0f s after it was interrupted; worker"
            " %s is killed\n%s",
            _dbname(self.connection),
            self.job.uuid,
            KILL_AFTER,
            os.getpid(),
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
        os.kill(os.getpid(), signal.SIGKILL)

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
        if not attempt.interrupted and not attempt.has_lost_its_session():
            return
        with self._lock:
            if self._attempts.get(attempt.thread) is not attempt:
                return
            try:
                attempt.interrupt(now)
            except Exception:
                _logger.exception("job %s can't be interrupted", attempt.job.uuid)


_watcher = _Watcher()


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
    limit = config["limit_time_cpu"]
    raise JobInterrupted(
        f"The job used more processor time than limit_time_cpu, {limit} s, allows;"
        " raise it, or split the job"
    )


def listen() -> None:
    """Let `SIGNAL` interrupt the jobs of the main thread, which has to call this."""
    if SIGNAL and signal.getsignal(SIGNAL) is not _on_signal:
        signal.signal(SIGNAL, _on_signal)
