# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A lease run: how a worker serves one request of the runner.

:class:`LeaseRun` starts the claimed job, attempts it, settles it, and goes on with the
next jobs of its channels until the lease's time is over, in batches where they are
short. In a sequential channel or sequence, the COMMIT of one starts the next: `line`.
Two connections are used, one after the other in time, never inside each other:

- the *control session* (autocommit, READ COMMITTED) claims, starts and returns jobs
  and releases the children of those that have ended: short statements of
  :mod:`..claim.claims`, which can't meet a serialization error;
- the *job's own transaction* (REPEATABLE READ, as everywhere in Odoo) runs the
  method and commits its work together with ``done``.

Why a job is done at most once, and by whom it may be settled:

1. ``started`` is written only with the last ``claim_token``, and so are done, failed
   and postponed: a worker that was overtaken finds no row, and its transaction, work
   included, is rolled back (:class:`~..exception.JobFenced`).
2. While the method runs, its session holds the liveness lock
   (:mod:`..sessions.job_session`). The lock ends with the session, however the worker
   dies, and then the runner recovers the job. Commits and rollbacks inside the job
   leave no gap.
3. No other session writes the row of a started job: REPEATABLE READ would make the job
   fail at its end. Others write a ``queue.job.signal`` instead.
"""

import logging
import math
import time
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, api

from ..claim.lease import Lease, LeaseRefused
from ..core import options
from ..core.retry import Cancel, Cause
from ..core.waits import SINCE, waited_seconds
from ..keys.rules import sequence_of
from ..sessions import prepared_statements
from ..sessions.job_cursor import Statement
from ..sessions.job_session import JobSession, hold_transaction
from ..sessions.lent_connections import lent
from ..settle.settlement import settle
from ..storage import caches
from . import attempt, shared_process, stale_registry
from .batch import Batch, batch_size
from .control_session import ControlSession
from .job_loading import give_up, load_whole
from .line import Line
from .process_state import ProcessState, work_for

_logger = logging.getLogger(__name__)

#: After so many jobs of one key that a lease has run, their marks are removed.
ADMIT_LIMIT = 50


class LeaseRun:
    """One lease, served by one worker.

    :param registry: the registry of the database, checked for changes
    :param control: claims, starts and releases
    :param lease: what the runner has granted
    :param runjob: ``(env, job)`` -> None; performs and settles one job, raises where
        the job failed
    """

    #: A job whose code this process doesn't have waits for one that has it.
    _may_wait = True

    def __init__(self, registry, control: ControlSession, lease: Lease, runjob):
        self.registry = registry
        self.control = control
        self.lease = lease
        self.runjob = runjob
        self.outcomes: list[dict] = []
        self._session = JobSession(registry, lease.id)
        work_for(SUPERUSER_ID, registry.db_name)
        self._batch = Batch(control, self._session)
        self._line = Line(control, self._session, lease)
        self._state = ProcessState()
        self._ended: list[int] = []  # ids of jobs whose children may be released
        self._keys_left: list[dict] = []  # rows with a key whose attempt is over
        self._prepared = None  # the cursor that has prepared statements
        self._lost = False
        self._began = time.monotonic()
        self._until = self._began + lease.seconds

    def run(self) -> dict:
        """Serve the lease.

        :return: the report for the runner
        :raise LeaseRefused: its claim was already used, so the request is a replay
        """
        try:
            self._serve()
        finally:
            try:
                self._close()
            finally:
                self._batch.give_back()
                self._line.give_back()
        seconds = time.monotonic() - self._began
        return {"lease": self.lease.id, "seconds": seconds, "outcomes": self.outcomes}

    def _close(self):
        try:
            self._session.close()
        except psycopg2.Error:
            _logger.debug("the session of a lease was lost", exc_info=True)

    def _serve(self) -> None:
        """Attempt the claimed job, then those that follow in its channels."""
        # before the start: without a session there is no attempt that could count
        self._session.open()
        values = self.control.start(self.lease.job_id, self.lease.claim_token)
        if values is None:
            self._refuse_replay()
            return
        self._attempt(values)
        self._release_children()
        while self._attempt_started() or (self._may_go_on() and self._attempt_next()):
            self._release_children()
        self._admit()
        self.control.notify_others([])

    def _refuse_replay(self):
        state, token = self.control.state_of(self.lease.job_id)
        if token == self.lease.claim_token and state not in ("pending", "cancelled"):
            raise LeaseRefused("its claim was already used")
        _logger.info(
            "job %s of lease %s is not there to be started any more",
            self.lease.job_id,
            self.lease.id,
        )

    # -- the next jobs -----------------------------------------------------------------

    def _may_go_on(self) -> bool:
        """Whether the lease may claim more jobs of its channels."""
        if self._starts_left() < 1 or not self.lease.channels:
            return False
        if not self._open_session():
            return False
        return time.monotonic() < self._until or self._prolong()

    def _starts_left(self) -> float:
        """How many more jobs the lease may start."""
        return (self.lease.starts or math.inf) - len(self.outcomes)

    def _prolong(self) -> bool:
        """Let the lease go on for as long again, if no other channel waits for it.

        That saves the runner and the worker a new request.
        """
        now = time.monotonic()
        self._until = now + self.lease.seconds
        return now < self._began + self.lease.longest and not self.control.others_wait(
            self.lease.channels, self.lease.issued
        )

    def _open_session(self) -> bool:
        """Open a session for another job; a job may have used up the last.

        One that was lost isn't replaced: the next may be lost as well.

        :return: whether there is one
        """
        if self._lost:
            return False
        try:
            self._session.open()
        except psycopg2.Error:
            _logger.debug("no session for the next job", exc_info=True)
            return False
        return True

    def _attempt_started(self) -> bool:
        """Attempt the job of the line that the last COMMIT has started.

        :return: False when there is none
        """
        if self._lost:  # it is given back when the lease ends
            return False
        values = self._line.take()
        if values is None:
            return False
        if len(self._keys_left) >= ADMIT_LIMIT:
            self._admit()
        self._prepare_statements()
        self._attempt(values)
        return True

    def _attempt_next(self) -> bool:
        """Attempt the next job of the channels, or the next batch of short ones.

        :return: False when there is none
        """
        if self._line.is_over and self.lease.in_order:
            return False
        values = None if self._line.is_over else self._start_next_of_key()
        if values is None:
            self._admit()
            size = min(batch_size(self.outcomes), self._starts_left())
            size = 1 if self.lease.in_order else size
            if size > 1:
                return self._attempt_batch(size)
            values = self._start_next()
        if values is None:
            return False
        self._attempt(values)
        return True

    def _start_next_of_key(self) -> dict | None:
        """Start the next job of the sequence in which the lease is, if it is next."""
        ended = None if self.lease.in_order else sequence_of(self._keys_left)
        if ended is None:
            return None
        self._prepare_statements()
        values = self.control.start_next_of_key(ended, self.lease.channels)
        if values is not None and len(self._keys_left) >= ADMIT_LIMIT:
            self._admit()
        return values

    def _start_next(self) -> dict | None:
        self._prepare_statements()
        if self.lease.in_order:
            last = self.outcomes[-1]["id"]
            return self.control.start_in_order(self.lease.channel, last)
        return self.control.start_next(self.lease.channels)

    def _attempt_batch(self, size: int) -> bool:
        if not self._batch.claim(self.lease.channels, size):
            return False
        self._prepare_statements()
        for values in self._batch.start_each():
            self._attempt(values)
            if self._lost:
                break
        self._batch.give_back()
        return True

    def _next_start(self, job, values: dict) -> list[Statement] | None:
        """What starts the next job along with the COMMIT of this one, None if nothing.

        A job that has changed caches first tells the others, see `_end_job`: the next
        one has to see what they have changed meanwhile.

        :param job: that is about to end
        :param values: its row
        """
        if self.registry.registry_invalidated or self.registry.cache_invalidated:
            return None
        if self._batch:
            return self._batch.next_start()
        if job.should_check_dependents() or not self._goes_on():
            return None
        return self._line.next_start(values, self._keys_left)

    def _goes_on(self) -> bool:
        """Whether the lease goes on for certain once the present job has ended."""
        return (
            bool(self.lease.channels)
            and self._starts_left() > 1
            and time.monotonic() < self._until
        )

    def _prepare_statements(self):
        """Prepare what each job executes; a lease of one job doesn't come here."""
        if self._prepared is self._session.cr or not self._open_session():
            return
        self._prepared = self._session.cr
        # asked in the control session: a statement on the job's cursor would begin its
        # next transaction, with a snapshot from before the start of the job
        control_cr = self.control.cr
        if prepared_statements.settle_down(control_cr, control_cr._cnx):
            prepared_statements.enable(control_cr)
            prepared_statements.enable(self._session.cr)

    def _release_children(self):
        """Release the jobs that have waited for those that have ended."""
        if self._ended:
            released = self.control.release_children(self._ended)
            caches.tell_released(self.registry, released)
            self._ended.clear()

    def _admit(self):
        """Admit the jobs that have waited for others of their key."""
        if self._keys_left:
            self.control.admit_after(self._keys_left)
            self._keys_left.clear()

    # -- one attempt -------------------------------------------------------------------

    def _attempt(self, values: dict) -> None:
        """Attempt one started job, and note its outcome."""
        began = time.monotonic()
        self._line.begin(values)
        state, function = self._perform(values)
        if values["gate"]:
            self._keys_left.append(values)
        self.outcomes.append(
            {
                "id": values["id"],
                "uuid": values["uuid"],
                "function": function,
                "channel": values["channel"],
                "company": values["company_id"],
                "state": state,
                "at": round(began - self._began, 6),
                "seconds": round(time.monotonic() - began, 6),
                "wait": waited_seconds(
                    values["date_started"], *(values[name] for name in SINCE)
                ),
            }
        )

    def _perform(self, values: dict) -> tuple[str, str]:
        """Perform and settle a started job.

        :return: its state by then, and the name of its function
        """
        self._follow_signals(values)
        caches.tell_started(self.registry, values["id"])
        env = self._new_env()
        env.cr._now = values["date_started"]
        job = self._load(env, values)
        if job is None:
            self._end_job()
            function = f"<{values['model_name']}>.{values['method_name']}"
            return values["state"], function
        env = job._env  # that of a registry which was loaded again, perhaps
        job.release_queue = self._ended
        self._session.start_next_by(partial(self._next_start, job, values))
        if reason := options.refusal(job):
            self._cancel_refused(env, job, reason)
        else:
            self._call(env, job)
        self._end_job()
        return job.state, job.job_function_name

    def _load(self, env, values: dict):
        """Load a started job, whose transaction shows life from here on.

        :return: the job; None if it can't be loaded, and has failed or waits
        """
        hold_transaction(env.cr, values["id"])
        try:
            return load_whole(env, values)
        except Exception as error:
            if self._renew_registry():
                return self._load_again(env.cr, values)
            values["state"] = give_up(
                env, self.control.cr, values, error, may_wait=self._may_wait
            )
            self._ended.append(values["id"])
            return None

    def _renew_registry(self) -> bool:
        """Load the registry anew, if modules were installed that it doesn't know.

        :return: whether it was
        """
        try:
            registry = stale_registry.renewed(self.registry, self.control.cr)
        except Exception:  # the started job fails then; it would be found dead
            _logger.exception("%s: can't load its registry", self.registry.db_name)
            return False
        if registry is None:
            return False
        self.registry = self._session.registry = registry
        return True

    def _load_again(self, cr, values: dict):
        cr.rollback()
        cr.transaction = None
        env = self._new_env()
        env.cr._now = values["date_started"]
        return self._load(env, values)

    def _follow_signals(self, values: dict) -> None:
        """Invalidate what others have changed; reload the registry if they did that.

        The signals are those of the moment of the start, before the snapshot of the
        job's transaction.
        """
        signals = values.pop("signals")
        if signals != known_signals(self.registry):
            self.registry = self.registry.check_signaling(self.control.cr)
            self._session.registry = self.registry
            if signals != known_signals(self.registry):  # not committed, or never
                self.control.exact = True

    def _call(self, env, job):
        try:
            with shared_process.waits(lent, self.control.cr):
                attempt.alone(self.runjob, env, job, self._state)
        except Exception:  # settled and logged; the next job doesn't depend on it
            _logger.debug("job %s failed", job.uuid, exc_info=True)

    def _cancel_refused(self, env, job, reason):
        env.cr.rollback()  # the settlement takes the liveness lock itself
        _logger.info("%s: job %s is cancelled: %s", env.cr.dbname, job.uuid, reason)
        settle(job, Cause.CANCEL, Cancel(reason))
        self._ended.append(job.id)

    def _new_env(self):
        work_for(SUPERUSER_ID, self.registry.db_name)
        return api.Environment(self._session.open(), SUPERUSER_ID, {})

    def _end_job(self):
        """End what a job left behind, and tell others which caches it has changed."""
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


def known_signals(registry) -> list[int]:
    """The numbers of the last signals of changed caches that this process knows."""
    return [registry.registry_sequence, *registry.cache_sequences.values()]
