# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run stored jobs to their end, inside a test's transaction and without a runner.

Where `trap_jobs` shows what is enqueued, `drain` shows what becomes of it: each
pending job goes through enqueued and started to its outcome, by the code that runs in
production. What fails temporarily is retried, what is done releases its dependents,
and a job enqueued by a job runs as well. When nothing is left to do at present, the
clock is moved to the next due date:

>>> job = partner.with_delay(eta=3600).write({"name": "Ada"})
>>> result = drain(env)
>>> partner.name, result.done == job.db_record()
('Ada', True)
>>> result.elapsed > timedelta(minutes=59)
True

The outcome is in the rows, as in production: a job that fails ends in ``failed`` and
raises nothing, unless you ask for it with ``raise_failures=True``.

Each attempt has its own cursor, so that jobs may commit and roll back: all of it stays
in the test's transaction and disappears with it. Channels and their capacity play no
part: one job runs after the other, in the order of priority, creation and id. A job
with a `sequence_key` waits for those before it: behind one that has failed it stays
``waiting``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from odoo import SUPERUSER_ID, api
from odoo.modules import module as odoo_module
from odoo.tools import SQL

from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.core.states import CANCELLED, DONE, FAILED, FINAL

from .clock import Clock

#: Modules that commit nothing in tests, because most have no cursor to commit.
_COMMITTERS = (
    "odoo.addons.queue_job.worker.attempt",
    "odoo.addons.queue_job.settle.settlement",
    "odoo.addons.queue_job.sessions.transactions",
)


@dataclass
class Drained:
    """What `drain` has done.

    * ``done``, ``failed``, ``cancelled``: records of ``queue.job`` by their last state;
    * ``waiting``: those that did not come to an end (see the limits of `drain`);
    * ``attempts``: uuids in the order of running, one for each attempt;
    * ``elapsed``: how far the clock was moved.
    """

    done: Any
    failed: Any
    cancelled: Any
    waiting: Any
    attempts: list[str] = field(default_factory=list)
    elapsed: timedelta = timedelta()


def drain(
    env,
    *,
    ignore=None,
    follow_due_dates: bool = True,
    raise_failures: bool = False,
    limit: int = 1000,
    attempt: Callable[..., None] | None = None,
    clock: Clock | None = None,
) -> Drained:
    """Run the pending jobs, and those that become pending, until none is left.

    :param env: environment of a test case
    :param ignore: records of ``queue.job`` that shall not run
    :param follow_due_dates: False to leave jobs alone whose due date is in the future,
        retries included
    :param raise_failures: raise what the first failing job raises, after it is settled
    :param limit: attempts after which the jobs are held to run for ever
    :param attempt: runs an enqueued job, in place of a call in this thread; it gets the
        environment, the uuid and `raise_failures`
    :param clock: the present, which outlives the call; it is moved to due dates
    """
    ignored = tuple(ignore.ids) if ignore else ()
    attempts: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(_new_cursors_are_test_cursors(env))
        clock = clock or Clock(stack)
        began = clock.elapsed
        while (due := _next_job(env, ignored, clock.now())) is not None:
            uuid, moment = due
            if moment > clock.now() and not follow_due_dates:
                break
            if len(attempts) >= limit:
                raise AssertionError(f"Jobs still run after {limit} attempts: {uuid}")
            clock.move_to(moment)
            attempts.append(uuid)
            with _transaction(env) as runner_env:
                _mark_enqueued(runner_env, uuid)
            (attempt or _attempt)(env, uuid, raise_failures=raise_failures)
    return _summary(env, ignored, attempts, clock.elapsed - began)


def _next_job(env, ignored: tuple, now: datetime) -> tuple[str, datetime] | None:
    """Return the job to run next and when it may: a due one, or the first to be due."""
    env.flush_all()
    env.cr.execute(
        SQL(
            """
            SELECT uuid, GREATEST(COALESCE(eta, %(now)s), %(now)s) AS moment
              FROM queue_job
             WHERE state = 'pending' AND NOT id = ANY(%(ignored)s)
               AND NOT EXISTS (
                   SELECT FROM queue_job other
                    WHERE other.gate = queue_job.gate
                      AND other.channel = queue_job.channel
                      AND other.gate_limit = 0 AND other.id <> queue_job.id
                      AND (other.state = 'failed' OR other.state = 'pending'
                           AND (other.priority, other.date_created, other.id)
                             < (queue_job.priority, queue_job.date_created,
                                queue_job.id)))
             ORDER BY moment, priority, date_created, id
             LIMIT 1
            """,
            now=now,
            ignored=list(ignored),
        )
    )
    return env.cr.fetchone()


def _attempt(env, uuid: str, *, raise_failures: bool) -> None:
    """Run the job once, as a worker does."""
    with _transaction(env) as worker_env:
        job = RunJobController._acquire_job(worker_env, uuid)
        if job is None:
            raise AssertionError(f"Job {uuid} could not be started")
        try:
            RunJobController._runjob(worker_env, job)
        except Exception:
            # Settled and logged already.
            if raise_failures:
                raise


def _mark_enqueued(env, uuid: str) -> None:
    """Do the runner's part."""
    env.cr.execute(
        SQL(
            """
            UPDATE queue_job
               SET state = 'enqueued', scheduled = false, date_enqueued = %(now)s
             WHERE uuid = %(uuid)s
            """,
            now=datetime.now(),
            uuid=uuid,
        )
    )


@contextmanager
def _transaction(env) -> Iterator[Any]:
    with env.registry.cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})
    env.invalidate_all(flush=False)


@contextmanager
def _new_cursors_are_test_cursors(env) -> Iterator[None]:
    """Let all new cursors work inside the test's transaction, commits included."""
    test = odoo_module.current_test
    if not test or not hasattr(test, "enter_registry_test_mode"):
        raise AssertionError("drain() works in the methods of a TransactionCase only")
    with ExitStack() as stack:
        if not type(test)._registry_patched:
            stack.enter_context(test.enter_registry_test_mode())
        env.flush_all()
        for path in _COMMITTERS:
            # Its cursors can commit, so nothing need be spared.
            patch = mock.patch(f"{path}.config", {"test_enable": False})
            stack.enter_context(patch)
        yield


def _summary(env, ignored, attempts: list[str], elapsed: timedelta) -> Drained:
    env.invalidate_all()
    jobs = env["queue.job"].sudo().search([("id", "not in", list(ignored))])
    by_state = jobs.filtered(lambda job: job.uuid in attempts).grouped("state")
    nothing = jobs.browse()
    return Drained(
        done=by_state.get(DONE, nothing),
        failed=by_state.get(FAILED, nothing),
        cancelled=by_state.get(CANCELLED, nothing),
        waiting=jobs.filtered(lambda job: job.state not in FINAL),
        attempts=attempts,
        elapsed=elapsed,
    )
