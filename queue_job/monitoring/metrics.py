# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The figures of the queue in Prometheus' terms.

All of them come from the database, so that any process of any server answers the
same. None counts the table of jobs: what waits, runs or has failed is read from
partial indexes and counted up to `CAP` in each channel; what is over comes from the
totals, which the runner keeps. `queue_job_state_jobs` goes beyond the cap by
PostgreSQL's own estimate.

``prometheus_client`` writes the text. It is optional: without it there are no metrics.
"""

import time
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter

from ..claim.claims import seconds_since
from ..core.states import FAILED, PENDING
from ..storage.retention import NO_JIT
from . import dashboard_queries as queries
from .effective_settings import (
    configured_channels,
    effective_settings,
    maxima_of,
)
from .health import DANGER, is_alive
from .series import REST, Series
from .statistics import BOUNDS

try:
    from prometheus_client import exposition
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
except ImportError:
    exposition = None

#: Jobs of a channel and state are not counted further than this.
CAP = 20_000

#: Channels of a state that are counted apart; the jobs of all others are `REST`.
MOST_CHANNELS = 500

#: Outcomes of attempts: columns of the totals.
OUTCOMES = ("done", "failed", "retried", "cancelled", "dead")

# Hops through an index that begins with the channel, and counts in each one.
BY_CHANNEL = """
WITH RECURSIVE names AS (
    (SELECT channel FROM queue_job WHERE {condition} ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT job.channel FROM queue_job job
             WHERE {condition} AND job.channel > names.channel
             ORDER BY job.channel LIMIT 1)
      FROM names WHERE names.channel IS NOT NULL
)
SELECT channel, (SELECT count(*)
                   FROM (SELECT FROM queue_job job
                          WHERE {condition} AND job.channel = names.channel
                          LIMIT {cap}) AS counted) AS jobs
  FROM names WHERE channel IS NOT NULL
 LIMIT {most}
"""

#: state -> its jobs by channel; "scheduled" are those that wait for their date, "held"
#: those that wait for others of their key.
CHANNEL_COUNTS = {
    state: BY_CHANNEL.format(condition=condition, cap=CAP, most=MOST_CHANNELS)
    for state, condition in (
        (PENDING, queries.READY),
        ("scheduled", queries.SCHEDULED),
        ("held", queries.HELD),
        (FAILED, "state = 'failed'"),
    )
}

IN_FLIGHT = """
SELECT coalesce(nullif(channel, ''), 'root') AS channel, state, count(*) AS jobs
  FROM queue_job
 WHERE state IN ('enqueued', 'started')
 GROUP BY 1, 2
"""
LEASES = f"""
SELECT count(DISTINCT lease_id) AS leases,
       least(coalesce(max({seconds_since("date_started")}), 0), {queries.LONGEST})
           AS longest
  FROM queue_job
 WHERE state IN ('enqueued', 'started')
"""

# One row for each function, channel and company.
TOTALS = """
SELECT * FROM queue_job_statistic WHERE minute IS NULL ORDER BY function, channel
"""


def is_available() -> bool:
    """Whether the library is there."""
    return exposition is not None


def exposition_text(env) -> tuple[bytes, str]:
    """Return the metrics of a database, and their content type."""
    text = exposition.generate_latest(Collector(env))
    return text, exposition.CONTENT_TYPE_LATEST


class Collector:
    """What `prometheus_client` asks for the metrics."""

    def __init__(self, env):
        self.env = env
        self.dashboard = env["queue.job.dashboard"]

    def collect(self) -> Iterator:
        """Yield all families of metrics."""
        began = time.monotonic()
        self.env.cr.execute(NO_JIT)
        waiting = self.dashboard._all_waiting()
        runners = self._rows(queries.RUNNERS)
        yield from self._jobs()
        yield from self._waits(waiting)
        yield from self._channels()
        yield from self._leases()
        yield from self._totals()
        yield from self._runners(runners)
        yield from self._health(waiting, runners)
        yield _gauge(
            "queue_job_collect_seconds",
            "Seconds the database took to answer for these metrics.",
            (),
            [((), time.monotonic() - began)],
        )

    def _rows(self, query):
        self.env.cr.execute(query)
        return self.env.cr.dictfetchall()

    def _jobs(self):
        states = self.dashboard._states()
        rows = [
            ((channel, state), jobs)
            for state, query in CHANNEL_COUNTS.items()
            for channel, jobs in with_rest(self._rows(query), states[state]["count"])
        ]
        rows += [
            ((row["channel"], row["state"]), row["jobs"])
            for row in self._rows(IN_FLIGHT)
        ]
        yield _gauge(
            "queue_job_jobs",
            f"Jobs that are not over, counted up to {CAP} by channel and state.",
            ("channel", "state"),
            rows,
        )
        yield _gauge(
            "queue_job_state_jobs",
            "Jobs that are not over, by state; large numbers are estimates.",
            ("state",),
            [((state,), entry["count"]) for state, entry in states.items()],
        )

    def _waits(self, waiting):
        yield _gauge(
            "queue_job_oldest_waiting_seconds",
            "Seconds for which the oldest waiting job of a channel could have run.",
            ("channel",),
            [((row["channel"],), row["oldest"]) for row in waiting],
        )

    def _channels(self):
        configured = configured_channels()[0]
        maxima = maxima_of(self.env.cr.dbname)
        channels = self.env["queue.job.channel"].search(queries.ALL_CHANNELS)
        records = {channel.complete_name: channel for channel in channels}
        settings = {
            name: effective_settings(name, records.get(name), configured, maxima)
            for name in sorted({"root", *records, *configured})
        }
        yield _gauge(
            "queue_job_channel_capacity",
            "How many jobs of a channel may run at once.",
            ("channel",),
            [((name,), _or_inf(each["capacity"])) for name, each in settings.items()],
        )
        yield _gauge(
            "queue_job_channel_paused",
            "1 where a channel is paused.",
            ("channel",),
            [((name,), int(each["paused"])) for name, each in settings.items()],
        )

    def _leases(self):
        (row,) = self._rows(LEASES)
        yield _gauge("queue_job_leases", "Leases in flight.", (), [((), row["leases"])])
        yield _gauge(
            "queue_job_longest_running_seconds",
            "Seconds for which the longest of the running jobs has been running.",
            (),
            [((), row["longest"])],
        )

    def _totals(self):
        # the oldest first: the same ones are summed up as `REST` each time
        rows, series = sorted(self._rows(TOTALS), key=itemgetter("id")), Series()
        for row in rows:
            names = series.of(row["function"], row["channel"])
            row["function"], row["channel"] = names
        attempts = CounterMetricFamily(
            "queue_job_attempts",
            f"Attempts that ended, by outcome: {', '.join(OUTCOMES)}.",
            labels=("function", "channel", "outcome"),
        )
        counts = Counter()
        for row in rows:
            for outcome in OUTCOMES:
                labels = (row["function"], row["channel"], outcome)
                counts[labels] += row[outcome] or 0
        for labels, count in counts.items():
            attempts.add_metric(labels, count)
        yield attempts
        yield _histogram(rows, "run", "Run times of attempts.")
        yield _histogram(rows, "wait", "Times between being due and starting.")

    def _runners(self, runners):
        keys = [(row["host"] or "", str(row["pid"] or "")) for row in runners]
        for name, help_text, values in (
            ("heartbeat_age_seconds", "Seconds since the last sign of a job runner.",
             [row["age"] for row in runners]),
            ("leader", "1 for the job runner that schedules the jobs.",
             [int(bool(row["leader"]) and is_alive(row["age"])) for row in runners]),
            ("listening", "1 where notifications of the database arrive.",
             [int(bool(row["listening"])) for row in runners]),
            ("running_jobs", "Jobs in flight, as the job runner counts them.",
             [row["running"] or 0 for row in runners]),
        ):  # fmt: skip
            rows = list(zip(keys, values, strict=True))
            yield _gauge(f"queue_job_runner_{name}", help_text, ("host", "pid"), rows)

    def _health(self, waiting, runners):
        problems = self.dashboard._problems(waiting, runners)
        healthy = not any(problem["level"] == DANGER for problem in problems)
        yield _gauge(
            "queue_job_healthy",
            "0 while jobs do not run (see /queue_job/health).",
            (),
            [((), int(healthy))],
        )
        yield _gauge(
            "queue_job_problem",
            "1 for each problem that there is now.",
            ("code", "level"),
            [((problem["code"], problem["level"]), 1) for problem in problems],
        )


def with_rest(rows: list[dict], total: int) -> list[tuple[str, int]]:
    """Return the jobs of each channel, and those of all others as `REST`.

    :param rows: channel and jobs of `MOST_CHANNELS` channels at most
    :param total: the jobs of all channels
    """
    counts = [(row["channel"], row["jobs"]) for row in rows]
    if len(rows) < MOST_CHANNELS:
        return counts
    return [*counts, (REST, max(0, total - sum(jobs for _name, jobs in counts)))]


def _or_inf(limit):
    return float("inf") if limit is None else limit


def _gauge(name, help_text, labels, rows):
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, number in rows:
        family.add_metric([value or "" for value in values], number)
    return family


def _histogram(rows, kind, help_text):
    """One histogram for each job function, over all its channels."""
    family = HistogramMetricFamily(
        f"queue_job_{kind}_seconds", help_text, labels=("function",)
    )
    sums = {}
    for row in rows:
        counts, seconds = sums.get(row["function"], ([0] * (len(BOUNDS) + 1), 0.0))
        added = row[f"{kind}_histogram"] or [0] * len(counts)
        counts = [a + (b or 0) for a, b in zip(counts, added, strict=False)]
        sums[row["function"]] = (counts, seconds + (row[f"{kind}_seconds"] or 0))
    for function, (counts, seconds) in sums.items():
        family.add_metric([function], _buckets(counts), seconds)
    return family


def _buckets(counts):
    """Return [(upper bound, number of values up to it)], as Prometheus wants it."""
    total, buckets = 0, []
    for bound, count in zip((*BOUNDS, None), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound is None else str(bound), total))
    return buckets
