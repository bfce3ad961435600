# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The statements that keep the kinds of failures up to date, all kinds at once.

They read the failed jobs by the index on (failure_kind, company_id, failed_at), most
of them without looking at the table.
"""

#: Seconds of the periods that are compared.
DAY = 86400

# One transaction at a time; what it writes another one need not write again.
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('queue_job_failure_kind'))"

# Jobs that failed without saying in which way: by SQL, by the ORM, or long ago.
UNSORTED = """
SELECT id, coalesce(channel_method_name, '<' || model_name || '>.' || method_name, ''),
       exc_name, left(exc_message, %(longest)s)
  FROM queue_job
 WHERE state = 'failed' AND failure_kind IS NULL
 LIMIT %(limit)s
   FOR NO KEY UPDATE SKIP LOCKED
"""
SORT = """
UPDATE queue_job job
   SET failure_kind = sorted.kind,
       failed_at = coalesce(
           job.failed_at,
           (SELECT max(date_end) FROM queue_job_attempt WHERE job_id = job.id),
           job.date_started, job.date_created)
  FROM unnest(%(ids)s::int[], %(kinds)s::text[]) AS sorted(id, kind)
 WHERE job.id = sorted.id
"""

_NOW = "%(now)s::timestamp"
_FAILED = f"""
    SELECT failure_kind, company_id, count(*) AS jobs,
           min(failed_at) AS first, max(failed_at) AS last,
           count(*) FILTER (
               WHERE failed_at > {_NOW} - interval '{DAY} s') AS day,
           count(*) FILTER (
               WHERE failed_at > {_NOW} - interval '{2 * DAY} s'
                 AND failed_at <= {_NOW} - interval '{DAY} s') AS day_before
      FROM queue_job
     WHERE state = 'failed' AND failure_kind IS NOT NULL
     GROUP BY failure_kind, company_id
"""

# The kinds that have no row yet, each with one of its jobs.
NEW = f"""
WITH failed AS ({_FAILED})
SELECT failed.failure_kind, failed.company_id, failed.first, failed.last,
       coalesce(job.channel_method_name,
                '<' || job.model_name || '>.' || job.method_name, '') AS function,
       job.exc_name, left(job.exc_message, %(longest)s) AS message
  FROM failed
 CROSS JOIN LATERAL (
       SELECT channel_method_name, model_name, method_name, exc_name, exc_message
         FROM queue_job
        WHERE state = 'failed' AND failure_kind = failed.failure_kind
          AND company_id IS NOT DISTINCT FROM failed.company_id
        LIMIT 1) AS job
 WHERE NOT EXISTS (
       SELECT FROM queue_job_failure_kind kind
        WHERE kind.fingerprint = failed.failure_kind
          AND kind.company_id IS NOT DISTINCT FROM failed.company_id)
"""
ADD = """
INSERT INTO queue_job_failure_kind
       (fingerprint, company_id, function, exc_name, wording, module, state,
        first_seen, last_seen, job_count, day_count, day_before_count)
VALUES (%(failure_kind)s, %(company_id)s, %(function)s, %(exc_name)s, %(wording)s,
        %(module)s, 'open', %(first)s, %(last)s, 0, 0, 0)
"""

# Writes the kinds whose figures have changed, and tells of those that were seen again
# since somebody ignored them or called them solved.
COUNT = f"""
WITH failed AS ({_FAILED}), figures AS (
    SELECT kind.id, kind.last_seen AS before,
           coalesce(failed.jobs, 0) AS jobs,
           coalesce(failed.day, 0) AS day,
           coalesce(failed.day_before, 0) AS day_before,
           LEAST(kind.first_seen, failed.first) AS first,
           GREATEST(kind.last_seen, failed.last) AS last
      FROM queue_job_failure_kind kind
      LEFT JOIN failed ON failed.failure_kind = kind.fingerprint
       AND failed.company_id IS NOT DISTINCT FROM kind.company_id
)
UPDATE queue_job_failure_kind kind
   SET job_count = figures.jobs, day_count = figures.day,
       day_before_count = figures.day_before, first_seen = figures.first,
       last_seen = figures.last
  FROM figures
 WHERE kind.id = figures.id
   AND (kind.job_count, kind.day_count, kind.day_before_count, kind.first_seen,
        kind.last_seen)
       IS DISTINCT FROM (figures.jobs, figures.day, figures.day_before,
                         figures.first, figures.last)
RETURNING kind.id, kind.state, kind.state_date, kind.module, figures.before,
          kind.last_seen AS last, kind.day_count AS day, kind.ignored_count
"""
REOPEN = """
UPDATE queue_job_failure_kind
   SET state = 'open', came_back = %(reason)s, state_date = %(now)s,
       trial_ids = NULL, trial_date = NULL, trial_user_id = NULL
 WHERE id = %(id)s
"""

# To the second, as the failures. What was there first has no date.
LAST_CHANGE = """
SELECT date_trunc('second', max(date)) FROM queue_job_module_version
 WHERE %(module)s IS NULL OR module = %(module)s
"""
VERSIONS_AT = """
SELECT DISTINCT ON (module) module, version
  FROM queue_job_module_version
 WHERE date IS NULL OR date_trunc('second', date) <= %(date)s
 ORDER BY module, date DESC NULLS LAST
"""

# The records of the latest failed jobs of a kind, as they are stored.
RECORDS = """
SELECT records #>> '{}'
  FROM queue_job
 WHERE state = 'failed' AND failure_kind = %(kind)s
   AND company_id IS NOT DISTINCT FROM %(company_id)s
 ORDER BY failed_at DESC
 LIMIT %(limit)s
"""
