# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Stuck jobs, where no runner recovers them.

The runner recovers stuck jobs within seconds. The scheduled action "Jobs Garbage
Collector" is a second net for installations where the runner is stopped for long or
misconfigured: it works with minutes, and never touches a started job whose database
session still holds its advisory lock.
"""

import logging

from ...claim.claims import HELD, INT_MAX, SHOWS_LIFE, UTC_NOW, next_token
from ...core import events
from ...core.states import FAILED
from ...storage import caches
from ..session.config import job_time_limit

_logger = logging.getLogger(__name__)

# A limit of NULL minutes makes its condition NULL: no job is stuck.
STUCK_JOBS = f"""
    SELECT id
    FROM queue_job j
    WHERE (state = 'enqueued'
           AND date_enqueued <= {UTC_NOW} - %(enqueued)s * interval '1 minute')
       OR (state = 'started'
           AND date_started <= {UTC_NOW} - %(started)s * interval '1 minute'
           AND NOT EXISTS (SELECT FROM ({HELD}) held WHERE {SHOWS_LIFE}))
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
"""

# The death of a worker counts as an attempt; a lease that was never started does not.
# The token moves on, so that a worker which comes back late cannot settle the job.
UNSTICK = f"""
    UPDATE queue_job
    SET state = CASE WHEN spent THEN 'failed' ELSE 'pending' END,
        retry = attempt,
        exc_name = CASE WHEN spent THEN 'JobFoundDead' ELSE exc_name END,
        exc_message = CASE WHEN spent THEN %(reason)s ELSE exc_message END,
        result = CASE WHEN spent THEN result ELSE %(reason)s END,
        identity_slot = CASE WHEN spent THEN NULL ELSE identity_slot END,
        claim_token = {next_token("claim_token")},
        lease_id = NULL,
        date_runnable = {UTC_NOW},
        date_enqueued = NULL,
        date_started = NULL,
        worker_pid = NULL
    FROM (
        SELECT id AS stuck_id,
               attempt,
               state = 'started' AS died,
               state = 'started' AND max_retries > 0
                   AND attempt >= max_retries AS spent
        FROM queue_job
        CROSS JOIN LATERAL (
            SELECT LEAST(COALESCE(retry, 0), {INT_MAX - 1})
                   + (state = 'started')::int AS attempt
        ) AS counted
        WHERE id = ANY(%(ids)s)
    ) AS stuck
    WHERE id = stuck_id
    RETURNING id, state, died
"""

#: The fields which that writes.
UNSTUCK = (
    *("state", "retry", "exc_name", "exc_message", "result", "identity_slot"),
    *("claim_token", "lease_id", "date_runnable", "date_enqueued", "date_started"),
    "worker_pid",
)


def requeue_stuck(jobs, enqueued_delta: int, started_delta: int) -> None:
    """Put back, or fail, the jobs that no worker runs (see `requeue_stuck_jobs`).

    :param jobs: any recordset of `queue.job`
    :param enqueued_delta: minutes, as for :func:`stuck_minutes`
    :param started_delta: the same for started jobs
    """
    cr = jobs.env.cr
    jobs.flush_model()
    minutes = {
        "enqueued": stuck_minutes(enqueued_delta),
        "started": stuck_minutes(started_delta),
    }
    cr.execute(STUCK_JOBS, minutes)
    ids = [job_id for (job_id,) in cr.fetchall()]
    if not ids:
        return
    reason = jobs.env._("Nobody was running the job any more.")
    cr.execute(UNSTICK, {"ids": ids, "reason": reason})
    written = cr.fetchall()
    failed = jobs.browse(
        [job_id for job_id, state, _died in written if state == FAILED]
    )
    died = [job_id for job_id, _state, died in written if died]
    stuck = jobs.browse(ids)
    caches.written(jobs.env, ids, UNSTUCK)
    failed._message_post_on_failure()
    for job in stuck:
        _logger.info("job %s was stuck, it is %s", job.uuid, job.state)
    retried = [job_id for job_id in died if job_id not in failed.ids]
    events.tell_ids_after_commit(cr, events.DEAD, died)
    events.tell_ids_after_commit(cr, events.RETRIED, retried)
    events.tell_ids_after_commit(cr, events.FAILED, failed.ids)


def stuck_minutes(delta: int) -> float | None:
    """Return after how many minutes a job is stuck, None for never.

    :param delta: minutes; 0 for never, -1 for the time limit of the workers
    """
    if delta >= 0:
        return delta or None
    limit = job_time_limit()
    return limit / 60 + 1 if limit > 0 else None
