# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The delay before an attempt, and what follows from each way to end one."""

import doctest
import logging
import math
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from queue_job.core import retry as module
from queue_job.core.delays import LONGEST
from queue_job.core.retry import (
    CONFLICT_DELAY_SECONDS,
    RETRY_INTERVAL,
    Cancel,
    Cause,
    Fail,
    Retry,
    attempts_exhausted,
    decide,
    retry_seconds,
)

PATTERN = {1: 60, 2: 180, 3: 10, 5: 300}


@pytest.mark.parametrize(
    ("pattern", "attempt", "seconds", "expected"),
    [
        # the greatest key that is reached counts
        (PATTERN, 1, None, 60),
        (PATTERN, 2, None, 180),
        (PATTERN, 3, None, 10),
        (PATTERN, 4, None, 10),
        (PATTERN, 5, None, 300),
        (PATTERN, 99, None, 300),
        # before the first key there is the default
        ({3: 180}, 1, None, RETRY_INTERVAL),
        ({3: 180}, 3, None, 180),
        ({}, 1, None, RETRY_INTERVAL),
        (None, 1, None, RETRY_INTERVAL),
        # what the job asks for wins; 0 is no wish
        (PATTERN, 1, 7, 7),
        (PATTERN, 1, 0, 60),
    ],
)
def test_retry_seconds(pattern, attempt, seconds, expected):
    assert retry_seconds(pattern, attempt, seconds) == expected


def test_the_pattern_of_the_manual():
    pattern = {1: 10, 5: 20, 10: 30, 15: 300}
    seconds = [retry_seconds(pattern, attempt) for attempt in range(1, 18)]
    assert seconds == [10] * 4 + [20] * 5 + [30] * 5 + [300] * 3


@pytest.mark.parametrize("pair", [(10, 20), [10, 20]])
def test_a_pair_is_a_random_delay(pair):
    def randint(low, high):
        return low * 1000 + high

    assert retry_seconds({1: pair}, 1, randint=randint) == 10020
    assert retry_seconds({}, 1, pair, randint=randint) == 10020


def test_examples():
    assert not doctest.testmod(module).failed


class Refuses:
    """As an array does, when it is asked whether it is true."""

    def __bool__(self):
        raise ValueError("ambiguous")

    @property
    def __class__(self):
        raise RuntimeError("no class")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ("30", 30),
        (1.5, 1.5),
        (timedelta(minutes=2), 120),
        (True, 1),
        # no wish
        (None, 60),
        (0, 60),
        (0.0, 60),
        ("", 60),
        (False, 60),
        (timedelta(0), 60),
    ],
)
def test_delays_that_are_asked_for(seconds, expected, caplog):
    assert retry_seconds(PATTERN, 1, seconds) == expected
    assert not caplog.records


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        # as near as possible
        (10**12, LONGEST),
        (10**400, LONGEST),
        (math.inf, LONGEST),
        ("10e400", LONGEST),
        (timedelta.max, LONGEST),
        (-5, 0),
        (-math.inf, 0),
        (timedelta.min, 0),
        # not usable: as if nothing was asked for
        (math.nan, 60),
        ("soon", 60),
        ((1, 2, 3), 60),
        ((None, 5), 60),
        (object(), 60),
        ({"a": 1}, 60),
        pytest.param(Refuses(), 60, id="refuses"),
    ],
)
def test_odd_delays_are_replaced_and_logged(seconds, expected, caplog):
    assert retry_seconds(PATTERN, 1, seconds, name="job abc") == expected
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("job abc: ")


@pytest.mark.parametrize(
    ("pattern", "bounds"),
    [
        ({1: (10, 1)}, (1, 10)),
        ({1: (-5, 5)}, (0, 5)),
        ({1: (1, 10**12)}, (1, LONGEST)),
        ({1: ("10", 1.5)}, (1, 10)),
    ],
)
def test_odd_bounds(pattern, bounds):
    def randint(low, high):
        assert isinstance(low, int)
        assert isinstance(high, int)
        return low, high

    assert retry_seconds(pattern, 1, randint=randint) == bounds


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"1": 60, "3": 10}, 60),
        ({0: 60}, 60),
        ({-1: 60}, 60),
        ({1: 0}, 0),
        ({1: -5}, 0),
        ({1: 99999999999}, LONGEST),
        ({1: math.nan}, RETRY_INTERVAL),
        ({1: (1, 2, 3)}, RETRY_INTERVAL),
        ({1: "soon"}, RETRY_INTERVAL),
        ({1: None}, RETRY_INTERVAL),
        ({1: {"2": 3}}, RETRY_INTERVAL),
        ({"a": 60}, RETRY_INTERVAL),
        ({math.nan: 60}, RETRY_INTERVAL),
        ([60], RETRY_INTERVAL),
        ("60", RETRY_INTERVAL),
        pytest.param(Refuses(), RETRY_INTERVAL, id="refuses"),
    ],
)
def test_whatever_the_pattern_is(pattern, expected):
    assert retry_seconds(pattern, 2) == expected


@pytest.mark.parametrize(
    ("attempt", "max_retries", "expected"),
    [(1, 5, False), (4, 5, False), (5, 5, True), (9, 5, True), (9, 0, False)],
)
def test_attempts_exhausted(attempt, max_retries, expected):
    assert attempts_exhausted(attempt, max_retries) is expected


@pytest.mark.parametrize(
    ("cause", "attempt", "max_retries", "expected"),
    [
        (Cause.RETRYABLE, 1, 3, Retry(None, 1, "why")),
        (
            Cause.RETRYABLE,
            3,
            3,
            Fail("FailedJobError", "Max. retries (3) reached: why"),
        ),
        (Cause.RETRYABLE, 99, 0, Retry(None, 99, "why")),
        # a dead worker: at once, but not for ever
        (Cause.DEAD, 1, 3, Retry(0, 1, "why")),
        (
            Cause.DEAD,
            3,
            3,
            Fail("JobFoundDead", "Job found dead after too many retries: why"),
        ),
        (Cause.DEAD, 99, 0, Retry(0, 99, "why")),
        # conflicts are counted as well
        (Cause.CONFLICT, 3, 3, Fail("FailedJobError", "Max. retries (3) reached: why")),
        # no second chance
        (Cause.EXCEPTION, 1, 3, Fail("ValueError", "why")),
        (Cause.TIMEOUT, 1, 3, Fail("ValueError", "why")),
        (Cause.CANCEL, 1, 3, Cancel("why")),
    ],
)
def test_decide(cause, attempt, max_retries, expected):
    decision = decide(cause, attempt, max_retries, exc_name="ValueError", message="why")
    assert decision == expected


def test_conflicts_are_retried_soon_and_spread():
    decision = decide(Cause.CONFLICT, 1, 5, randint=lambda low, high: (low, high))
    assert decision.seconds == CONFLICT_DELAY_SECONDS


def test_the_job_may_ask_for_a_delay():
    assert decide(Cause.RETRYABLE, 1, 5, seconds=42).seconds == 42


def test_an_attempt_may_be_left_uncounted():
    decision = decide(Cause.RETRYABLE, 5, 5, ignore_retry=True)
    assert decision == Retry(None, 4)


def test_a_timeout_names_its_limit():
    decision = decide(Cause.TIMEOUT, 1, 5, limit_seconds=90)
    assert decision.exc_name == "JobTimeout"
    assert "90 seconds" in decision.exc_message


def test_every_cause_is_decided():
    for cause in Cause:
        assert isinstance(decide(cause, 1, 5), Retry | Fail | Cancel)


def http_date(seconds):
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True)


def test_a_delay_as_servers_give_it():
    assert retry_seconds({1: 60}, 1, "120") == 120
    assert retry_seconds({1: 60}, 1, timedelta(minutes=2)) == 120
    assert 3500 < retry_seconds({1: 60}, 1, http_date(3600)) <= 3600
    # a date that has passed asks for no delay: it is not that of the pattern either
    assert retry_seconds({1: 60}, 1, http_date(-3600)) == 1
    assert retry_seconds({1: 60}, 1, "soon") == 60
