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
3. A row that a user has locked blocks no worker (``SKIP LOCKED``).

``set_config('synchronous_commit', 'off', true)`` lasts for the one statement: when
PostgreSQL crashes and forgets it, the job is pending again and its work is undone
as well, because the work commits later and waits for the disk.
"""

UTC_NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"

#: What may be said to a started job by a signal.
SIGNALS = "('cancel', 'timeout')"

#: The largest value of an integer column.
INT_MAX = 2**31 - 1


def seconds_since(moment: str) -> str:
    """SQL of the seconds since a moment, infinite ones as well.

    They are subtracted as numbers: infinite dates can't be.

    :param moment: SQL of a timestamp in UTC
    """
    return f"(extract(epoch FROM {UTC_NOW}) - extract(epoch FROM {moment}))::float"


def next_token(column: str) -> str:
    """SQL of the token of the next claim; the largest number is followed by 1.

    :param column: name of the column with the token of the last claim
    """
    return f"coalesce(nullif({column}, {INT_MAX}), 0) + 1"


QUICK = "(SELECT set_config('synchronous_commit', 'off', true)) AS quick"

# The same, and the runner isn't notified of what the statement makes pending.
SILENT = """(SELECT set_config('synchronous_commit', 'off', true),
                    set_config('queue_job.bell', 'silent', true)) AS silent"""

#: The liveness locks: (this, id of the job's row) of the session or transaction that
#: works for one job, (that, id of the lease) of the session in which a lease runs one
#: job after the other, (the third, id of the row) of who writes down the job's end.
LIVENESS_LOCK = 1904281959
LEASE_LOCK = 1904281961
SETTLE_LOCK = 1904281963

# The locks of this database that show life; and whether one of them, `held`, shows that
# of the started job in row `j`.
HELD = f"""
SELECT classid::bigint AS space, objid::bigint AS key, pid FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 2 AND granted
   AND classid IN ({LIVENESS_LOCK}, {LEASE_LOCK}, {SETTLE_LOCK})
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SHOWS_LIFE = f"""(held.space <> {LEASE_LOCK} AND held.key = j.id
    OR held.space = {LEASE_LOCK} AND held.key = j.lease_id AND j.state = 'started')"""

#: In the error of a statement that found its claim void.
VOID = "the claim is void"

# A statement that writes one claimed row, where nobody looks at the count of rows: a
# void claim is an error, and one that no other statement raises.
FENCED = f"""
WITH written AS ({{}} RETURNING 1)
SELECT CASE count(*) WHEN 1 THEN 1 ELSE (count(*) || ' rows, {VOID}')::int END
  FROM written
"""

# Does this runner still lead, the one that claims, or that granted a lease? The next
# one has counted the slots in its first scan: from then on, this one and its leases
# claim no jobs. Nor does anyone while the database is drained.
LEADS = """(SELECT EXISTS (SELECT 1 FROM queue_job_runner r
                           WHERE r.uuid = {} AND r.leader
                             AND r.drained IS NOT TRUE))"""

#: The system parameter of a drained database: no runner claims a job of it.
DRAINED_BY = "queue_job.drained"

# From its commit on, the runner and the leases that it granted claim no more jobs.
DRAIN_RUNNERS = "UPDATE queue_job_runner SET drained = %(drained)s"

# Claims the jobs that the runner chose, one lease each.
CLAIM = f"""
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::int[], %(leases)s::int[]) AS w(id, lease_id)
), locked AS MATERIALIZED (
    SELECT j.id, w.lease_id
      FROM queue_job j JOIN wanted w ON w.id = j.id
     WHERE j.state = 'pending' AND (j.eta IS NULL OR j.eta <= {UTC_NOW})
       AND {LEADS.format("%(runner)s")}
       FOR NO KEY UPDATE OF j SKIP LOCKED
)
UPDATE queue_job j
   SET state = 'enqueued', date_enqueued = {UTC_NOW}, date_started = NULL,
       worker_pid = NULL, lease_id = l.lease_id,
       claim_token = {next_token("j.claim_token")}
  FROM locked l, {QUICK}
 WHERE j.id = l.id
RETURNING j.id, j.claim_token, j.lease_id, j.timeout
"""

# The jobs that a lease may claim next, in their order. Of one channel, those that no
# other session has locked: channel, runner. The numbers are part of the text:
# PostgreSQL, which plans a statement once for all values, would take a LIMIT for a
# tenth of the table.
NEXT_OF_ONE = f"""
    SELECT id FROM queue_job
     WHERE state = 'pending' AND scheduled IS NOT TRUE AND channel = %s
       AND (eta IS NULL OR eta <= {UTC_NOW})
       AND {LEADS.format("%s")}
     ORDER BY priority, date_created, id
     LIMIT {{limit}}
       FOR NO KEY UPDATE SKIP LOCKED
"""

# Of several channels, whose first jobs are merged: channels, runner. Other workers take
# from the same ones, so the window holds more than the limit; what they have taken
# since is seen when the row is locked. They are looked up by their ids: if PostgreSQL
# recognized the condition of the index of candidates, it would read all of that index
# as long as it takes the table for a small one.
NEXT_OF_SEVERAL = f"""
    SELECT id FROM queue_job
     WHERE id = ANY(ARRAY(
           SELECT candidate.id
             FROM unnest(%s::text[]) AS names(channel) CROSS JOIN LATERAL (
                  SELECT id, priority, date_created FROM queue_job
                   WHERE state = 'pending' AND scheduled IS NOT TRUE
                     AND channel = names.channel
                     AND (eta IS NULL OR eta <= {UTC_NOW})
                     AND {LEADS.format("%s")}
                   ORDER BY priority, date_created, id
                   LIMIT {{depth}}) candidate
            ORDER BY candidate.priority, candidate.date_created,
                     candidate.id
            LIMIT {{window}}))
       AND state || '' = 'pending' AND scheduled IS NOT TRUE
     ORDER BY priority, date_created, id
     LIMIT {{limit}}
       FOR NO KEY UPDATE SKIP LOCKED
"""

#: Of jobs that are `scheduled`: those that wait for a date, not for others of their
#: key. One that was admitted is among them if the clock was set back.
NOT_BLOCKED = "(gate_state IS NULL OR gate_state IN ('later', 'open'))"

# The next job of a sequential channel: channel, the last job of the lease, runner. It
# is the first of all that wait there, for a date as well, and it may run; no job of the
# channel has failed. The lease holds the only slot of the channel, so no other lease
# has a job of it in flight. The last one of this lease is, if its end couldn't be
# written: it will be found dead. The row is looked up by a value that is known before
# the plan runs: as a join it would be found by reading the whole table, as long as
# PostgreSQL takes that for a small one.
NEXT_IN_ORDER = f"""
    WITH line AS MATERIALIZED (
        SELECT %s::text AS channel, %s::int AS last
    ), head AS MATERIALIZED (
        SELECT id FROM (
              (SELECT id, priority, date_created FROM queue_job
                WHERE state = 'pending' AND scheduled IS NOT TRUE
                  AND channel = (SELECT channel FROM line)
                ORDER BY priority, date_created, id LIMIT 1)
               UNION ALL
              (SELECT id, priority, date_created FROM queue_job
                WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
                  AND channel = (SELECT channel FROM line)
                ORDER BY priority, date_created, id LIMIT 1)) waiting
         ORDER BY priority, date_created, id LIMIT 1
    )
    SELECT j.id
      FROM queue_job j
     WHERE j.id = (SELECT id FROM head)
       AND j.state || '' = 'pending' AND j.scheduled IS NOT TRUE
       AND j.channel = (SELECT channel FROM line)
       AND (j.eta IS NULL OR j.eta <= {UTC_NOW})
       AND {LEADS.format("%s")}
       AND NOT EXISTS (
           SELECT 1 FROM queue_job
            WHERE state = 'failed' AND channel = (SELECT channel FROM line))
       AND NOT EXISTS (
           SELECT 1 FROM queue_job
            WHERE state IN ('enqueued', 'started') AND id = (SELECT last FROM line))
       FOR NO KEY UPDATE OF j SKIP LOCKED
"""

# Claims the next batch of a lease: (one of the first two above), lease.
CLAIM_BATCH = f"""
WITH candidate AS MATERIALIZED ({{next}}), claimed AS (
    UPDATE queue_job j
       SET state = 'enqueued', date_enqueued = {UTC_NOW}, date_started = NULL,
           worker_pid = NULL, lease_id = %s,
           claim_token = {next_token("j.claim_token")}
      FROM candidate c, {QUICK}
     WHERE j.id = c.id
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

# Claims and starts the next job of a lease at once: (one of the above, or the next job
# of a key, see keys/admission.py), worker_pid, worker_host, lease. It is never enqueued
# to the eye, and one row version less.
START_NEXT = f"""
WITH candidate AS MATERIALIZED ({{next}})
UPDATE queue_job j
   SET state = 'started', date_enqueued = {UTC_NOW}, date_started = {UTC_NOW},
       worker_pid = %s, worker_host = %s, lease_id = %s,
       claim_token = {next_token("j.claim_token")}{{admitted}},
       identity_slot = CASE WHEN j.identity_scope = 'done' THEN j.identity_slot END
  FROM candidate c, {QUICK}
 WHERE j.id = c.id
RETURNING {{columns}}
"""

# Is there a reason for a lease to end: a channel that it doesn't serve has something to
# run, or a channel was changed since the lease was issued? The index of candidates is
# asked once for each gap between the names of the channels that it serves.
OTHERS_WAIT = """
WITH gap AS (
    SELECT name AS after, lead(name) OVER (ORDER BY name) AS before
      FROM unnest(%(channels)s::text[] || ARRAY['']) AS served(name)
)
SELECT EXISTS (SELECT 1 FROM gap CROSS JOIN LATERAL (
                    SELECT channel FROM queue_job
                     WHERE state = 'pending' AND scheduled IS NOT TRUE
                       AND channel > gap.after
                     ORDER BY channel LIMIT 1) next
                WHERE gap.before IS NULL OR next.channel < gap.before)
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

# Gives back a job that a COMMIT may have started, when the worker did not get to know
# of it and so has not begun it: only this worker holds the claim.
RETURN_STARTED = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, date_started = NULL, lease_id = NULL,
       worker_pid = NULL, worker_host = NULL
 WHERE id = %(id)s AND claim_token = %(token)s AND state = 'started'
"""

# The same where the worker doesn't know which job that is, because the COMMIT was to
# claim it as well: what its lease has started, but for the jobs that it has begun.
RETURN_NOT_BEGUN = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, date_started = NULL, lease_id = NULL,
       worker_pid = NULL, worker_host = NULL
 WHERE state = 'started' AND lease_id = %(lease)s
   AND (id, claim_token) NOT IN (
       SELECT * FROM unnest(%(ids)s::int[], %(tokens)s::int[]))
"""

# Held by the session in which a lease's jobs work, from before the first to its end; or
# by the transaction of a job, where sessions don't last.
HOLD_LEASE = f"SELECT pg_try_advisory_lock({LEASE_LOCK}, %(id)s)"
HOLD_JOB = f"SELECT pg_try_advisory_lock({LIVENESS_LOCK}, %(id)s)"
HOLD_LIVENESS = f"SELECT pg_advisory_xact_lock({LIVENESS_LOCK}, %(id)s)"
HOLD_SETTLEMENT = f"SELECT pg_advisory_xact_lock({SETTLE_LOCK}, %(id)s)"
LEAVE = "SELECT pg_advisory_unlock_all()"

# Before a commit inside the job: may this attempt still commit? The row lock makes
# the answer hold until the commit.
MAY_COMMIT = f"""
SELECT (SELECT kind FROM queue_job_signal s
         WHERE s.job_id = j.id AND s.claim_token = j.claim_token
           AND s.kind IN {SIGNALS} LIMIT 1) AS signal
  FROM queue_job j
 WHERE j.id = %(id)s AND j.claim_token = %(token)s AND j.state = 'started'
   FOR NO KEY UPDATE OF j
"""

# Notifies the runner that jobs may be started.
NOTIFY = "SELECT pg_notify('queue_job', 'jobs')"

# What was said to a started job, if anything.
READ_SIGNAL = f"""
SELECT s.kind, s.message, u.login
  FROM queue_job_signal s LEFT JOIN res_users u ON u.id = s.user_id
 WHERE s.job_id = %(id)s AND s.claim_token = %(token)s AND s.kind IN {SIGNALS}
 ORDER BY s.id LIMIT 1
"""
