# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every statement of the runner, each with its purpose.

They run in autocommit mode. The statements that claim and return jobs are in
:mod:`...claim.claims`, because workers use them too.
"""

from functools import cache

from ...claim.claims import (
    DRAINED_BY,
    HELD,
    INT_MAX,
    LEASE_LOCK,
    NOT_BLOCKED,
    QUICK,
    SETTLE_LOCK,
    SHOWS_LIFE,
    SIGNALS,
    UTC_NOW,
    next_token,
    seconds_since,
)
from ...keys.admission import MARKED
from ...storage.odd_rows import DATES_PUT_RIGHT, readable

# Is the addon installed here?
HAS_QUEUE_JOB = """
SELECT to_regclass('ir_module_module') IS NOT NULL
   AND to_regclass('queue_job') IS NOT NULL
"""
INSTALLED = """
SELECT EXISTS (SELECT 1 FROM ir_module_module
                WHERE name = 'queue_job' AND state IN ('installed', 'to upgrade'))
"""

# The last column that each table got.
_LAST_COLUMNS = (
    ("queue_job", "failure_kind"),
    ("queue_job_signal", "stack"),
    ("queue_job_statistic", "company"),
    ("queue_job_function", "retry_by"),
    ("queue_job_runner", "drained"),
    ("queue_job_runner", "total_running"),
    ("queue_job_runner", "shared_load"),
    ("queue_job_channel", "paused_until"),
)
_HAS_COLUMNS = "".join(
    f"""
   AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('{table}')
                  AND attname = '{column}' AND NOT attisdropped)"""
    for table, column in _LAST_COLUMNS
)

# Are its tables those of this code? Not so between the new code and -u queue_job.
IS_CURRENT = f"""
SELECT bool_and(to_regclass(name) IS NOT NULL){_HAS_COLUMNS}
   AND EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = 'queue_job'::regclass
                  AND tgname = 'queue_job_gate')
  FROM unnest(ARRAY['queue_job_dependency', 'queue_job_attempt', 'queue_job_signal',
                    'queue_job_runner', 'queue_job_statistic', 'queue_job_progress',
                    'queue_job_statistic_hour', 'queue_job_notice'])
       AS name
"""

# Does a committed job notify the runner? (-u queue_job creates the trigger anew.)
HAS_TRIGGER = """
SELECT EXISTS (SELECT 1 FROM pg_trigger
                WHERE tgrelid = 'queue_job'::regclass AND tgname = 'queue_job_notify'
                  AND tgenabled <> 'D')
"""

# The database's secret signs leases; its uuid tells a copy from the original.
PARAMETERS = """
SELECT key, value FROM ir_config_parameter
 WHERE key IN ('database.secret', 'database.uuid', 'queue_job.database_uuid')
"""
REMEMBER_UUID = """
INSERT INTO ir_config_parameter (key, value) VALUES ('queue_job.database_uuid', %s)
ON CONFLICT (key) DO NOTHING
"""

# Does LISTEN deliver? A ping that comes back says so.
PING = "SELECT pg_notify('queue_job', %(payload)s)"

# What keeps all jobs from starting: the code of what a runner notes, or NULL. While
# modules are installed or updated, their jobs must not run.
OBSTACLE = f"""
       CASE WHEN EXISTS (SELECT 1 FROM ir_config_parameter WHERE key = '{DRAINED_BY}')
            THEN 'drained'
            WHEN EXISTS (SELECT 1 FROM ir_module_module
                          WHERE state IN ('to install', 'to upgrade', 'to remove'))
            THEN 'modules' END AS obstacle"""

# What a dispatch round must know first. A job that is marked as scheduled and has no
# date is due.
AFFAIRS = f"""
SELECT {OBSTACLE},
       least((SELECT -{seconds_since("min(eta)")} FROM queue_job
               WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}),
             (SELECT 0 FROM queue_job
               WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED} AND eta IS NULL
               LIMIT 1)) AS next_due,
       EXISTS (SELECT 1 FROM queue_job WHERE {MARKED}) AS keys_to_judge
"""

# The first candidates of each channel, through the index on (channel, priority,
# date_created, id): the recursive part hops from channel to channel. See `candidates`.
# Moments come as numbers, which Python can hold whatever the row does.
_CREATED = "extract(epoch FROM date_created)::float AS date_created"
_CANDIDATES = f"""
WITH RECURSIVE names AS (
    (SELECT channel FROM queue_job
      WHERE state = 'pending' AND scheduled IS NOT TRUE
      ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT j.channel FROM queue_job j
             WHERE j.state = 'pending' AND j.scheduled IS NOT TRUE
               AND j.channel > names.channel
             ORDER BY j.channel LIMIT 1)
      FROM names WHERE names.channel IS NOT NULL
)
SELECT candidate.*
  FROM names CROSS JOIN LATERAL (
       SELECT id, uuid, channel, priority, {_CREATED}, eta > {UTC_NOW} AS too_early
         FROM queue_job
        WHERE state = 'pending' AND scheduled IS NOT TRUE
          AND channel = names.channel
        ORDER BY priority, queue_job.date_created, id
        LIMIT {{limit}}) candidate
 UNION ALL
(SELECT id, uuid, channel, priority, {_CREATED}, eta > {UTC_NOW}
   FROM queue_job
  WHERE state = 'pending' AND scheduled IS NOT TRUE AND channel IS NULL
  ORDER BY priority, queue_job.date_created, id
  LIMIT {{limit}})
"""


@cache
def candidates(limit: int) -> str:
    """The statement that reads the first jobs of each channel.

    :param limit: jobs of each channel; up to twice as many are read: the number is part
        of the text, one of a few, so that the statement can be prepared
    """
    return _CANDIDATES.format(limit=1 << (limit - 1).bit_length())


# What else stops a sequential channel: its first job that waits for its due
# date, and whether a job has failed.
SEQUENTIAL_STOPS = f"""
SELECT waiting.*
  FROM unnest(%(channels)s::text[]) AS names(channel) CROSS JOIN LATERAL (
       SELECT id, uuid, channel, priority, {_CREATED},
              -{seconds_since("eta")} AS wait_seconds, 'pending' AS state
         FROM queue_job
        WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
          AND channel = names.channel
        ORDER BY priority, queue_job.date_created, id
        LIMIT 1) waiting
 UNION ALL
SELECT failed.*
  FROM unnest(%(channels)s::text[]) AS names(channel) CROSS JOIN LATERAL (
       SELECT id, uuid, channel, priority, {_CREATED}, NULL::float, 'failed'
         FROM queue_job
        WHERE state = 'failed' AND channel = names.channel
        LIMIT 1) failed
 UNION ALL
SELECT id, uuid, channel, priority, {_CREATED}, NULL::float, 'failed'
  FROM queue_job
 WHERE state = 'started' AND lease_id = ANY(%(finalizing)s::int[])
   AND channel = ANY(%(channels)s::text[])
"""

# Jobs whose due date has come compete from now on by priority and age; those with a
# key have to pass the gate.
PROMOTE = f"""
UPDATE queue_job
   SET scheduled = gate_state IS NOT NULL,
       gate_state = CASE WHEN gate_state IS NOT NULL THEN 'new' END
  FROM {QUICK}
 WHERE id IN (SELECT id FROM queue_job
               WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
                 AND (eta <= {UTC_NOW} OR eta IS NULL)
               LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
"""

# Future-dated jobs that came by plain SQL, without the mark.
DEMOTE = f"""
UPDATE queue_job SET scheduled = TRUE
 WHERE id IN (SELECT id FROM queue_job
               WHERE state = 'pending' AND scheduled IS NOT TRUE
                 AND channel IS NOT DISTINCT FROM %(channel)s AND eta > {UTC_NOW}
               LIMIT 10000 FOR NO KEY UPDATE SKIP LOCKED)
"""

# Everything in flight, and whether a live session stands behind it.
IN_FLIGHT = f"""
WITH held AS MATERIALIZED ({HELD})
SELECT j.id, j.uuid, j.channel, j.priority, j.state,
       extract(epoch FROM j.date_created)::float AS date_created,
       coalesce(j.claim_token, 0) AS claim_token, j.lease_id,
       coalesce(j.retry, 0) AS retry, greatest(j.max_retries, 0) AS max_retries,
       {readable("j.date_started")} AS date_started, own.timeout AS own_timeout,
       coalesce(least(own.timeout, nullif(%(limit)s::float, 0)), 0) AS timeout,
       coalesce({seconds_since("j.date_started")}, 0) AS running_seconds,
       coalesce({seconds_since("j.date_enqueued")}, 0) AS enqueued_seconds,
       j.worker_host, j.worker_pid, session.pid AS backend_pid,
       coalesce(session.space = {SETTLE_LOCK}, false) AS settling, s.kind AS signal
  FROM queue_job j
 CROSS JOIN LATERAL (SELECT nullif(greatest(j.timeout, 0), 0) AS timeout) own
  LEFT JOIN LATERAL (SELECT pid, space FROM held WHERE {SHOWS_LIFE}
                      ORDER BY space DESC LIMIT 1) session ON TRUE
  LEFT JOIN LATERAL (SELECT kind FROM queue_job_signal
                      WHERE job_id = j.id AND claim_token = j.claim_token
                        AND kind IN {SIGNALS}
                      ORDER BY id LIMIT 1) s ON TRUE
 WHERE j.state IN ('enqueued', 'started')
"""

# Has a worker begun to run the lease that was granted with this claim?
WAS_STARTED = """
SELECT 1 FROM queue_job
 WHERE id = %(id)s AND claim_token = %(token)s AND state <> 'enqueued'
"""

# The leases whose sessions live, also between two jobs.
LIVE_LEASES = f"SELECT key AS lease_id FROM ({HELD}) held WHERE space = {LEASE_LOCK}"

# Orphans: claimed, never started, and no lease holds them.
RETURN_ORPHANS = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, lease_id = NULL
 WHERE state = 'enqueued' AND id = ANY(%(ids)s)
   AND NOT (coalesce(lease_id, 0) = ANY(%(leases)s))
RETURNING id
"""

# Claimed by an open lease, which is busy with a long job. When the worker
# comes to them it finds its claims void.
RETURN_BEHIND_LONG_JOB = """
UPDATE queue_job
   SET state = 'pending', date_enqueued = NULL, lease_id = NULL
 WHERE state = 'enqueued' AND id = ANY(%(ids)s) AND lease_id = ANY(%(leases)s)
RETURNING id
"""

# The number of attempts stays at the largest one.
_NEXT_ATTEMPT = f"least(coalesce(retry, 0), {INT_MAX - 1}) + 1"

# A dead attempt counts, is written down, and the job may run again at once.
RETRY_DEAD = f"""
WITH dead AS (
    UPDATE queue_job
       SET state = 'pending', retry = {_NEXT_ATTEMPT}, scheduled = FALSE,
           claim_token = {next_token("claim_token")}, lease_id = NULL,
           date_runnable = {UTC_NOW}, date_enqueued = NULL, date_started = NULL
     WHERE id = %(id)s AND coalesce(claim_token, 0) = %(token)s AND state = 'started'
 RETURNING id, retry
)
INSERT INTO queue_job_attempt
       (job_id, number, date_start, date_end, worker_host, worker_pid, outcome, message)
SELECT id, retry, %(date_started)s, {UTC_NOW}, %(host)s, %(pid)s, 'dead', %(message)s
  FROM dead
RETURNING number
"""

# Takes dead jobs over for one lease, so that a worker can settle their failures; what
# was said to an attempt that died holds for this one. The worker finds the jobs by the
# lease. One whose row is locked by somebody is found dead again.
CLAIM_TO_FINALIZE = f"""
WITH dead AS (
    SELECT * FROM unnest(%(ids)s::int[], %(tokens)s::int[]) AS d (id, token)
), locked AS MATERIALIZED (
    SELECT j.id, dead.token
      FROM queue_job j JOIN dead ON dead.id = j.id
     WHERE coalesce(j.claim_token, 0) = dead.token AND j.state = 'started'
       FOR NO KEY UPDATE OF j SKIP LOCKED
), taken AS (
    UPDATE queue_job j
       SET claim_token = {next_token("j.claim_token")}, lease_id = %(lease)s,
       {DATES_PUT_RIGHT}
      FROM locked
     WHERE j.id = locked.id
 RETURNING j.id, j.claim_token, locked.token
), told AS (
    UPDATE queue_job_signal s SET claim_token = taken.claim_token
      FROM taken WHERE s.job_id = taken.id AND s.claim_token = taken.token
)
SELECT id, claim_token FROM taken
"""

# The time of this attempt is over.
SIGNAL_TIMEOUT = f"""
INSERT INTO queue_job_signal (job_id, claim_token, kind, message, date)
SELECT %(id)s, %(token)s, 'timeout', %(message)s, {UTC_NOW}
 WHERE NOT EXISTS (SELECT 1 FROM queue_job_signal
                    WHERE job_id = %(id)s AND claim_token = %(token)s
                      AND kind IN {SIGNALS})
"""

# Ends the session of a job that was told to stop: a running query is cancelled
# first, a session that idles or ignores that is terminated. Only while the session
# still runs this attempt: it may have gone on to another job.
END_SESSION = f"""
SELECT CASE WHEN a.state = 'active' AND NOT %(force)s
            THEN pg_cancel_backend(a.pid) ELSE pg_terminate_backend(a.pid) END
  FROM pg_stat_activity a
  JOIN ({HELD}) held ON held.pid = a.pid
  JOIN queue_job j ON j.id = %(id)s AND j.claim_token = %(token)s AND {SHOWS_LIFE}
 WHERE a.pid = %(pid)s
 LIMIT 1
"""

# The live channel settings. A row without a name is not the root channel. A pause that
# is over holds nothing, also while nobody could write that into its row.
CHANNELS = f"""
SELECT complete_name, capacity, sequential, throttle,
       paused AND coalesce(paused_until > {UTC_NOW}, TRUE) AS paused,
       rate_limit, rate_period, threads
  FROM queue_job_channel WHERE complete_name ~ '[^.[:space:]]'
"""

# Seconds until the first pause ends by itself, NULL if none does.
NEXT_PAUSE_END = f"""
SELECT -{seconds_since("min(paused_until)")} FROM queue_job_channel WHERE paused
"""

# The time of these pauses has come. A row that somebody else writes is tried again.
END_PAUSES = f"""
UPDATE queue_job_channel
   SET paused = FALSE, pause_reason = NULL, paused_until = NULL, pause_date = NULL,
       pause_user_id = NULL
 WHERE id IN (SELECT id FROM queue_job_channel
               WHERE paused AND paused_until <= {UTC_NOW}
                 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING complete_name
"""

# One row per runner: the right to claim, and what the health banner and the metrics
# show. A runner that was overtaken does not become the leader again by this.
HEARTBEAT = f"""
INSERT INTO queue_job_runner
       (uuid, host, pid, date_started, last_seen, leader, listening, root_capacity,
        running, total_capacity, total_running, shared_load, note, drained)
VALUES (%(uuid)s, %(host)s, %(pid)s, {UTC_NOW}, {UTC_NOW}, TRUE, %(listening)s,
        %(root_capacity)s, %(running)s, %(total_capacity)s, %(total_running)s,
        %(shared_load)s, %(note)s,
        EXISTS (SELECT 1 FROM ir_config_parameter WHERE key = '{DRAINED_BY}'))
ON CONFLICT (uuid) DO UPDATE
   SET last_seen = excluded.last_seen, listening = excluded.listening,
       root_capacity = excluded.root_capacity, running = excluded.running,
       total_capacity = excluded.total_capacity,
       total_running = excluded.total_running,
       shared_load = excluded.shared_load,
       note = excluded.note, drained = excluded.drained
RETURNING leader
"""
# A leadership epoch begins: leases of the last one claim no further jobs.
NEW_EPOCH = "UPDATE queue_job_runner SET uuid = %(new)s WHERE uuid = %(old)s"
# The runner that led until now leads no more: its leases claim no further jobs.
TAKE_OVER = "UPDATE queue_job_runner SET leader = FALSE WHERE leader"
RESIGN = "DELETE FROM queue_job_runner WHERE uuid = %(uuid)s"
FORGET_OLD_RUNNERS = f"""
DELETE FROM queue_job_runner
 WHERE last_seen IS NULL
    OR last_seen NOT BETWEEN {UTC_NOW} - interval '1 hour'
                         AND {UTC_NOW} + interval '1 hour'
"""

# Dead jobs in one go, for code that knows ``Database.requeue_dead_jobs``: claimed or
# started for ten seconds and more, and no live session behind them.
REQUEUE_DEAD_NOW = f"""
UPDATE queue_job j
   SET state = CASE WHEN exhausted THEN 'failed' ELSE 'pending' END,
       retry = CASE WHEN dead.state = 'started' THEN {_NEXT_ATTEMPT}
                    ELSE coalesce(retry, 0) END,
       exc_name = CASE WHEN exhausted THEN 'JobFoundDead' ELSE exc_name END,
       exc_info = CASE WHEN exhausted THEN 'Job found dead after too many retries'
                       ELSE exc_info END,
       claim_token = {next_token("claim_token")}, lease_id = NULL,
       date_runnable = {UTC_NOW}, date_enqueued = NULL, date_started = NULL
  FROM (SELECT id, state,
               state = 'started' AND max_retries > 0
               AND {_NEXT_ATTEMPT} >= max_retries AS exhausted
          FROM queue_job j
         WHERE state IN ('enqueued', 'started')
           AND coalesce(date_enqueued, date_started, date_created)
               < {UTC_NOW} - interval '10 seconds'
           AND NOT EXISTS (SELECT 1 FROM ({HELD}) held WHERE {SHOWS_LIFE})
           FOR NO KEY UPDATE SKIP LOCKED) AS dead
 WHERE j.id = dead.id
RETURNING j.uuid
"""
