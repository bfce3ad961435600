# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fail a job by plain SQL, where the end of its attempt could not be written otherwise.

The failure names both errors, that of the attempt and that of its settlement.
"""

from __future__ import annotations

import logging

import psycopg2

from ..core import errors, texts
from ..core.option_values import INT_MAX
from ..core.retry import Decision, Fail
from ..core.states import FAILED
from ..exception import JobFenced
from ..sessions.transactions import autocommit

_logger = logging.getLogger(__name__)

FAIL_AT_LAST = """
UPDATE queue_job
   SET state = 'failed', retry = %(retry)s, exc_name = %(exc_name)s,
       exc_message = %(exc_message)s, exc_info = %(exc_info)s, lease_id = NULL,
       identity_slot = NULL
 WHERE id = %(id)s AND claim_token IS NOT DISTINCT FROM %(token)s
   AND state = %(state)s
"""


def fail_at_last(
    job, decision: Decision, failure: dict, began_as: str, problem: BaseException
) -> Fail:
    """Write a failure by plain SQL: what comes before could not be written.

    :param job: the job
    :param decision: what was to become of the attempt
    :param failure: exc_info, exc_name and exc_message, as far as they are known
    :param began_as: the state in which the attempt found the row
    :param problem: why that could not be written
    :return: the decision that was carried out
    :raise JobFenced: the row belongs to another attempt, or to none
    :raise psycopg2.Error: this can't be written either
    """
    name = failure.get("exc_name") or errors.exception_name(problem)
    reason = failure.get("exc_message") or getattr(decision, "message", "")
    message = (
        f"{texts.of(reason)}\nThe end of the attempt could not be written as it should"
        f" be: {text_of(problem)}"
    )
    _logger.error(
        "%s: job %s: its end can't be written as it should be, it fails: %s",
        job._env.cr.dbname,
        job.uuid,
        text_of(problem),
        exc_info=problem,
    )
    values = {
        "id": job.id,
        "token": job.claim_token,
        "state": began_as,
        "retry": min(job.retry, INT_MAX),
        "exc_name": texts.storable(name, texts.EXC_NAME),
        "exc_message": texts.storable(message, texts.EXC_MESSAGE),
        "exc_info": texts.storable(failure.get("exc_info") or message, texts.EXC_INFO),
    }
    try:
        with job._env.registry.cursor() as cr, autocommit(cr):
            cr.execute(FAIL_AT_LAST, values)
            written = cr.rowcount
    except psycopg2.Error as error:
        _logger.critical(
            "%s: job %s: its end can't be written at all (%s); it will be found dead",
            job._env.cr.dbname,
            job.uuid,
            text_of(error),
        )
        raise
    if not written:
        raise JobFenced(f"Job {job.uuid} was given to another worker, or deleted")
    job.state = FAILED
    return Fail(name, message)


def text_of(error: BaseException) -> str:
    """The class of an error and what it says.

    :param error: of any class
    """
    return f"{errors.exception_name(error)}: {errors.exception_text(error)}"
