# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From an exception to an outcome."""

import pytest

from queue_job import outcome
from queue_job.exception import (
    FailedJobError,
    JobCancelled,
    JobTimeout,
    RetryableJobError,
)
from queue_job.outcome import Cancelled, Failed, Postponed, after_failure, classify
from queue_job.retry import Cause


@pytest.mark.parametrize(
    ("exc", "pgcode", "expected"),
    [
        (RetryableJobError("later"), None, Cause.RETRYABLE),
        (FailedJobError("no"), None, Cause.EXCEPTION),
        (ValueError("no"), None, Cause.EXCEPTION),
        (JobTimeout(), None, Cause.TIMEOUT),
        (JobCancelled("stop"), None, Cause.CANCEL),
        # serialization failure, deadlock, lock not available
        (Exception(), "40001", Cause.CONFLICT),
        (Exception(), "40P01", Cause.CONFLICT),
        (Exception(), "55P03", Cause.CONFLICT),
        # a unique violation is an error like any other
        (Exception(), "23505", Cause.EXCEPTION),
    ],
)
def test_classify(exc, pgcode, expected):
    assert classify(exc, pgcode) is expected


def test_failure_of_an_exception():
    assert after_failure(Exception("zero", "one"), 1, 5, traceback_text="tb") == Failed(
        "Exception", "zero", "tb"
    )


def test_names_of_exceptions():
    assert outcome.exception_name(ValueError()) == "ValueError"
    assert (
        outcome.exception_name(FailedJobError()) == "queue_job.exception.FailedJobError"
    )


def test_retryable_error_keeps_its_wishes():
    exc = RetryableJobError("later", seconds=7, ignore_retry=True)
    assert after_failure(exc, 2, 5) == Postponed(7, "later", 1)


def test_cancelled():
    assert after_failure(JobCancelled("stop"), 1, 5) == Cancelled("stop")


def test_timeout_names_the_limit():
    failed = after_failure(JobTimeout(limit_seconds=5), 1, 5)
    assert failed.exc_name.endswith("JobTimeout")
    assert "5 seconds" in failed.exc_message
