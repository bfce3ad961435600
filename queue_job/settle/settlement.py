# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settle: what becomes of an attempt that did not end well.

:func:`..core.retry.decide` is the one place that decides about an attempt; here its
decision is written, in a transaction of its own, fenced like everything that is written
about a started job, with the attempt's line in the job's history.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from odoo.tools import config

from ..claim import claims
from ..core import errors
from ..core.retry import Cancel, Cause, Decision, Fail, Retry
from ..core.states import (
    CANCELLED,
    DONE,
    FAILED,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
)
from ..exception import JobFenced, JobInterrupted
from ..sessions import job_session, prepared_statements
from ..sessions.interrupts import Attempt
from ..sessions.transactions import Guard, undo, void_is_fenced
from ..storage import caches, repository, row_mapper
from .causes import tells_of_a_lost_session
from .end_notice import announce_end
from .last_resort import fail_at_last, text_of

_logger = logging.getLogger(__name__)

#: What the history calls an attempt that ended for some cause.
ATTEMPT_OF = {
    Cause.RETRYABLE: "postponed",
    Cause.CONFLICT: "conflict",
    Cause.EXCEPTION: "failed",
    Cause.DEAD: "dead",
    Cause.TIMEOUT: "timeout",
    Cause.CANCEL: "cancelled",
}

RECORD_ATTEMPT = f"""
INSERT INTO queue_job_attempt
       (job_id, number, date_start, date_end, worker_host, worker_pid, outcome,
        exc_name, message)
VALUES (%(job_id)s, %(number)s, %(date_start)s, {claims.UTC_NOW}, %(host)s, %(pid)s,
        %(outcome)s, %(exc_name)s, %(message)s)
"""


#: Why a job fails whose row is not as its worker left it, without another worker.
OWN_ROW_CHANGED = (
    "The job has changed the state of its own row in queue_job, or deleted it. Only its"
    " worker may do so: raise an exception to end the job, and use with_delay() or"
    " RetryableJobError to have it run again."
)


class DatabaseLost(Exception):
    """The end of an attempt can't be written, since the database can't be reached."""


#: Seconds before a settlement is tried again, at most; it doubles each time.
FIRST_PAUSE = 0.2

#: How often a settlement is tried that met a conflict or lost its session.
SETTLE_TRIES = 4

#: decision -> the states in which it leaves a job.
STATES_AFTER = {
    Fail: (FAILED,),
    Cancel: (CANCELLED,),
    Retry: (PENDING, WAIT_DEPENDENCIES),
}

TAKE_ROW = (
    f"SELECT {row_mapper.select_list()} FROM queue_job WHERE id = %s FOR NO KEY UPDATE"
)
STATE_OF = "SELECT state, claim_token FROM queue_job WHERE id = %s"


def signal_of(cr, job) -> tuple[Cause, str] | None:
    """What a signal told the job while it ran.

    :param cr: a cursor that sees what was committed by now
    :param job: the started job
    :return: (cause, message), None without a signal
    """
    if job.claim_token is None:
        return None
    cr.execute(claims.READ_SIGNAL, {"id": job.id, "token": job.claim_token})
    row = cr.fetchone()
    if row is None:
        return None
    return Cause(row[0]), wording(*row)


def wording(kind: str, message: str | None, login: str | None) -> str:
    """What a signal tells the job.

    :param kind: of the signal
    :param message: that came with it
    :param login: of the user who has sent it
    """
    if kind == "cancel" and not message and login:
        return f"Cancelled by {login} while it was running"
    return message or ""


def record_attempt(job, name: str, exc_name=None, message=None) -> None:
    """Write an attempt that did not end in done into the job's history.

    :param job: the job
    :param name: what the history calls it, see `ATTEMPT_OF`
    :param exc_name: class of its error
    :param message: of its error, or why it was postponed
    """
    if not job.id:
        return
    values = row_mapper.attempt_values(job, name, exc_name, message)
    if not job_session.send_later(job.env.cr, RECORD_ATTEMPT, values):
        prepared_statements.execute(job.env.cr, RECORD_ATTEMPT, values)
    caches.written(job.env, [job.id], ["attempt_ids"])


def settle(
    job,
    cause: Cause,
    decision: Decision,
    failure: dict | None = None,
    *,
    began_as: str = STARTED,
) -> Decision | None:
    """Write what becomes of an attempt that did not end well, in a transaction of
    its own.

    Nothing is concluded from what the job's object went through. The first try uses the
    session of the attempt, where that is clean, and the row as the worker has started
    it; any error there, and later a conflict or a lost session, is met by another try,
    which reads the row anew. What can't be written as it should be is written by plain
    SQL, as a failure that names both errors.

    :param job: the job of the attempt
    :param cause: why the attempt ended
    :param decision: a decision of :func:`..core.retry.decide`
    :param failure: exc_info, exc_name and exc_message, for a failure
    :param began_as: the state in which the attempt found the row
    :return: the decision that was carried out; None if the attempt had been committed
    :raise JobFenced: the job was given to another worker meanwhile
    :raise DatabaseLost: the database can't be reached, so that nothing can be written
    """
    left_as: tuple[str, ...] = ()
    try:
        if _may_settle_here(job, decision, began_as):
            _settle_here(job, cause, decision, failure)
            return decision
    except JobFenced as error:
        _logger.debug("%s; another session looks at its row", error)
    except BaseException as error:
        kind = type(error).__name__
        _logger.debug("job %s: %s, another session settles it", job.uuid, kind)
        left_as = STATES_AFTER[type(decision)]  # if only the answer was lost
    return _settle_elsewhere(job, cause, decision, failure, began_as, left_as)


def _settle_elsewhere(
    job, cause, decision, failure, began_as, left_as
) -> Decision | None:
    """Settle in another session than that of the attempt, or at last by plain SQL.

    :param left_as: states in which the job was left if an earlier try went well
    """
    problem: BaseException = RuntimeError("it was undone again and again")
    for number in range(SETTLE_TRIES):
        try:
            with _settlement(job) as guard:
                state = _take_row(job, began_as, left_as)
                if state != began_as:
                    return None if state == DONE else decision
                _write(job, cause, decision, failure)
                if number == 0 and isinstance(decision, Fail):
                    _call_on_fail(job, failure, guard)
            if number or _is_settled(job, began_as):
                return decision
        except JobFenced:
            raise
        except BaseException as error:
            problem = error
            if not _may_pass(error):
                break
            time.sleep(random.uniform(0, FIRST_PAUSE * 2**number))
    if tells_of_a_lost_session(problem):
        raise DatabaseLost(text_of(problem)) from problem
    failure = failure or failure_of(decision) or {}
    return fail_at_last(job, decision, failure, began_as, problem)


def _may_pass(error: BaseException) -> bool:
    """Whether another try may go well."""
    if isinstance(error, psycopg2.Error):
        return error.pgcode in errors.CONFLICT_PGCODES or tells_of_a_lost_session(error)
    return isinstance(error, JobInterrupted)


def _may_settle_here(job, decision, began_as: str) -> bool:
    """Whether the session of the attempt may write its end; not where a method of the
    job, `on_fail`, is called on the way."""
    if isinstance(decision, Fail) and job.on_fail_method_name:
        return False
    row = job.loaded_row
    return (
        bool(row and job.claim_token)
        and (row["state"], row["claim_token"]) == (began_as, job.claim_token)
        and not config["test_enable"]
        and job_session.may_settle(job.env.cr)
    )


def _settle_here(job, cause, decision, failure) -> None:
    """Settle in the session of the attempt, without reading the row.

    Nobody but the worker writes the row of a started job, so it is as it was at the
    start, and no more than what the decision changes is written. If the method has
    changed the state of its row, or another worker has it, the statement that writes it
    finds no row, which is an error of its message: nothing else of it stands, and the
    next try reads the row.

    :raise JobFenced: the row is not as it was
    """
    retry = job.retry
    row_mapper.from_row(job, job.loaded_row)
    job.retry = retry
    with _own_session(job, goes_with_commit=isinstance(decision, Retry)):
        _write(job, cause, decision, failure, careful=False)


@contextmanager
def _own_session(job, *, goes_with_commit: bool) -> Iterator[None]:
    """A transaction in the session of the attempt, committed at the end by a message
    that starts the next job as well.

    :param goes_with_commit: so does the statement that writes the row: nothing follows
        that has to see it written
    """
    cr = job.env.cr
    with Guard(cr, job, fenced=False) as guard, void_is_fenced(job):
        try:
            job_session.begin_settlement(cr, goes_with_commit=goes_with_commit)
            yield
            guard.commit_work()
        except BaseException:
            undo(job.env, job)
            raise


@contextmanager
def _settlement(job) -> Iterator[Guard | None]:
    """A transaction of its own, committed at the end; what hooks raise after that is
    logged. There is no guard in tests."""
    with job.in_temporary_env():
        if config["test_enable"]:
            yield None
            return
        cr, lock = job.env.cr, claims.HOLD_SETTLEMENT
        with Guard(cr, job, fenced=False, lock=lock) as guard:
            job_session.hold_transaction(cr, job.id, lock)
            yield guard
            guard.commit_work()


def _take_row(job, began_as: str, left_as: tuple[str, ...] = ()) -> str:
    """Lock the row and fill the job with it, but for the count of its attempts.

    :param left_as: states in which an earlier try may have left it
    :return: its state: that in which the attempt began; done, if the attempt was
        committed after all; or one of `left_as`
    :raise JobFenced: the row belongs to another attempt, or to none
    """
    if job.id is None:
        return began_as
    cr = job.env.cr
    caches.flush(job.env["queue.job"].browse(job.id))
    prepared_statements.execute(cr, TAKE_ROW, [job.id])
    found = cr.fetchone()
    row = found and dict(zip(row_mapper.LOAD_COLUMNS, found, strict=True))
    if row is None or row["claim_token"] != job.claim_token:
        raise JobFenced(f"Job {job.uuid} was given to another worker, or deleted")
    if row["state"] == DONE != began_as:
        row_mapper.from_row(job, row)
        _logger.warning(
            "%s: job %s: its work was committed before the error", cr.dbname, job.uuid
        )
        return DONE
    if row["state"] not in (began_as, *left_as):
        raise JobFenced(f"Job {job.uuid} was set to {row['state']} meanwhile")
    retry = job.retry
    row_mapper.from_row(job, row)
    job.retry = retry
    return job.state


def _write(job, cause, decision, failure, *, careful: bool = True) -> None:
    if isinstance(decision, Retry):
        _settle_retry(job, cause, decision)
    elif isinstance(decision, Cancel):
        _settle_cancel(job, decision, failure)
    else:
        _settle_failure(job, cause, failure, careful)


def _is_settled(job, began_as: str) -> bool:
    """Whether the settlement stands: `on_fail` may have rolled it back."""
    if config["test_enable"] or not job.on_fail_method_name:
        return True
    with job.in_temporary_env():
        job.env.cr.execute(STATE_OF, [job.id])
        found = job.env.cr.fetchone()
        return found != (began_as, job.claim_token)


def _settle_retry(job, cause, decision):
    record_attempt(job, ATTEMPT_OF[cause], message=decision.message)
    if cause is Cause.DEAD:
        job.eta = None
    else:
        job.postpone(result=decision.message, seconds=decision.seconds)
    job.set_pending(reset_retry=False)
    if job.eta and not job.gate:
        job_session.notify_of_due(job.env.cr, job.eta)
    job.store()


def _settle_cancel(job, decision, failure):
    record_attempt(job, "cancelled", message=decision.message)
    if failure:
        job.exc_info = failure.get("exc_info")
    job.set_cancelled(result=decision.message)
    job.store()
    job.cancel_dependent_jobs()
    announce_end(job)


def _settle_failure(job, cause, failure, careful):
    record_attempt(
        job, ATTEMPT_OF[cause], failure.get("exc_name"), failure.get("exc_message")
    )
    job.set_failed(**failure)
    if careful:
        _tell_failure(job)
    else:
        _store_failure(job)


def _call_on_fail(job, failure, guard: Guard | None) -> None:
    """Call the method that the job function names, in the settlement's transaction.

    It may commit: the failure is written by then. Whatever else it does, the job stays
    failed: if it rolled that back, it is written again.
    """
    if not job.on_fail_method_name:
        return
    savepoint = job.env.cr.savepoint()
    try:
        with Attempt(job, job.env.cr):
            job.on_fail(failure)
            job.env.flush_all()
    except BaseException:
        _logger.exception("on_fail of job %s raised an error", job.uuid)
        failed = True
    else:
        failed = False
    if guard is None or not guard.was_ended:  # the savepoint is still there
        savepoint.close(rollback=failed)


def _tell_failure(job):
    """Store the failure, with all that other addons and the followers make of it;
    if that breaks, without."""
    try:
        with job.env.cr.savepoint():
            _store_failure(job)
    except (JobFenced, psycopg2.OperationalError, JobInterrupted):
        raise
    except BaseException:
        # a job that is neither failed nor done would be found dead and run again
        _logger.exception("the failure of job %s could not be told", job.uuid)
        repository.store_bare(job)


def _store_failure(job):
    job.store()
    announce_end(job)
    job.env.flush_all()


def failure_of(decision) -> dict | None:
    """The failure values of a decision that wasn't made from an exception.

    :param decision: of :func:`..core.retry.decide`
    :return: exc_info, exc_name and exc_message; None if it is no failure
    """
    if not isinstance(decision, Fail):
        return None
    return {
        "exc_info": decision.exc_message,
        "exc_name": decision.exc_name,
        "exc_message": decision.exc_message,
    }
