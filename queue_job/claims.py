# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The statements that move a job between the table and a worker.

Each is one statement, meant for an autocommit READ COMMITTED connection: in the
REPEATABLE READ transactions of Odoo, a concurrent ``SKIP LOCKED`` claim ends in a
serialization error. Guarantees, and the clause that gives each:

1. A job is claimed by one lease at a time: ``FOR NO KEY UPDATE SKIP LOCKED`` takes
   the row or passes it over, and ``state = 'pending'`` is checked again on the
   locked version.
2. A late worker can't start, settle or return a job that was given to another:
   each claim adds one to ``claim_token``, and every later statement asks for it.
3. A row that a user has locked blocks nobody (``SKIP LOCKED``).

``set_config('synchronous_commit', 'off', true)`` lasts for the one statement: when
PostgreSQL crashes and forgets it, the job is pending again and its work is undone
as well, because the work commits later and waits for the disk.
"""

UTC_NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"
QUICK = "(SELECT set_config('synchronous_commit', 'off', true)) AS quick"

#: The liveness lock: (namespace, id of the job's row), see ``executor``.
LIVENESS_LOCK = 1904281959

# Claims the jobs that the scheduler chose, one lease each.
CLAIM = f"""
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::int[], %(leases)s::int[]) AS w(id, lease_id)
), locked AS MATERIALIZED (
    SELECT j.id, w.lease_id
      FROM queue_job j JOIN wanted w ON w.id = j.id
     WHERE j.state = 'pending' AND (j.eta IS NULL OR j.eta <= {UTC_NOW})
       FOR NO KEY UPDATE OF j SKIP LOCKED
)
UPDATE queue_job j
   SET state = 'enqueued', date_enqueued = {UTC_NOW}, date_started = NULL,
       worker_pid = NULL, lease_id = l.lease_id,
       claim_token = coalesce(j.claim_token, 0) + 1
  FROM locked l, {QUICK}
 WHERE j.id = l.id
RETURNING j.id, j.claim_token, j.lease_id, j.timeout
"""

# Does the runner that granted a lease still lead? Another one, after it, has counted
# the lease's slot at its first look only: from then on the lease takes no jobs.
LEADS = """(SELECT EXISTS (SELECT 1 FROM queue_job_runner r
                           WHERE r.uuid = {} AND r.leader))"""

# Claims the next jobs of a channel for a lease that has time left, in their order.
TOP_UP = f"""
WITH head AS MATERIALIZED (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND scheduled IS NOT TRUE AND channel = %(channel)s
       AND (eta IS NULL OR eta <= {UTC_NOW})
       AND {LEADS.format("%(runner)s")}
     ORDER BY priority, date_created, id
     LIMIT %(limit)s
       FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE queue_job j
       SET state = 'enqueued', date_enqueued = {UTC_NOW}, date_started = NULL,
           worker_pid = NULL, lease_id = %(lease)s,
           claim_token = coalesce(j.claim_token, 0) + 1
      FROM head h, {QUICK}
     WHERE j.id = h.id
    RETURNING j.priority, j.date_created, j.id, j.claim_token
)
SELECT id, claim_token FROM claimed ORDER BY priority, date_created, id
"""

# Starts a claimed job and reads it: worker_pid, worker_host, id, claim token.
START = f"""
UPDATE queue_job j
   SET state = 'started', date_started = {UTC_NOW}, worker_pid = %s,
       worker_host = %s,
       identity_slot = CASE WHEN j.identity_scope = 'done' THEN j.identity_slot END
  FROM {QUICK}
 WHERE j.id = %s AND j.claim_token = %s AND j.state = 'enqueued'
RETURNING {{columns}}
"""

# Claims and starts the next job of a channel at once: channel, runner, worker_pid,
# worker_host, lease. It is never enqueued to the eye, and one row version less.
START_NEXT = f"""
WITH head AS MATERIALIZED (
    SELECT id FROM queue_job
     WHERE state = 'pending' AND scheduled IS NOT TRUE AND channel = %s
       AND (eta IS NULL OR eta <= {UTC_NOW})
       AND {LEADS.format("%s")}
     ORDER BY priority, date_created, id
     LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE queue_job j
   SET state = 'started', date_enqueued = {UTC_NOW}, date_started = {UTC_NOW},
       worker_pid = %s, worker_host = %s, lease_id = %s,
       claim_token = coalesce(j.claim_token, 0) + 1,
       identity_slot = CASE WHEN j.identity_scope = 'done' THEN j.identity_slot END
  FROM head h, {QUICK}
 WHERE j.id = h.id
RETURNING {{columns}}
"""

# Is there a reason for a lease to end: another channel has something to run (two hops
# on the index of heads), or somebody has changed a channel since the lease was issued?
OTHERS_WAIT = """
SELECT EXISTS (SELECT 1 FROM queue_job
                WHERE state = 'pending' AND scheduled IS NOT TRUE
                  AND channel < %(channel)s)
    OR EXISTS (SELECT 1 FROM queue_job
                WHERE state = 'pending' AND scheduled IS NOT TRUE
                  AND channel > %(channel)s)
    OR EXISTS (SELECT 1 FROM queue_job_channel
                WHERE write_date > to_timestamp(%(issued)s - 1) AT TIME ZONE 'UTC')
"""

# Why a job could not be started: its state now, and whether the token is the last.
WHY_NOT_STARTED = """
SELECT state, claim_token FROM queue_job WHERE id = %(id)s
"""

# Gives back what a lease did not start; the attempt is not counted.
RETURN_UNSTARTED = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, lease_id = NULL
 WHERE state = 'enqueued' AND lease_id = ANY(%(leases)s)
RETURNING id
"""

# Held by the transaction that runs the job, so that it dies with its session.
HOLD_LIVENESS = f"SELECT pg_advisory_xact_lock({LIVENESS_LOCK}, %(id)s)"

# Before a commit inside the job: may this attempt still commit? The row lock makes
# the answer hold until the commit.
MAY_COMMIT = """
SELECT (SELECT kind FROM queue_job_signal s
         WHERE s.job_id = j.id AND s.claim_token = j.claim_token LIMIT 1) AS signal
  FROM queue_job j
 WHERE j.id = %(id)s AND j.claim_token = %(token)s AND j.state = 'started'
   FOR NO KEY UPDATE OF j
"""

# Rings the doorbell of the runner.
RING = "SELECT pg_notify('queue_job', 'jobs')"

# What was said to a started job, if anything.
READ_SIGNAL = """
SELECT s.kind, s.message, u.login
  FROM queue_job_signal s LEFT JOIN res_users u ON u.id = s.user_id
 WHERE s.job_id = %(id)s AND s.claim_token = %(token)s
 ORDER BY s.id LIMIT 1
"""
