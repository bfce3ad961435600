# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The statements behind the pages of job functions.

All read the sums of the hours, which are few, for the companies that the user sees; the
failed jobs are read from their partial index, up to `CAP`.
"""

from ..core.states import FAILED
from ..storage.odd_rows import readable
from .dashboard_queries import CAP, OUTCOMES, VISIBLE, VISIBLE_SUM
from .statistics import FINE_BOUNDS


def _classes(column: str) -> str:
    """The sum of a histogram, class by class."""
    sums = (
        f"coalesce(sum({column}[{number}]), 0)::int"
        for number in range(1, len(FINE_BOUNDS) + 2)
    )
    return f"ARRAY[{', '.join(sums)}]"


# Everything that ran in a month, and whatever has a total since the installation.
NAMES = f"""
SELECT function, max(hour) AS last_run
  FROM (SELECT function, hour FROM queue_job_statistic_hour WHERE {VISIBLE_SUM}
         UNION ALL
        SELECT function, NULL FROM queue_job_statistic
         WHERE minute IS NULL AND {VISIBLE_SUM}) AS known
 GROUP BY function
"""

# What each function did since a moment, and before it.
SPANS = f"""
SELECT function, hour >= %(middle)s AS is_recent,
       {OUTCOMES},
       max(run_max)::float AS run_max, {_classes("run_classes")} AS run_classes
  FROM queue_job_statistic_hour
 WHERE hour >= %(since)s AND {VISIBLE_SUM}
 GROUP BY 1, 2
"""

# The same of one function, with its waits.
SPANS_OF_ONE = f"""
SELECT hour >= %(middle)s AS is_recent,
       {OUTCOMES},
       sum(run_seconds)::float AS run_seconds, max(run_max)::float AS run_max,
       max(wait_max)::float AS wait_max,
       {_classes("run_classes")} AS run_classes,
       {_classes("wait_classes")} AS wait_classes
  FROM queue_job_statistic_hour
 WHERE function = %(function)s AND hour >= %(since)s AND {VISIBLE_SUM}
 GROUP BY 1
"""

SERIES_OF_ONE = f"""
SELECT floor(extract(epoch FROM hour) / %(step)s)::bigint * %(step)s AS time,
       {OUTCOMES},
       max(run_max)::float AS run_max, {_classes("run_classes")} AS run_classes
  FROM queue_job_statistic_hour
 WHERE function = %(function)s AND hour >= %(since)s AND {VISIBLE_SUM}
 GROUP BY 1
"""

# The failed jobs of one function, by exception.
FAILURES_OF_ONE = f"""
SELECT exc_name, count(*) AS count, max({readable("date_started")}) AS last
  FROM (SELECT exc_name, date_started, channel_method_name
          FROM queue_job
         WHERE state = '{FAILED}' AND {VISIBLE}
         LIMIT {CAP}) AS capped
 WHERE channel_method_name = %(function)s
 GROUP BY 1
 ORDER BY 2 DESC, 1
 LIMIT 20
"""
