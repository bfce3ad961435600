# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One attempt of a job: perform, and settle whatever comes of it.

Whatever a method does wrong ends here: each exception, of whatever class, and each
error of the commit is judged once and written down. After COMMIT there is nothing left
to judge. The steps are class methods of `RunJobController`, which other addons override
and patch; they are called through that class.
"""

from __future__ import annotations

import contextvars
import logging
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import psycopg2

from odoo import http
from odoo.sql_db import Cursor
from odoo.tools import config

from ..core import events
from ..core.errors import (
    exception_message,
    exception_name,
    exception_text,
    exception_traceback,
    exception_wish,
)
from ..core.retry import Cause, Fail, Retry, decide
from ..exception import FailedJobError, JobFenced, JobInterrupted
from ..progress import reporting
from ..sessions import interrupts, job_session, transactions
from ..settle import causes, settlement
from ..settle.end_notice import announce_end
from ..settle.retry_on import delay_after, is_one_of
from . import shared_process
from .process_state import ProcessState, work_for

if TYPE_CHECKING:
    from ..job import Job

#: The name by which other addons know it and mute it.
_logger = logging.getLogger("odoo.addons.queue_job.controllers.main")

#: Causes that a signal may describe, which then counts.
INTERRUPTIONS = (Cause.CANCEL, Cause.TIMEOUT, Cause.DEAD)


def run_enqueued(controller, env, job_uuid: str) -> Job | None:
    """Start one enqueued job and attempt it, on the cursor of an environment.

    :param controller: `RunJobController`, whose methods are the steps
    :param env: environment of the superuser
    :param job_uuid: uuid of the job
    :return: the job, None if it is not there to be run
    :raise Exception: what made the job fail
    """
    work_for(env.uid, env.cr.dbname)
    with job_session.session_of_one(env.cr, job_uuid):
        job = controller._acquire_job(env, job_uuid)
        if job is None:
            return None
        try:
            alone(controller._runjob, env, job, ProcessState())
        except psycopg2.Error as error:  # Odoo would repeat the request
            text = exception_text(error)
            raise FailedJobError(f"{exception_name(error)}: {text}") from error
    return job


def alone(function, env, job, state) -> None:
    """Run an attempt as if it had its process to itself.

    :param function: `RunJobController._runjob`
    :param env: in whose transaction it works
    :param job: the started job
    :param state: the :class:`~.process_state.ProcessState` to come back to
    :raise Exception: what the function raises
    """
    request = http.borrow_request() if http.request else nullcontext()
    who = f"{env.cr.dbname}: job {job.uuid}"
    try:
        with request, shared_process.watched(who):
            contextvars.copy_context().run(function, env, job)
    finally:
        state.restore(who)


def run(controller, env, job) -> None:
    """Perform and settle one attempt.

    :param controller: the class whose methods are the steps
    :param env: in whose transaction it works
    :param job: the started job
    :raise Exception: what made the job fail, once that is settled
    """
    began_as, pid = job.state, os.getpid()
    try:
        with interrupts.Attempt(job, env.cr):
            controller._try_perform_job(env, job)
    except BaseException as exc:
        transactions.end_fork(pid)
        if _settle_error(controller, env, job, exc, began_as):
            if issubclass(type(exc), Exception):
                raise
            text = f"{exception_name(exc)}: {exception_text(exc)}"
            raise FailedJobError(text) from exc
        return
    controller._enqueue_dependent_jobs(env, job)


def perform(env, job) -> None:
    """Perform the job; its work and ``done`` are one commit.

    :param env: in whose transaction it works
    :param job: the started job, loaded in that environment
    :raise RuntimeError: it was loaded with another cursor
    :raise JobFenced: it was given to another worker
    :raise BaseException: what the job's method raises
    """
    if env.cr is not job.env.cr:
        raise RuntimeError(f"Job {job.uuid} was loaded with another cursor")
    events.tell_now(events.STARTED, job)
    guard = transactions.Guard(
        env.cr, job, forbid_commit=bool(job.job_config.forbid_commit)
    )
    with guard:
        with transactions.undone_on_error(env.cr), reporting.running(job):
            job.perform()
            guard.end_fork()
            job_session.flush_last(env)
        job.set_done()
        job_session.defer_last(env.cr)
        job.store()
        announce_end(job)
        if config["test_enable"]:
            env.flush_all()
        else:
            guard.commit_work()
    _logger.debug("job %s done", job.uuid)


def _settle_error(controller, env, job, exc, began_as: str) -> bool:
    """Write what an exception means for the job.

    :return: whether the job failed
    """
    lost = session_is_lost(env.cr, exc)
    transactions.undo(env, job)
    cause, decision = _judge(job, exc, lost=lost)
    failure = None
    if isinstance(decision, Fail):
        trace = exception_traceback(exc)
        _logger.error("%s: job %s failed\n%s", env.cr.dbname, job.uuid, trace)
        failure = _failure_values(controller, job, trace, exc)
        if cause is not Cause.EXCEPTION:
            failure["exc_name"] = decision.exc_name
            failure["exc_message"] = decision.exc_message
    else:
        _logger.info("job %s: %s: %s", job.uuid, cause.value, decision.message)
        if issubclass(type(exc), JobInterrupted):
            failure = {"exc_info": exception_traceback(exc)}  # where the code was
    try:
        decision = settlement.settle(job, cause, decision, failure, began_as=began_as)
    except JobFenced as error:
        _logger.warning("%s: its work was rolled back", error)
        return False
    except settlement.DatabaseLost as error:
        _logger.warning(
            "%s: job %s: the end of its attempt can't be written (%s); it will be found"
            " dead",
            env.cr.dbname,
            job.uuid,
            error,
        )
        return False
    if not config["test_enable"]:
        transactions.undo(env, job)
    if decision is None:  # committed before the error
        controller._enqueue_dependent_jobs(env, job)
        return False
    if not isinstance(decision, Retry):
        _release_after_error(job)
    return isinstance(decision, Fail)


def session_is_lost(cr, exc: BaseException) -> bool:
    """Whether the attempt ended because its session did.

    An error of that kind may also come from another database, or be raised by hand.

    :param cr: the cursor on which the attempt worked
    :param exc: the error that ended it
    """
    if issubclass(type(exc), JobInterrupted):
        return not exc.reason
    if not isinstance(cr, Cursor) or not causes.tells_of_a_lost_session(exc):
        return False
    try:
        if not cr._cnx.closed:
            with cr._cnx.cursor() as plain:
                plain.execute("SELECT 1")
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        return True
    except psycopg2.Error:
        return False
    return bool(cr._cnx.closed)


def _judge(job, exc: BaseException, *, lost: bool):
    """The cause of an error and what is decided about the job."""
    try:
        return _judge_by_config(job, exc, lost=lost)
    except Exception as error:
        if causes.tells_of_a_lost_session(error):
            cause, text = Cause.DEAD, _message_of(exc)
            return cause, decide(cause, job.retry, job.max_retries, message=text)
        _logger.exception("job %s: its error is taken as it is", job.uuid)
        return Cause.EXCEPTION, Fail(exception_name(exc), _message_of(exc))


def _judge_by_config(job, exc, *, lost):
    cause = causes.cause_of(exc, lost=lost)
    message = _message_of(exc)
    seconds = exception_wish(exc, "seconds")
    function = job.job_config
    if cause is Cause.EXCEPTION and is_one_of(exc, function.retry_on):
        cause = Cause.RETRYABLE
        seconds = delay_after(exc, job.retry, function.retry_pattern)
    if lost or causes.was_interrupted(exc) or cause in INTERRUPTIONS:
        with job.in_temporary_env():
            said = settlement.signal_of(job.env.cr, job)
        cause, message = said or (cause, message)
    decision = decide(
        cause,
        job.retry,
        job.max_retries,
        exc_name="" if cause is Cause.TIMEOUT else exception_name(exc),
        message=message,
        seconds=seconds,
        ignore_retry=exception_wish(exc, "ignore_retry"),
        limit_seconds=job.timeout or None,
    )
    return cause, decision


def _message_of(exc: BaseException) -> str:
    if issubclass(type(exc), JobFenced):
        return settlement.OWN_ROW_CHANGED
    return exception_text(exc)


def _failure_values(controller, job, trace: str, exc: BaseException) -> dict:
    """exc_info, exc_name and exc_message of a failure, whatever addons raise."""
    try:
        return dict(controller._get_failure_values(job, trace, exc))
    except Exception:
        _logger.exception("job %s: its failure is described as it is", job.uuid)
        return failure_values(trace, exc)


def failure_values(trace: str, exc: BaseException) -> dict:
    """exc_info, exc_name and exc_message of a failure.

    :param trace: the traceback
    :param exc: the error
    """
    message = exception_message(exc)
    if issubclass(type(exc), JobFenced):
        message = settlement.OWN_ROW_CHANGED
    return {
        "exc_info": trace,
        "exc_name": exception_name(exc),
        "exc_message": message,
    }


def _release_after_error(job) -> None:
    """Failed and cancelled jobs may have children that wait for just that."""
    if not job.should_check_dependents():
        return
    if job.release_queue is not None:
        job.release_queue.append(job.id)
    else:
        job.enqueue_waiting()
