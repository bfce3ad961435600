# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settle: what becomes of an attempt that did not end well.

The cause of the end is judged by :func:`.retry.decide`, the one place that decides;
here its decision is written, in a transaction of its own, fenced like everything that
is written about a started job, with the attempt's line in the job's history.
"""

import logging

import psycopg2

from . import claims, events, outcome, repository, rows
from .announce import announce_end
from .exception import JobFenced
from .retry import Cancel, Cause, Fail, Retry, decide
from .transactions import hold_liveness

_logger = logging.getLogger(__name__)

#: Sessions that PostgreSQL has ended (admin shutdown, crash shutdown) or lost.
LOST_SESSION_PGCODES = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006"})

QUERY_CANCELED = "57014"

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


def cause_of(exc: Exception) -> Cause:
    """Why an attempt did not end well."""
    kind = type(exc)  # isinstance would ask `exc.__class__`, which may raise
    if issubclass(kind, psycopg2.Error):
        if exc.pgcode in LOST_SESSION_PGCODES or (
            exc.pgcode is None
            and issubclass(kind, psycopg2.OperationalError | psycopg2.InterfaceError)
        ):
            return Cause.DEAD
        if exc.pgcode == QUERY_CANCELED and "user request" in str(exc):
            return Cause.CONFLICT  # meant for the job that had this session before
        return outcome.classify(exc, exc.pgcode)
    return outcome.classify(exc)


def was_interrupted(exc: Exception) -> bool:
    """Whether PostgreSQL, or the loss of its session, raised the error."""
    seen = []  # an error may be its own cause
    while exc is not None and not any(exc is other for other in seen):
        kind = type(exc)
        if issubclass(kind, psycopg2.errors.QueryCanceled | psycopg2.InterfaceError):
            return True
        seen.append(exc)
        exc = exc.__context__ if exc.__cause__ is None else exc.__cause__
    return False


def signal_of(cr, job) -> tuple[Cause, str] | None:
    """What was said to the job while it ran: (cause, message)."""
    if job.claim_token is None:
        return None
    cr.execute(claims.READ_SIGNAL, {"id": job.id, "token": job.claim_token})
    row = cr.fetchone()
    if row is None:
        return None
    kind, message, login = row
    if kind == "cancel" and not message and login:
        message = f"Cancelled by {login} while it was running"
    return Cause(kind), message or ""


def record_attempt(job, name: str, exc_name=None, message=None) -> None:
    """Write an attempt that did not end in done into the job's history."""
    if not job.id:
        return
    values = rows.attempt_values(job, name, exc_name, message)
    job.env.cr.execute(RECORD_ATTEMPT, values)


def settle(job, cause: Cause, decision, failure: dict | None = None) -> None:
    """Write what becomes of an attempt that did not end well, in a transaction of
    its own.

    :param cause: why the attempt ended
    :param decision: a decision of :func:`.retry.decide`
    :param failure: exc_info, exc_name and exc_message, for a failure
    :raise JobFenced: the job was given to another worker meanwhile
    """
    with job.in_temporary_env():
        hold_liveness(job.env.cr, job.id)
        if isinstance(decision, Retry):
            _settle_retry(job, cause, decision)
        elif isinstance(decision, Cancel):
            _settle_cancel(job, decision)
        else:
            _settle_failure(job, cause, failure)


def _settle_retry(job, cause, decision):
    record_attempt(job, ATTEMPT_OF[cause], message=decision.message)
    if cause is Cause.DEAD:
        job.eta = None
    else:
        job.postpone(result=decision.message, seconds=decision.seconds)
    job.set_pending(reset_retry=False)
    job.store()


def _settle_cancel(job, decision):
    record_attempt(job, "cancelled", message=decision.message)
    job.set_cancelled(result=decision.message)
    job.store()
    job.cancel_dependent_jobs()
    announce_end(job)


def _settle_failure(job, cause, failure):
    record_attempt(
        job, ATTEMPT_OF[cause], failure.get("exc_name"), failure.get("exc_message")
    )
    job.set_failed(**failure)
    _tell_failure(job)
    try:
        with job.env.cr.savepoint():
            job.on_fail(failure)
    except Exception:
        # the job is failed all the same: if this undid it, it would run again
        _logger.exception("on_fail of job %s raised an error", job.uuid)


def _tell_failure(job):
    """Store the failure, with all that other addons and the followers make of it;
    if that breaks, without."""
    try:
        with job.env.cr.savepoint():
            job.store()
            announce_end(job)
            job.env.flush_all()
    except (JobFenced, psycopg2.OperationalError):
        raise
    except Exception:
        # a job that is neither failed nor done would be found dead and run again
        _logger.exception("the failure of job %s could not be told", job.uuid)
        repository.store_bare(job)


def bury(job, cause: Cause) -> None:
    """Write the end of a job that died in other hands.

    :param cause: dead, timeout or cancel
    """
    said = signal_of(job.env.cr, job)
    job.retry += 1
    if cause is Cause.DEAD:
        events.tell_now(events.DEAD, job)
    decision = decide(
        cause,
        job.retry,
        job.max_retries,
        message=said[1] if said else "",
        limit_seconds=job.timeout or None,
    )
    settle(job, cause, decision, failure_of(decision))


def failure_of(decision) -> dict | None:
    """The failure values of a decision that wasn't made from an exception."""
    if not isinstance(decision, Fail):
        return None
    return {
        "exc_info": decision.exc_message,
        "exc_name": decision.exc_name,
        "exc_message": decision.exc_message,
    }
