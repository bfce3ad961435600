# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settle a job whose worker has died, as any other attempt that did not end well."""

from typing import NamedTuple

from ..claim.claims import SIGNALS
from ..core import events
from ..core.retry import Cause, decide
from ..sessions.transactions import undo
from .settlement import failure_of, settle, wording

# What was said to some started jobs, and where the code was that had to be killed.
READ_TOLD = f"""
SELECT s.job_id, s.kind IN {SIGNALS} AS counts, s.kind, s.message, u.login, s.stack
  FROM queue_job_signal s
  JOIN queue_job j ON j.id = s.job_id AND j.claim_token = s.claim_token
  LEFT JOIN res_users u ON u.id = s.user_id
 WHERE s.job_id = ANY(%(ids)s)
 ORDER BY s.id DESC
"""


class Told(NamedTuple):
    """What the worker that has died was told of its job, and has told.

    :param message: why the job was to stop
    :param stack: where its code was
    """

    message: str = ""
    stack: str | None = None


def read_told(cr, job_ids: list[int]) -> dict[int, Told]:
    """What is known of the last moments of started jobs.

    :param cr: a cursor that sees what was committed by now
    :param job_ids: ids of the jobs
    :return: {id: what}, for jobs of which something is known
    """
    found: dict[int, Told] = {}
    cr.execute(READ_TOLD, {"ids": job_ids})
    for job_id, counts, kind, message, login, stack in cr.fetchall():
        told = found.get(job_id, Told())
        if counts:  # the first one does, and comes last
            told = told._replace(message=wording(kind, message, login))
        found[job_id] = told._replace(stack=stack or told.stack)
    return found


def finalize(job, cause: Cause, told: Told) -> None:
    """Write the end of a job whose worker has died.

    :param job: the job, which this worker has claimed
    :param cause: dead, timeout or cancel
    :param told: what is known of its last moments
    :raise JobFenced: the job was given to another worker meanwhile
    :raise DatabaseLost: the database can't be reached
    """
    job.retry += 1
    if cause is Cause.DEAD:
        events.tell_now(events.DEAD, job)
    undo(job.env, job)  # the settlement has a snapshot of its own
    decision = decide(
        cause,
        job.retry,
        job.max_retries,
        message=told.message,
        limit_seconds=job.timeout or None,
    )
    failure = failure_of(decision)
    if told.stack:
        failure = {**(failure or {}), "exc_info": told.stack}
    settle(job, cause, decision, failure)
