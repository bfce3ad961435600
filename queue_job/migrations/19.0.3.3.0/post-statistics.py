# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sums of the hours, from those of the minutes.

Their classes of times are finer than those of the minutes: medians begin with the next
run. The script can be run again.
"""

FILL_HOURS = """
INSERT INTO queue_job_statistic_hour
       (hour, function, channel, company, done, failed, retried, cancelled,
        run_seconds, run_max, wait_seconds, wait_max)
SELECT date_trunc('hour', minute), function, channel, coalesce(company, 0),
       sum(done), sum(failed), sum(retried), sum(cancelled),
       sum(run_seconds), max(run_max), sum(wait_seconds), max(wait_max)
  FROM queue_job_statistic
 WHERE minute IS NOT NULL
 GROUP BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""


def migrate(cr, version: str | None) -> None:
    """Sum up the minutes that there are.

    :param version: that is installed; none at a fresh installation
    """
    if version:
        cr.execute(FILL_HOURS)
