# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Execute and settle: what a worker does with a job.

``run_lease`` serves one request of the runner: it starts the claimed job, runs it,
settles it, and goes on with the next jobs of its channels until the lease's time is
over. Two connections are used, one after the other in time, never inside each other:

- the *book* (autocommit, READ COMMITTED) claims, starts and returns jobs and
  releases the children of those that are over: short statements of
  :mod:`.claims`, that can't meet a serialization error;
- the *job's own transaction* (REPEATABLE READ, as everywhere in Odoo) runs the
  method and commits its work together with ``done``.

Why a job is done at most once, and by whom it may be settled:

1. ``started`` is written only by whoever holds the last ``claim_token``, and so are
   done, failed and postponed: a worker that was overtaken finds no row, and its
   transaction, work included, is rolled back (:class:`~.exception.JobFenced`).
2. While the method runs, its session holds the liveness lock (:mod:`.session`). The
   lock ends with the session, however the worker dies, and then the runner takes the
   job up again. Commits and rollbacks inside the job leave no gap.
3. Nobody else writes the row of a started job: REPEATABLE READ would make the job
   fail at its end. Whoever has something to say writes a ``queue.job.signal``.
"""

import logging
import time
from collections import deque

import psycopg2

from odoo import SUPERUSER_ID, api

from ..claim.lease import BURY, Lease, LeaseRefused
from ..core.retry import Cancel, Cause
from ..sessions import prepared_statements
from ..sessions.job_session import JobSession, hold_transaction
from ..sessions.transactions import autocommit
from ..settle.settlement import bury, settle
from ..storage import caches, row_mapper
from . import active_leases, attempt
from .control_session import Book, read_started
from .job_loading import fail_unloadable, has_expired, load_whole
from .process_state import ProcessState, work_for

_logger = logging.getLogger(__name__)

#: A lease claims the next jobs by the handful: as many as are likely to run in this
#: time, in seconds, and not more than the number below. The jobs of a handful are
#: taken from the other workers, so it is short.
HANDFUL_SECONDS = 0.05
HANDFUL_LIMIT = 50


class LeaseRun:
    """One lease, served by one worker.

    :param registry: the registry of the database, checked for changes
    :param book: its :class:`~.book.Book`
    :param lease: what the runner has granted
    :param runjob: ``(env, job)`` -> None; performs and settles one job, raises where
        the job failed
    """

    def __init__(self, registry, book, lease: Lease, runjob):
        self.registry = registry
        self.book = book
        self.lease = lease
        self.runjob = runjob
        self.outcomes: list[dict] = []
        self._session = JobSession(registry, lease.id)
        work_for(SUPERUSER_ID, registry.db_name)
        self._state = ProcessState()
        self._todo: deque[tuple[int, int]] = deque()
        self._over: list[int] = []
        self._left: list[dict] = []  # rows with a key whose attempt is over
        self._patience = 0.0  # until when claimed jobs are started here
        self._prepared = None  # the cursor for which that was done
        self._lost = False
        self._began = time.monotonic()
        self._until = self._began + lease.seconds

    def run(self) -> dict:
        """Serve the lease and return the report for the runner.

        :raise LeaseRefused: its claim was already used, so the request is a replay
        """
        try:
            if self.lease.kind == BURY:
                self._bury()
            else:
                self._run_jobs()
        finally:
            try:
                self._close()
            finally:
                self._give_back()
        return {"lease": self.lease.id, "outcomes": self.outcomes}

    def _close(self):
        try:
            self._session.close()
        except psycopg2.Error:
            _logger.debug("the session of a lease was lost", exc_info=True)

    def _run_jobs(self):
        # before the start: without a session there is no attempt that could count
        self._session.open()
        values = self.book.start(self.lease.job_id, self.lease.claim_token)
        if values is None:
            self._refuse_replay()
            return
        self._run(values)
        while self._goes_on() and self._run_next():
            pass
        self._release()
        self.book.ring_for_others([])

    def _goes_on(self) -> bool:
        """Whether the lease may take more jobs of its channels.

        When its time is over it goes on for as long again, if it keeps no other channel
        waiting: that saves the runner and the worker a new request.
        """
        self._release()
        if self.lease.exclusive or not self.lease.channels:
            return False
        if not self._has_session():
            return False
        now = time.monotonic()
        if now < self._until:
            return True
        self._until = now + self.lease.seconds
        return now < self._began + self.lease.longest and not self.book.others_wait(
            self.lease.channels, self.lease.issued
        )

    def _run_next(self) -> bool:
        """Run the next job of the channels, or the next handful of short ones.

        :return: False when there is none
        """
        size = self._handful()
        if size > 1:
            return self._run_handful(size)
        self._prepare()
        values = self.book.start_next(self.lease.channels)
        if values is None:
            return False
        self._run(values)
        return True

    def _run_handful(self, size: int) -> bool:
        self._todo.extend(self.book.top_up(self.lease.channels, size))
        if not self._todo:
            return False
        self._prepare()
        self._patience = time.monotonic() + 2 * HANDFUL_SECONDS
        while self._todo and (self._session.has_started or self._is_patient()):
            values = self._start_claimed()
            if values is not None:
                self._run(values)
        self._give_back()
        return True

    def _is_patient(self) -> bool:
        """Whether the next of the claimed jobs is to be started here."""
        return time.monotonic() < self._patience

    def _start_claimed(self) -> dict | None:
        """Start the next claimed job, unless the COMMIT of the one before has."""
        claimed = self._todo.popleft()
        if not self._session.has_started:
            return self.book.start(*claimed)
        rows_started = self._session.take_started()
        return read_started(rows_started[0]) if rows_started else None

    def _next_start(self) -> tuple[str, list] | None:
        """What starts the next claimed job along with the COMMIT of the present one."""
        if not self._todo or not self._is_patient():
            return None
        return self.book.start_statement(*self._todo[0])

    def _has_session(self) -> bool:
        """Whether there is a session for another job; a job may have used up the last.

        One that was lost isn't replaced: the next may be lost as well.
        """
        if self._lost:
            return False
        try:
            self._session.open()
        except psycopg2.Error:
            _logger.debug("no session for the next job", exc_info=True)
            return False
        return True

    def _prepare(self):
        """Have what each job needs prepared; a lease of one job doesn't come here."""
        if self._prepared is self._session.cr or not self._has_session():
            return
        self._prepared = self._session.cr
        # asked of the book: a statement on the job's cursor would begin its next
        # transaction, with a snapshot from before the start of the job
        if prepared_statements.settle_down(self.book.cr, self.book.cr._cnx):
            prepared_statements.enable(self.book.cr)
            prepared_statements.enable(self._session.cr)

    def _handful(self) -> int:
        last = self.outcomes[-10:]
        mean = sum(entry["seconds"] for entry in last) / len(last)
        return max(1, min(HANDFUL_LIMIT, int(HANDFUL_SECONDS / max(mean, 1e-4))))

    def _refuse_replay(self):
        state, token = self.book.state_of(self.lease.job_id)
        if token == self.lease.claim_token and state not in ("pending", "cancelled"):
            raise LeaseRefused("its claim was already used")
        _logger.info(
            "job %s of lease %s is not there to be started any more",
            self.lease.job_id,
            self.lease.id,
        )

    def _give_back(self):
        if self._todo:
            self.book.return_unstarted()
            self._todo.clear()

    def _release(self):
        if self._over:
            released = self.book.release_children(self._over)
            caches.tell_released(self.registry, released)
            self._over.clear()
        if self._left:
            self.book.admit_after(self._left)
            self._left.clear()

    # -- one job ---------------------------------------------------------------------

    def _run(self, values: dict) -> None:
        began = time.monotonic()
        state, function = self._run_started(values)
        if values["gate"]:
            self._left.append(values)
        self.outcomes.append(
            {
                "id": values["id"],
                "uuid": values["uuid"],
                "function": function,
                "channel": values["channel"],
                "state": state,
                "seconds": round(time.monotonic() - began, 6),
                "wait": waited_seconds(values),
            }
        )

    def _run_started(self, values: dict) -> tuple[str, str]:
        self._hear_signals(values)
        caches.tell_started(self.registry, values["id"])
        env = self._new_env()
        env.cr._now = values["date_started"]
        hold_transaction(env.cr, values["id"])
        try:
            job = load_whole(env, values)
        except Exception as error:
            fail_unloadable(env, self.book.cr, values, error)
            self._over.append(values["id"])
            self._end_job()
            return "failed", f"<{values['model_name']}>.{values['method_name']}"
        job.release_queue = self._over
        if has_expired(job):
            self._cancel_expired(env, job)
        else:
            self._perform(env, job)
        self._end_job()
        return job.state, job.job_function_name

    def _hear_signals(self, values: dict) -> None:
        """Invalidate what others have changed; reload the registry if they did that.

        The signals are those of the moment of the start, before the snapshot of the
        job's transaction.
        """
        signals = values.pop("signals")
        if signals != known_signals(self.registry):
            self.registry = self.registry.check_signaling(self.book.cr)
            self._session.registry = self.registry
            if signals != known_signals(self.registry):  # not committed, or never
                self.book.exact = True

    def _perform(self, env, job):
        self._session.start_next_by(self._next_start)
        try:
            attempt.alone(self.runjob, env, job, self._state)
        except Exception:  # settled and logged; the next job doesn't care
            _logger.debug("job %s failed", job.uuid, exc_info=True)

    def _cancel_expired(self, env, job):
        env.cr.rollback()  # the settlement takes the liveness lock itself
        _logger.info("job %s has expired, it is cancelled", job.uuid)
        message = env._(
            "Expired: it was not to be started after %s", job.options["expires"]
        )
        settle(job, Cause.CANCEL, Cancel(message))
        self._over.append(job.id)

    def _new_env(self):
        work_for(SUPERUSER_ID, self.registry.db_name)
        return api.Environment(self._session.open(), SUPERUSER_ID, {})

    def _end_job(self):
        """Whatever a job left behind ends here, and its cache news are told."""
        try:
            self._session.end_job()
        except psycopg2.Error:
            _logger.debug("the session of the job is gone", exc_info=True)
            self._lost = True
        try:
            self.registry.signal_changes()
        except psycopg2.Error:
            _logger.warning(
                "%s: other processes were not told of changed caches",
                self.registry.db_name,
                exc_info=True,
            )

    def _bury(self):
        """Settle a job whose worker is gone, by the same path as any failure."""
        env = self._new_env()
        columns = row_mapper.select_list()
        env.cr.execute(
            f"SELECT {columns} FROM queue_job"  # pylint: disable=sql-injection
            " WHERE id = %s AND claim_token = %s AND state = 'started'",
            (self.lease.job_id, self.lease.claim_token),
        )
        row = env.cr.fetchone()
        if row is None:
            raise LeaseRefused("its claim was already used")
        values = dict(zip(row_mapper.LOAD_COLUMNS, row, strict=True))
        if values["gate"]:
            self._left.append(values)
        hold_transaction(env.cr, values["id"])
        try:
            job = load_whole(env, values)
        except Exception as error:
            fail_unloadable(env, self.book.cr, values, error)
            self._over.append(values["id"])
            return
        env.cr.commit()  # the settlement needs a snapshot of its own
        bury(job, Cause(self.lease.cause))
        self._over.append(job.id)
        self._release()
        self.book.ring_for_others([])


def waited_seconds(values: dict) -> float:
    """Seconds between being due and being started."""
    due = max(filter(None, (values["date_created"], values["eta"])), default=None)
    if due is None:
        return 0.0
    return max(0.0, (values["date_started"] - due).total_seconds())


def known_signals(registry) -> list[int]:
    """The numbers of the last signals that this process knows of."""
    return [registry.registry_sequence, *registry.cache_sequences.values()]


def serve(env, lease: Lease, runjob) -> dict:
    """Serve a lease in the worker that received it.

    :param env: environment of the request; its cursor becomes the book
    :return: the report for the runner
    :raise LeaseRefused: the request is a replay
    """
    with active_leases.served(), autocommit(env.cr) as cr:
        book = Book(cr, lease.id, lease.runner)
        return LeaseRun(env.registry, book, lease, runjob).run()
