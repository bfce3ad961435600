# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether a job function has slowed down, and by how much.

The median run time of the last day is compared with that of the seven days before. It
is a warning if it has grown to `FACTOR` times and by `LEAST_SECONDS` at least, and both
spans have enough runs: a few slow ones among many don't move a median, and a function
that hardly ever runs tells nothing.

Medians are estimated from classes of times, each half as wide again as the one before
(:data:`.statistics.FINE_BOUNDS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .histogram import percentile
from .statistics import FINE_BOUNDS

#: How many times the median of before is a warning.
FACTOR = 1.5

#: Seconds; a smaller difference is noise, however large the factor.
LEAST_SECONDS = 0.05

#: Runs of the last day, and of the seven days before, without which nothing is said.
RECENT_RUNS = 20
EARLIER_RUNS = 50


@dataclass(frozen=True)
class Times:
    """How long the runs of a span took, or waited.

    :param classes: runs in each class of `FINE_BOUNDS`
    :param longest: seconds
    """

    classes: Sequence[int]
    longest: float = 0.0

    @property
    def count(self) -> int:
        """The runs whose time is known."""
        return sum(self.classes)

    def percentile(self, fraction: float) -> float:
        """Return the seconds below which this fraction of the runs was."""
        if not self.count:
            return 0.0
        return float(percentile(self.classes, FINE_BOUNDS, fraction, self.longest))

    @property
    def median(self) -> float:
        """Half of the runs took less; seconds."""
        return self.percentile(0.5)


def slowdown(recent: Times, earlier: Times) -> float | None:
    """Return how many times as long a run takes now, if that is worth a warning.

    :param recent: run times of the last day
    :param earlier: those of the seven days before
    :return: the median of the last day in those of before, None without a warning
    """
    if recent.count < RECENT_RUNS or earlier.count < EARLIER_RUNS:
        return None
    now, before = recent.median, earlier.median
    if before <= 0 or now - before < LEAST_SECONDS or now < before * FACTOR:
        return None
    return now / before


def shown_classes(*spans: Times) -> range:
    """Return the classes between the first and the last in which a run is.

    :param spans: that are shown beside each other
    """
    filled = [
        number for each in spans for number, count in enumerate(each.classes) if count
    ]
    return range(min(filled), max(filled) + 1) if filled else range(0)
