# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Sums up what the leases report, and writes the sums every few seconds.

The rows are those of ``queue.job.statistic``: one for each minute, job function,
channel and company, and one without a minute, which adds up all minutes. Those of an
hour are in a table of their own, with finer classes of times: figures of weeks are read
from there. Counting here costs the jobs nothing; what a killed runner had not written
is lost.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .series import Series

#: Upper bounds, in seconds, of the classes of run and wait times; the last has none.
BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0)

#: The same of an hour: six for each power of ten, from a millisecond to a day, so that
#: a median can be told to a fifth.
FINE_BOUNDS = tuple(round(10 ** (number / 6 - 3), 6) for number in range(49))

#: Characters of the names that are kept: both are parts of an index.
LONGEST_NAME = 250

#: Seconds between two writes.
FLUSH_INTERVAL = 5.0

#: What counts for which final or next state of an attempt.
COLUMN_OF = {
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "pending": "retried",
    "wait_dependencies": "retried",
}

_KEYS = ("minute", "function", "channel", "company")
_SUMMED = ("done", "failed", "retried", "cancelled", "run_seconds", "wait_seconds")
_HISTOGRAMS = ("run_histogram", "wait_histogram")
_FINE_HISTOGRAMS = ("run_classes", "wait_classes")


def _additions(alias: str, histograms: tuple[str, ...]) -> str:
    """Assignments that add what is inserted to a row; histograms class by class."""
    sums = [
        f"{name} = coalesce({alias}.{name}, 0) + excluded.{name}" for name in _SUMMED
    ]
    arrays = [
        f"{name} = ARRAY(SELECT coalesce(a, 0) + b"
        f" FROM unnest({alias}.{name}, excluded.{name}) AS pair(a, b))"
        for name in histograms
    ]
    return ",\n       ".join(sums + arrays)


def _add(
    table: str,
    moment: tuple[str, str],
    conflict: str,
    histograms: tuple[str, ...] = _HISTOGRAMS,
) -> str:
    """The statement that adds sums to one row.

    :param table: with its alias, one letter
    :param moment: column and value, in SQL, of the time of the row
    :param conflict: the unique index that finds the row
    :param histograms: of the table
    """
    alias, (column, value) = table[-1], moment
    arrays = ", ".join(histograms)
    values = ", ".join(f"%({name})s" for name in histograms)
    return f"""
INSERT INTO {table}
       ({column}, function, channel, company, done, failed, retried, cancelled,
        run_seconds, run_max, wait_seconds, wait_max, {arrays})
VALUES ({value}, %(function)s, %(channel)s, %(company)s, %(done)s, %(failed)s,
        %(retried)s, %(cancelled)s, %(run_seconds)s, %(run_max)s, %(wait_seconds)s,
        %(wait_max)s, {values})
ON CONFLICT {conflict} DO UPDATE
   SET run_max = greatest({alias}.run_max, excluded.run_max),
       wait_max = greatest({alias}.wait_max, excluded.wait_max),
       {_additions(alias, histograms)}
"""


_TOTALS = _add(
    "queue_job_statistic AS t",
    ("minute", "NULL"),
    "(function, channel, company) WHERE minute IS NULL",
)
_HOURS = _add(
    "queue_job_statistic_hour AS h",
    ("hour", "date_trunc('hour', %(minute)s::timestamp)"),
    "(function, hour, channel, company)",
    _FINE_HISTOGRAMS,
)
_MINUTES = _add(
    "queue_job_statistic AS s",
    ("minute", "%(minute)s"),
    "(minute, function, channel, company) WHERE minute IS NOT NULL",
)

# Adds sums to those of their minute, of its hour, and to the totals.
ADD = f"""
WITH total AS ({_TOTALS}), hour AS ({_HOURS})
{_MINUTES}
"""

# Counts the workers that died while they ran these jobs.
COUNT_DEAD = f"""
INSERT INTO queue_job_statistic AS t
       (function, channel, company, done, failed, retried, cancelled, dead,
        run_seconds, wait_seconds)
SELECT left(coalesce(channel_method_name, '?'), {LONGEST_NAME}),
       left(coalesce(channel, 'root'), {LONGEST_NAME}), coalesce(company_id, 0),
       0, 0, 0, 0, count(*), 0, 0
  FROM queue_job WHERE id = ANY(%(ids)s)
 GROUP BY 1, 2, 3
ON CONFLICT (function, channel, company) WHERE minute IS NULL
   DO UPDATE SET dead = coalesce(t.dead, 0) + excluded.dead
"""


def _classes() -> list[int]:
    return [0] * (len(BOUNDS) + 1)


def _fine_classes() -> list[int]:
    return [0] * (len(FINE_BOUNDS) + 1)


@dataclass
class Sums:
    """What one job function did in one channel during one minute."""

    done: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    run_seconds: float = 0.0
    run_max: float = 0.0
    wait_seconds: float = 0.0
    wait_max: float = 0.0
    run_histogram: list[int] = field(default_factory=_classes)
    wait_histogram: list[int] = field(default_factory=_classes)
    run_classes: list[int] = field(default_factory=_fine_classes)
    wait_classes: list[int] = field(default_factory=_fine_classes)

    def add(self, state: str, run: float, wait: float) -> None:
        """Add one attempt: the state it led to, its run time and its wait."""
        column = COLUMN_OF.get(state, "retried")
        setattr(self, column, getattr(self, column) + 1)
        self.run_seconds += run
        self.run_max = max(self.run_max, run)
        self.wait_seconds += wait
        self.wait_max = max(self.wait_max, wait)
        self.run_histogram[bisect_left(BOUNDS, run)] += 1
        self.wait_histogram[bisect_left(BOUNDS, wait)] += 1
        self.run_classes[bisect_left(FINE_BOUNDS, run)] += 1
        self.wait_classes[bisect_left(FINE_BOUNDS, wait)] += 1


class Statistics:
    """The sums of one database which are not written yet."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
        self.series = Series()

    def add(self, outcomes: list[dict[str, Any]], now: datetime | None = None) -> None:
        """Add the outcomes of a lease's report."""
        now = now or datetime.now(timezone.utc)
        minute = now.replace(second=0, microsecond=0, tzinfo=None)
        for entry in outcomes:
            function = (entry["function"] or "?")[:LONGEST_NAME]
            channel = (entry["channel"] or "root")[:LONGEST_NAME]
            company = entry.get("company") or 0
            key = (minute, *self.series.of(function, channel), company)
            self._sums[key].add(entry["state"], entry["seconds"], entry["wait"])

    def take(self) -> list[dict[str, Any]]:
        """Return the parameters of ``ADD`` for each row, and begin anew."""
        sums, self._sums = self._sums, defaultdict(Sums)
        return [
            {**dict(zip(_KEYS, key, strict=True)), **vars(each)}
            for key, each in sums.items()
        ]
