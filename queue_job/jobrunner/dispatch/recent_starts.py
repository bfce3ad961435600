# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What has started of late in channels with a rate, as the table has it.

A runner that begins to lead, or hears of a new rate, looks once, before it starts
anything; from then on it counts what it starts. So a failover does not let more start
than the rate says. It looks again when a lease with reserved starts is busy with a long
job: how many of them the lease has made is in the table.
"""

import time
from typing import Any

from ...claim.claims import UTC_NOW, seconds_since
from ..channels import ChannelManager

# The ages in seconds of the last starts in a channel and below. Done jobs are read
# through the index on (channel, date_done), channel by channel: a job that has started
# within the period was not done before. Attempts that did not end well are in their own
# table, what runs is in flight. A start in the future would close the channel until
# then.
_RECENT_STARTS = f"""
WITH RECURSIVE names AS (
    (SELECT channel FROM queue_job WHERE date_done IS NOT NULL
      ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT j.channel FROM queue_job j
             WHERE j.date_done IS NOT NULL AND j.channel > names.channel
             ORDER BY j.channel LIMIT 1)
      FROM names WHERE names.channel IS NOT NULL
), since AS (
    SELECT {UTC_NOW} - {{period}} * interval '1 second' AS moment
), starts AS (
    SELECT done.channel, done.date_started AS moment
      FROM since CROSS JOIN names CROSS JOIN LATERAL (
           SELECT channel, date_started FROM queue_job
            WHERE date_done IS NOT NULL AND channel = names.channel
              AND date_done > since.moment) done
    UNION ALL
    SELECT channel, coalesce(date_started, date_enqueued)
      FROM queue_job WHERE state IN ('enqueued', 'started')
    UNION ALL
    SELECT j.channel, attempt.date_start
      FROM since JOIN queue_job_attempt attempt ON attempt.date_start > since.moment
      JOIN queue_job j ON j.id = attempt.job_id
)
SELECT {seconds_since("starts.moment")} AS age
  FROM starts CROSS JOIN since
 WHERE starts.moment > since.moment AND starts.moment <= {UTC_NOW}
   AND starts_with(coalesce(channel, 'root') || '.', {{channel}} || '.')
 ORDER BY age LIMIT {{limit}}
"""
RECENT_STARTS = _RECENT_STARTS.format(
    channel="%(channel)s", period="%(period)s", limit="%(limit)s"
)

# The same of several channels at once: channels, periods, limits.
RECENT_STARTS_OF_SEVERAL = f"""
SELECT asked.channel, recent.age
  FROM unnest(%(channels)s::text[], %(periods)s::float[], %(limits)s::int[])
       AS asked (channel, period, most)
 CROSS JOIN LATERAL ({
    _RECENT_STARTS.format(
        channel="asked.channel", period="asked.period", limit="asked.most"
    )
}) recent
 ORDER BY recent.age
"""


def count_recent_starts(database: Any, manager: ChannelManager) -> None:
    """Tell the channels with a new rate what has started in them."""
    for channel, rate in manager.uncounted_rates():
        asked = time.time()
        rows = database.rows(
            RECENT_STARTS,
            {
                "channel": channel.fullname,
                "period": rate.period,
                "limit": rate.number,
            },
        )
        now = time.time()
        manager.count_starts(channel, [now - row["age"] for row in rows], asked)
