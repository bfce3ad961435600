# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which names have figures of their own, and under which name the rest is summed.

A marketplace makes a channel for each of its 100,000 customers. Figures for each of
them are read by nobody, and each would be a row by minute and a series in Prometheus.
The first `MOST_SERIES` pairs of job function and channel have figures of their own. Of
what comes later, a function is counted in the channel `REST`; when there are twice as
many, the function is `REST` as well.

>>> series = Series(limit=2)
>>> [series.of("f", channel) for channel in ("root.a", "root.b", "root.c", "root.a")]
[('f', 'root.a'), ('f', 'root.b'), ('f', '(others)'), ('f', 'root.a')]
>>> [series.of(function, "root.c") for function in ("g", "h")]
[('g', '(others)'), ('(others)', '(others)')]
"""

from collections.abc import Iterable

#: Pairs of job function and channel that have figures of their own.
MOST_SERIES = 2000

#: No channel and no job function has this name.
REST = "(others)"

#: The pairs of the totals, in the order in which they came.
KNOWN = f"""
SELECT function, channel
  FROM queue_job_statistic
 WHERE minute IS NULL
 GROUP BY function, channel
 ORDER BY min(id)
 LIMIT {2 * MOST_SERIES}
"""


class Series:
    """Remembers the pairs that have figures of their own.

    :param limit: so many of them; of those with `REST` as channel, as many again
    """

    def __init__(self, limit: int = MOST_SERIES) -> None:
        self._limit = limit
        self._known: set[tuple[str, str]] = set()

    def learn(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take over pairs that have figures already, the oldest first."""
        for function, channel in pairs:
            self.of(function, channel)

    def of(self, function: str, channel: str) -> tuple[str, str]:
        """Return the pair under which a job is counted.

        :param function: name of its job function
        :param channel: full name of its channel
        """
        for pair, limit in (
            ((function, channel), self._limit),
            ((function, REST), 2 * self._limit),
        ):
            if pair in self._known:
                return pair
            if len(self._known) < limit:
                self._known.add(pair)
                return pair
        return REST, REST
