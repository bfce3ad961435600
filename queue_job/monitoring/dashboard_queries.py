# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The statements behind the dashboard.

None of them counts the table of jobs: what waits, runs or has failed is read from
partial indexes and counted up to `CAP`; what is over comes from the statistics. A
count that reaches the cap is replaced by PostgreSQL's own estimate of the index.
"""

from ..claim.claims import NOT_BLOCKED, UTC_NOW, seconds_since
from ..core.states import ENQUEUED, FAILED, PENDING, STARTED, WAIT_DEPENDENCIES
from ..core.waits import SINCE
from ..storage.odd_rows import readable

#: Nothing is counted further than this.
CAP = 10000

#: Seconds of the longest wait that is shown; an odd row may have been there for ever.
LONGEST = 1e9

#: Priorities of all channels that are looked at to find the oldest waiting job.
MAX_HEADS = 500

#: A tree of channels is small, and all of it is shown.
ALL_CHANNELS = [("complete_name", "!=", False)]

# What somebody sees who may look into `companies`; NULL are all of them. PostgreSQL
# drops the condition then, for the value is a part of the text.
VISIBLE = (
    "(%(companies)s::int[] IS NULL OR company_id IS NULL"
    " OR company_id = ANY(%(companies)s))"
)
VISIBLE_SUM = (
    "(%(companies)s::int[] IS NULL OR company = 0 OR company = ANY(%(companies)s))"
)

READY = "state = 'pending' AND scheduled IS NOT TRUE"
SCHEDULED = f"state = 'pending' AND scheduled AND {NOT_BLOCKED}"
HELD = "state = 'pending' AND gate_state IN ('new', 'waiting')"

#: state -> (condition which a partial index answers, name of this index)
COUNTED = {
    WAIT_DEPENDENCIES: ("state = 'wait_dependencies'", "queue_job_waiting_idx"),
    "scheduled": (SCHEDULED, "queue_job_due_idx"),
    "held": (HELD, "queue_job_held_idx"),
    PENDING: (READY, "queue_job_ready_idx"),
    ENQUEUED: ("state = 'enqueued'", "queue_job_in_flight_idx"),
    STARTED: ("state = 'started'", "queue_job_in_flight_idx"),
    FAILED: ("state = 'failed'", "queue_job_failed_channel_idx"),
}

COUNTS = " UNION ALL ".join(
    f"""
    SELECT '{state}' AS state, '{index}' AS index,
           (SELECT count(*) FROM (
               SELECT FROM queue_job
                WHERE {condition} AND {VISIBLE} LIMIT {CAP}) AS capped)"""
    for state, (condition, index) in COUNTED.items()
)

ESTIMATE = """
SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)
"""

_SINCE = ", ".join(SINCE)

# What waits in each channel, and since when. The recursion hops through the index on
# (channel, priority, date_created): the first job of each priority is its oldest.
WAITING = f"""
WITH RECURSIVE heads AS (
    (SELECT channel, priority, {_SINCE}
       FROM queue_job
      WHERE {READY} AND channel IS NOT NULL AND priority IS NOT NULL
        AND {VISIBLE}
      ORDER BY channel, priority, date_created, id
      LIMIT 1)
    UNION ALL
    SELECT following.*
      FROM heads
     CROSS JOIN LATERAL (
           SELECT channel, priority, {_SINCE}
             FROM queue_job
            WHERE {READY} AND (channel, priority) > (heads.channel, heads.priority)
              AND {VISIBLE}
            ORDER BY channel, priority, date_created, id
            LIMIT 1) AS following
), channels AS (
    SELECT channel,
           max({seconds_since(f"GREATEST({_SINCE})")}) AS oldest
      FROM (SELECT * FROM heads LIMIT {MAX_HEADS}) AS capped
     GROUP BY channel
)
SELECT channel, LEAST(GREATEST(oldest, 0), {LONGEST}) AS oldest, (
           SELECT count(*) FROM (
               SELECT FROM queue_job
                WHERE {READY} AND channel = channels.channel AND {VISIBLE}
                LIMIT {CAP}) AS capped)
       AS waiting
  FROM channels
"""

IN_FLIGHT = f"""
SELECT coalesce(nullif(channel, ''), 'root') AS channel, count(*) AS running
  FROM queue_job
 WHERE state IN ('enqueued', 'started') AND {VISIBLE}
 GROUP BY 1
"""

# Who runs jobs now.
WORKERS = """
SELECT worker_host AS host, worker_pid AS pid, count(*) AS running
  FROM queue_job
 WHERE state = 'started'
 GROUP BY worker_host, worker_pid
 ORDER BY worker_host, worker_pid
 LIMIT 100
"""

RUNNERS = f"""
SELECT host, pid, leader, listening, root_capacity, running, note,
       {seconds_since("last_seen")} AS age
  FROM queue_job_runner
 WHERE last_seen BETWEEN {UTC_NOW} - interval '1 year' AND {UTC_NOW} + interval '1 hour'
 ORDER BY last_seen DESC
 LIMIT 20
"""

OUTCOMES = """
       COALESCE(sum(done), 0)::int AS done,
       COALESCE(sum(failed), 0)::int AS failed,
       COALESCE(sum(retried), 0)::int AS retried,
       (COALESCE(sum(done), 0) + COALESCE(sum(failed), 0) + COALESCE(sum(retried), 0)
           + COALESCE(sum(cancelled), 0))::int AS attempts"""
SERIES = f"""
SELECT floor(extract(epoch FROM minute) / %(step)s)::bigint * %(step)s AS time,
       {OUTCOMES},
       sum(wait_seconds)::float AS wait_seconds, max(wait_max)::float AS wait_max
  FROM queue_job_statistic
 WHERE minute >= %(since)s AND {VISIBLE_SUM}
   AND (%(channel)s::text IS NULL
        OR starts_with(channel || '.', %(channel)s::text || '.'))
 GROUP BY 1
 ORDER BY 1
"""

_CLASSES = ", ".join(f"sum(run_histogram[{i}])::int" for i in range(1, 11))
FUNCTIONS = f"""
SELECT function,
       {OUTCOMES},
       sum(run_seconds)::float AS run_seconds, max(run_max)::float AS run_max,
       ARRAY[{_CLASSES}] AS histogram, max(minute) AS last_run
  FROM queue_job_statistic
 WHERE minute >= %(since)s AND {VISIBLE_SUM}
   AND (%(functions)s IS NULL OR function = ANY(%(functions)s))
 GROUP BY function
"""

# The failed jobs of each kind, the most frequent first, and how many kinds there are.
# A job without a kind is sorted when somebody opens the list of kinds.
FAILURES = f"""
SELECT channel_method_name AS function, exc_name, failure_kind AS kind,
       count(*) AS count, max(exc_message) AS message,
       max({readable("failed_at")}) AS last, count(*) OVER () AS kinds
  FROM (SELECT channel_method_name, exc_name, failure_kind, failed_at,
               left(exc_message, 500) AS exc_message
          FROM queue_job
         WHERE state = 'failed'
           AND {VISIBLE}
         LIMIT {CAP}) AS capped
 GROUP BY 1, 2, 3
 ORDER BY 4 DESC, 1, 2, 3
 LIMIT 10
"""
