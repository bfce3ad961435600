# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When a kind of failure comes back, its trend, its trials; versions of modules."""

from datetime import datetime, timedelta

import pytest

from queue_job.core.failure_kinds import (
    ACKNOWLEDGED,
    AFTER_PAUSE,
    AFTER_SOLVED,
    IGNORED,
    MORE_OFTEN,
    OPEN,
    OTHER_VERSION,
    QUIET,
    SOLVED,
    Seen,
    changed_versions,
    comes_back,
    trend,
    trial_outcome,
)

SINCE = datetime(2026, 1, 10)
HOUR = timedelta(hours=1)


def seen(last, before=SINCE - HOUR, day=3):
    return Seen(before, last, day)


@pytest.mark.parametrize(
    ("state", "failures", "changed", "expected"),
    [
        # nobody has said anything, or somebody is at it
        (OPEN, seen(SINCE + HOUR, day=100), SINCE + HOUR, None),
        (ACKNOWLEDGED, seen(SINCE + HOUR, day=100), SINCE + HOUR, None),
        # the failures of before do not count
        (SOLVED, seen(SINCE - HOUR), None, None),
        (SOLVED, seen(SINCE), None, None),
        (IGNORED, seen(SINCE, day=100), None, None),
        # solved: the first new one does
        (SOLVED, seen(SINCE + HOUR, day=1), None, AFTER_SOLVED),
        # ignored: as before
        (IGNORED, seen(SINCE + HOUR), None, None),
        (IGNORED, seen(SINCE + HOUR, day=6), None, None),
        # more than before
        (IGNORED, seen(SINCE + HOUR, day=7), None, MORE_OFTEN),
        # another version, and a failure in it
        (IGNORED, seen(SINCE + HOUR), SINCE + HOUR, OTHER_VERSION),
        (IGNORED, seen(SINCE + HOUR), SINCE + 2 * HOUR, None),
        (IGNORED, seen(SINCE + HOUR), SINCE - HOUR, None),
        # after a week without one
        (IGNORED, seen(SINCE + QUIET, before=SINCE), None, AFTER_PAUSE),
        (IGNORED, seen(SINCE + QUIET - HOUR, before=SINCE), None, None),
    ],
)
def test_comes_back(state, failures, changed, expected):
    assert comes_back(state, SINCE, failures, 3, changed) == expected


def test_what_was_rare_comes_back_with_the_next_one():
    failures = seen(SINCE + HOUR, before=SINCE - 2 * timedelta(days=1), day=1)
    assert comes_back(IGNORED, SINCE, failures, 0, None) == MORE_OFTEN


def test_a_state_without_its_date_stays():
    assert comes_back(SOLVED, None, seen(SINCE), 0, None) is None


@pytest.mark.parametrize(
    ("day", "day_before", "expected"),
    [
        (0, 0, "steady"),
        (1, 0, "rising"),
        (0, 1, "falling"),
        (3, 2, "steady"),
        (2, 3, "steady"),
        (4, 2, "rising"),
        (2, 4, "falling"),
    ],
)
def test_trend(day, day_before, expected):
    assert trend(day, day_before) == expected


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], {"gone": 3}),
        ([("done", None)] * 3, {"done": 3}),
        (
            [("done", "k"), ("failed", "k"), ("failed", "other")],
            {"done": 1, "same": 1, "other": 1},
        ),
        (
            [("failed", None), ("cancelled", "k")],
            {"other": 1, "cancelled": 1, "gone": 1},
        ),
        (
            [("pending", None), ("started", "k"), ("wait_dependencies", None)],
            {"under_way": 3},
        ),
    ],
)
def test_trial_outcome(jobs, expected):
    assert trial_outcome(jobs, "k", 3) == expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({}, {}, ""),
        ({"a": "1"}, {"a": "1"}, ""),
        ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, "a 1 → 2"),
        ({"b": "1"}, {"a": "1"}, "a – → 1, b 1 → –"),
    ],
)
def test_changed_versions(then, now, expected):
    assert changed_versions(then, now) == expected


def test_many_changes_are_cut():
    then = {f"m{number}": "1" for number in range(12)}
    text = changed_versions(then, dict.fromkeys(then, "2"))
    assert text.endswith("m7 1 → 2 (+2)")
