# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settle a job whose worker has died, as any other attempt that did not end well."""

from ..core import events
from ..core.retry import Cause, decide
from ..sessions.transactions import undo
from .settlement import failure_of, settle, signal_of

READ_STACK = """
SELECT stack FROM queue_job_signal
 WHERE job_id = %(id)s AND claim_token = %(token)s AND stack IS NOT NULL
 ORDER BY id LIMIT 1
"""


def finalize(job, cause: Cause) -> None:
    """Write the end of a job whose worker has died.

    :param job: the job, which this worker has claimed
    :param cause: dead, timeout or cancel
    :raise JobFenced: the job was given to another worker meanwhile
    :raise DatabaseLost: the database can't be reached
    """
    said = signal_of(job.env.cr, job)
    stack = _stack_of(job.env.cr, job)
    job.retry += 1
    if cause is Cause.DEAD:
        events.tell_now(events.DEAD, job)
    undo(job.env, job)  # the settlement has a snapshot of its own
    decision = decide(
        cause,
        job.retry,
        job.max_retries,
        message=said[1] if said else "",
        limit_seconds=job.timeout or None,
    )
    failure = failure_of(decision)
    if stack:
        failure = {**(failure or {}), "exc_info": stack}
    settle(job, cause, decision, failure)


def _stack_of(cr, job) -> str | None:
    """Where the code was that had to be killed."""
    cr.execute(READ_STACK, {"id": job.id, "token": job.claim_token})
    row = cr.fetchone()
    return row and row[0]
