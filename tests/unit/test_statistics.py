# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sums of what leases report."""

from datetime import datetime, timezone

from queue_job.monitoring.statistics import BOUNDS, Statistics

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=timezone.utc)


def outcome(state="done", seconds=0.02, wait=0.2, **values):
    entry = {"function": "<res.partner>.write", "channel": "root", "state": state}
    return {**entry, "seconds": seconds, "wait": wait, **values}


def test_attempts_of_a_minute_are_one_row():
    statistics = Statistics()
    statistics.add([outcome(), outcome(), outcome("failed"), outcome("pending")], NOW)
    (row,) = statistics.take()
    assert row["minute"] == datetime(2026, 1, 1, 12, 0)
    assert (row["done"], row["failed"], row["retried"], row["cancelled"]) == (
        2,
        1,
        1,
        0,
    )
    assert round(row["run_seconds"], 6) == 0.08
    assert row["run_max"] == 0.02
    assert row["wait_max"] == 0.2


def test_a_time_is_counted_in_the_first_class_that_holds_it():
    statistics = Statistics()
    statistics.add([outcome(seconds=BOUNDS[0]), outcome(seconds=9999.0)], NOW)
    (row,) = statistics.take()
    assert row["run_histogram"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert sum(row["wait_histogram"]) == 2


def test_functions_channels_and_minutes_are_apart():
    statistics = Statistics()
    statistics.add([outcome(), outcome(channel=None), outcome(function=None)], NOW)
    statistics.add([outcome(channel="root.a")], NOW)
    statistics.add([outcome()], NOW.replace(minute=1))
    keys = {
        (r["minute"].minute, r["function"], r["channel"]) for r in statistics.take()
    }
    assert keys == {
        (0, "<res.partner>.write", "root"),
        (0, "?", "root"),
        (0, "<res.partner>.write", "root.a"),
        (1, "<res.partner>.write", "root"),
    }


def test_what_was_taken_is_not_counted_again():
    statistics = Statistics()
    statistics.add([outcome()], NOW)
    statistics.take()
    assert statistics.take() == []
