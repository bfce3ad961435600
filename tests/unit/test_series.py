# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Figures stay few, however many names come by."""

import doctest

from queue_job.monitoring import series
from queue_job.monitoring.series import REST, Series
from queue_job.monitoring.statistics import Statistics


def test_doctests():
    result = doctest.testmod(series)
    assert result.attempted and not result.failed


def test_many_channels_of_few_functions():
    known = Series(limit=3)
    pairs = {known.of("f", f"root.{number}") for number in range(1000)}
    assert pairs == {("f", f"root.{number}") for number in range(3)} | {("f", REST)}


def test_many_functions():
    known = Series(limit=3)
    pairs = {known.of(f"f{number}", "root") for number in range(1000)}
    assert len(pairs) <= 2 * 3 + 1
    assert (REST, REST) in pairs


def test_a_new_leader_counts_on_as_the_one_before():
    before, after = Series(limit=2), Series(limit=2)
    pairs = dict.fromkeys(before.of("f", f"root.{number}") for number in range(5))
    after.learn(pairs)
    for number in (4, 3, 2, 1, 0):
        channel = f"root.{number}"
        assert after.of("f", channel) == before.of("f", channel)


def test_nothing_that_is_summed_up_is_lost():
    statistics = Statistics()
    statistics.series = Series(limit=2)
    outcome = {"function": "f", "state": "done", "seconds": 1.0, "wait": 0.0}
    statistics.add([{**outcome, "channel": f"root.{n}"} for n in range(50)])
    rows = statistics.take()
    assert len(rows) == 3
    assert sum(row["done"] for row in rows) == 50
