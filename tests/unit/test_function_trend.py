# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which job functions have slowed down."""

from bisect import bisect_left
from itertools import pairwise

import pytest

from queue_job.monitoring import function_trend as trend
from queue_job.monitoring.function_trend import Times, shown_classes, slowdown
from queue_job.monitoring.statistics import FINE_BOUNDS


def times(*seconds):
    classes = [0] * (len(FINE_BOUNDS) + 1)
    for each in seconds:
        classes[bisect_left(FINE_BOUNDS, each)] += 1
    return Times(classes, max(seconds, default=0.0))


CASES = [
    ("as before", [1.0] * 100, [1.0] * 700, False),
    ("twice as slow", [2.0] * 100, [1.0] * 700, True),
    ("ten times as slow", [10.0] * 100, [1.0] * 700, True),
    ("faster", [0.5] * 100, [1.0] * 700, False),
    ("a bit slower", [1.2] * 100, [1.0] * 700, False),
    ("a few outliers", [1.0] * 90 + [600.0] * 10, [1.0] * 700, False),
    ("more than half are slow", [1.0] * 40 + [9.0] * 60, [1.0] * 700, True),
    ("noise of milliseconds", [0.03] * 100, [0.01] * 700, False),
    ("enough runs", [3.0] * trend.RECENT_RUNS, [1.0] * trend.EARLIER_RUNS, True),
    ("too few of late", [3.0] * (trend.RECENT_RUNS - 1), [1.0] * 700, False),
    ("too few before", [3.0] * 100, [1.0] * (trend.EARLIER_RUNS - 1), False),
    ("new", [3.0] * 100, [], False),
    ("does not run any more", [], [1.0] * 700, False),
]


@pytest.mark.parametrize("recent, earlier, warns", [case[1:] for case in CASES])
def test_slowdown(recent, earlier, warns):
    factor = slowdown(times(*recent), times(*earlier))
    assert (factor is not None) is warns
    assert factor is None or factor >= trend.FACTOR


@pytest.mark.parametrize("seconds", [0.002, 0.04, 0.7, 3.0, 55.0, 4000.0])
def test_a_median_is_near(seconds):
    assert times(*[seconds] * 9, seconds * 100).median == pytest.approx(
        seconds, rel=0.35
    )


def test_without_runs_there_is_no_time():
    assert times().median == 0
    assert times().percentile(0.95) == 0


def test_the_classes_that_are_shown():
    spans = times(0.02, 0.5), times(3.0)
    shown = shown_classes(*spans)
    assert shown[0] == bisect_left(FINE_BOUNDS, 0.02)
    assert shown[-1] == bisect_left(FINE_BOUNDS, 3.0)
    assert list(shown_classes(times())) == []


def test_bounds_grow_by_half():
    ratios = [high / low for low, high in pairwise(FINE_BOUNDS)]
    assert all(1.4 < ratio < 1.5 for ratio in ratios)
    assert (FINE_BOUNDS[0], FINE_BOUNDS[-1]) == (0.001, 100_000)
