# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Figures that a long loop adds up over all attempts of its job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .reporting import current_run

PREFIX = "tally:"

ADD = """
INSERT INTO queue_job_progress (job_id, key, value, active) VALUES (%s, %s, %s, FALSE)
    ON CONFLICT (job_id, key)
    DO UPDATE SET value = queue_job_progress.value + excluded.value
"""
READ = """
SELECT key, value FROM queue_job_progress WHERE job_id = %s AND starts_with(key, %s)
"""


class Tally:
    """Counts by name. In a job they are committed with its work, as its position is.

    :param env: of the job; outside of jobs the counts are in memory only
    """

    def __init__(self, env) -> None:
        self.cr = env.cr
        self.run = current_run(env)
        self._counts: Counter[str] = Counter()

    def add(self, counts: Mapping[str, int]) -> None:
        """Add numbers to the counts of these names."""
        if self.run is None:
            self._counts.update(counts)
            return
        for name, count in counts.items():
            if count:
                self.cr.execute(ADD, (self.run.job.id, PREFIX + name, count))

    def total(self) -> Counter[str]:
        """Return the counts of this attempt and of those before it."""
        if self.run is None:
            return self._counts
        self.cr.execute(READ, (self.run.job.id, PREFIX))
        return Counter({key[len(PREFIX) :]: int(n) for key, n in self.cr.fetchall()})
