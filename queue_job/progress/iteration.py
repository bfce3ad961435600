# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Loops of long jobs: they show how far they are, and may be interrupted.

`job_iter` reports its progress, and stops where somebody has asked the job to.
With a `resume_key` it keeps what is done: every few seconds, and when the server
stops, it commits the work together with its position, and the next attempt goes on
from there. What was done after the last commit is undone with its position, so no
item is done twice or left out, as long as the items come in the same order again.

`job_until_timeout` does as much as the time limit allows, keeps it, and puts the job
back in the queue for the rest. Both are methods of every model (`self.job_iter(...)`);
outside of jobs they are plain loops.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from odoo.tools import config

from ..exception import RetryableJobError
from .reporting import Run, current_run

#: Seconds between two commits of a loop that can be resumed.
COMMIT_SECONDS = 5.0

#: Seconds until the next attempt of an interrupted loop.
RESUME_SECONDS = 1

READ_POSITION = """
SELECT value FROM queue_job_progress WHERE job_id = %s AND key = %s
"""
SAVE_POSITION = """
INSERT INTO queue_job_progress (job_id, key, value, active) VALUES (%s, %s, %s, FALSE)
    ON CONFLICT (job_id, key) DO UPDATE SET value = excluded.value
"""
FORGET_POSITION = """
DELETE FROM queue_job_progress WHERE job_id = %s AND key = %s
"""


def server_stops() -> bool:
    """Whether this server, or worker of a prefork server, was asked to end."""
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    if getattr(owner, "quit_signals_received", 0):  # a threaded server
        return True
    return getattr(owner, "alive", True) is False  # a worker


class Checkpoint:
    """The position of a loop, kept in the job's own transaction.

    A key of None keeps nothing.

    :param seconds: between two commits, None for `COMMIT_SECONDS`
    """

    def __init__(
        self, env, run: Run, key: str | None, seconds: float | None = None
    ) -> None:
        self.cr = env.cr
        self.job_id = run.job.id
        self.key = key
        self.seconds = COMMIT_SECONDS if seconds is None else seconds
        self._last = time.monotonic()

    def read(self) -> int:  # pylint: disable=method-required-super
        """Return how many items the attempts before this one have done."""
        if self.key is None:
            return 0
        self.cr.execute(READ_POSITION, (self.job_id, self.key))
        row = self.cr.fetchone()
        return int(row[0]) if row else 0

    def commit(self, position: int) -> None:
        """Keep the work and the position, together."""
        self.cr.execute(SAVE_POSITION, (self.job_id, self.key, position))
        self.cr.commit()  # pylint: disable=invalid-commit
        self._last = time.monotonic()

    def commit_now_and_then(self, position: int) -> None:
        """Keep the work, unless this was done a moment ago."""
        if self.key and time.monotonic() - self._last >= self.seconds:
            self.commit(position)

    def forget(self) -> None:
        """The loop is complete: the next one starts from the beginning."""
        if self.key is not None:
            self.cr.execute(FORGET_POSITION, (self.job_id, self.key))


def job_iter(
    env,
    iterable: Iterable,
    message: str | None = None,
    report_rate: int = 1,
    *,
    savepoint: bool = False,
    resume_key: str | None = None,
) -> Iterator[Any]:
    """Yield the items, reporting progress; see `Base.job_iter`."""
    run = current_run(env)
    if run is None:
        yield from _plain(env, iterable, savepoint=savepoint)
        return
    yield from _walk(
        env,
        iterable,
        run,
        Checkpoint(env, run, resume_key),
        _Reporter(run, iterable, message, report_rate),
        savepoint=savepoint,
        interrupted=server_stops if resume_key else _never,
    )


def job_until_timeout(
    env,
    iterable: Iterable,
    margin: float = 5,
    on_timeout: Callable[[], Any] | None = None,
    *,
    message: str | None = None,
    savepoint: bool = True,
    requeue: bool = True,
    resume_key: str = "until_timeout",
    commit_seconds: float | None = None,
) -> Iterator[Any]:
    """Yield items as long as there is time; see `Base.job_until_timeout`.

    :param commit_seconds: between two commits, by default some; 0 commits after each
        item
    """
    run = current_run(env)
    if run is None:
        yield from _plain(env, iterable, savepoint=savepoint)
        return
    deadline = time_limit(run, margin)

    def interrupted() -> bool:
        return time.monotonic() >= deadline or server_stops()

    yield from _walk(
        env,
        iterable,
        run,
        Checkpoint(env, run, resume_key, commit_seconds),
        _Reporter(run, iterable, message, 1),
        savepoint=savepoint,
        interrupted=interrupted,
        on_interruption=on_timeout,
        requeue=requeue,
    )


def time_limit(run: Run, margin: float) -> float:
    """Return when (monotonic) the job has to come to an end by itself."""
    limits = [run.job.timeout, config["limit_time_real"]]
    seconds = min((limit for limit in limits if limit and limit > 0), default=None)
    return float("inf") if seconds is None else run.began + seconds - margin


def _walk(
    env,
    iterable,
    run,
    checkpoint,
    reporter,
    *,
    savepoint,
    interrupted,
    on_interruption=None,
    requeue=True,
):
    start = position = checkpoint.read()
    for item in itertools.islice(iterable, start, None):
        # each attempt gets on by one item at least
        if position > start and interrupted():
            _stop(checkpoint, position, on_interruption, requeue=requeue)
            return
        with _step(env, savepoint=savepoint):
            yield item
        position += 1
        reporter.tell(position)
        checkpoint.commit_now_and_then(position)
    checkpoint.forget()


def _stop(checkpoint, position, on_interruption, *, requeue):
    if on_interruption is not None:
        on_interruption()
    if not requeue:
        checkpoint.forget()
        return
    checkpoint.commit(position)
    raise RetryableJobError(
        f"Interrupted after {position} items, the others follow",
        seconds=RESUME_SECONDS,
        ignore_retry=True,
    )


def _plain(env, iterable, *, savepoint):
    for item in iterable:
        with _step(env, savepoint=savepoint):
            yield item


def _step(env, *, savepoint: bool):
    """An item whose loop is left by an exception is undone, those before are not."""
    return env.cr.savepoint() if savepoint else contextlib.nullcontext()


def _never() -> bool:
    return False


class _Reporter:
    """Reports the position of a loop every few items, listens at each of them."""

    def __init__(self, run: Run, iterable, message: str | None, rate: int) -> None:
        self.run = run
        self.message = message
        self.rate = max(rate, 1)
        self.total = len(iterable) if hasattr(iterable, "__len__") else None

    def tell(self, position: int) -> None:
        if position % self.rate and position != self.total:
            self.run.check()
            return
        text = self.message and self.message.format(
            progress=position, valuemax=self.total or "?"
        )
        if self.total:
            bounds = {"valuemin": 0, "valuemax": self.total, "progress": position}
        else:
            bounds = {}
        self.run.report(message=text, **bounds)
