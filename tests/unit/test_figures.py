# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Arithmetic of the dashboard."""

import pytest

from queue_job.monitoring.histogram import ancestors, percentile, sum_up_tree

BOUNDS = (1.0, 10.0)


@pytest.mark.parametrize(
    ("histogram", "fraction", "maximum", "expected", "why"),
    [
        ([0, 0, 0], 0.95, 0.0, 0.0, "nothing ran"),
        ([None, None, None], 0.95, 0.0, 0.0, "nothing was counted"),
        ([100, 0, 0], 0.5, 0.9, 0.5, "the middle of the first class"),
        ([100, 0, 0], 0.95, 0.2, 0.2, "never more than the longest"),
        ([50, 50, 0], 0.95, 9.9, 9.1, "nine tenths into the second class"),
        ([0, 0, 10], 0.5, 30.0, 20.0, "the last class ends at the longest"),
        ([10, 0, 0], 1.0, 0.7, 0.7, "all of them"),
    ],
)
def test_percentile(histogram, fraction, maximum, expected, why):
    value = percentile(histogram, BOUNDS, fraction, maximum)
    assert value == pytest.approx(expected), why


def test_a_channel_holds_what_is_below():
    assert sum_up_tree({"root.a.b": 2, "root.c": 1}) == {
        "root.a.b": 2,
        "root.a": 2,
        "root.c": 1,
        "root": 3,
    }


def test_ancestors_of_nothing():
    assert list(ancestors("")) == []
