# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the model of the claims remembers, and the statements that it needs itself."""

from dataclasses import dataclass

import psycopg2

from queue_job.claim import claims

CHANNEL = "root"
RUNNER = "runner of the property test"
WORKERS = (0, 1)
MAX_JOBS = 6

INSERT = """
INSERT INTO queue_job (uuid, state, model_name, method_name, name, user_id, retry,
                       max_retries, priority, date_created, channel)
SELECT gen_random_uuid()::text, 'pending', 'res.users', 'read', 'x', 1, 0, 0, 10,
       now() AT TIME ZONE 'UTC', 'root'
RETURNING id
"""
DONE = """
UPDATE queue_job SET state = 'done'
 WHERE id = %s AND claim_token = %s AND state = 'started'
"""
CANCELLED = DONE.replace("'done'", "'cancelled'")
FAILED = DONE.replace("'done'", "'failed'")
POSTPONED = DONE.replace("'done'", "'pending'")
#: Each way to settle an attempt.
SETTLEMENTS = (DONE, CANCELLED, FAILED, POSTPONED)
START = claims.START.format(columns="j.id")
START_IN_ORDER = claims.START_NEXT.format(
    next=claims.NEXT_IN_ORDER, columns="j.id", admitted=""
)
MARK = "INSERT INTO property_mark VALUES (%s)"
#: What the model says, of each job.
TABLE = """
SELECT id, state, coalesce(claim_token, 0), retry,
       (SELECT count(*) FROM property_mark WHERE job_id = queue_job.id)
  FROM queue_job
"""
LEAD = """
INSERT INTO queue_job_runner (uuid, leader) VALUES (%s, TRUE)
ON CONFLICT (uuid) DO NOTHING
"""


@dataclass(eq=False)
class Job:
    """A job; ``marks`` are its committed effects."""

    id: int
    state: str = "pending"
    token: int = 0
    lease: int | None = None
    retry: int = 0
    marks: int = 0
    deleted: bool = False


@dataclass
class Worker:
    """Runs one job at a time, in a transaction that stays open; ``holds`` is whether
    this has the liveness lock."""

    connection: psycopg2.extensions.connection
    job: Job | None = None
    token: int = 0
    holds: bool = False
