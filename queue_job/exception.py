# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The errors of the job queue: one root, and what a job may raise to steer itself.

A job method raises `RetryableJobError` to be run again later, `FailedJobError` to fail
at once whatever is left of its retries, and `NothingToDoJob` to be done. The last four
classes belong to the worker; job methods let them pass.
"""

from __future__ import annotations

from typing import Any


class BaseQueueJobError(Exception):
    """Root of all errors of the job queue."""


class JobError(BaseQueueJobError):
    """A job had a problem."""


class NoSuchJobError(JobError):
    """The job has no row in the database any more."""


class FailedJobError(JobError):
    """The job failed for good: it is not tried again."""


class RetryableJobError(JobError):
    """The job could not do its work now, and shall be tried again later.

    :param msg: shown as the result of the attempt
    :param seconds: delay of the next attempt, instead of the retry pattern: a number, a
        timedelta, a pair of numbers for a random delay, or the text of a header
        `Retry-After`: a number or a date. It is brought between 0 and
        ten years; 0 means as the retry pattern says, and so does what is no delay.
    :param ignore_retry: do not count this attempt against the maximum
    """

    # for subclasses that don't call `__init__`
    seconds: Any = None
    ignore_retry: bool = False

    def __init__(
        self, msg: str, seconds: Any = None, ignore_retry: bool = False
    ) -> None:
        super().__init__(msg)
        self.seconds = seconds
        self.ignore_retry = ignore_retry


#: The name in the first presentations of the queue.
RetryableError = RetryableJobError


class ChannelNotFound(BaseQueueJobError):
    """No channel has this name."""


class NothingToDoJob(JobError):
    """There was nothing to do: the job is done, with the message as its result."""


class JobFenced(BaseQueueJobError):
    """The job was given to another worker: this one must not write its outcome."""


class JobCancelled(BaseQueueJobError):
    """The job was cancelled while it ran."""


class JobTimeout(BaseQueueJobError):
    """The job ran longer than its time limit."""

    limit_seconds: float | None = None

    def __init__(self, message: str = "", limit_seconds: float | None = None) -> None:
        if not message and limit_seconds:
            message = f"The job ran longer than its limit of {limit_seconds:g} seconds."
        super().__init__(message or "The job ran longer than its time limit.")
        self.limit_seconds = limit_seconds


class JobInterrupted(BaseException):
    """The session of the job was ended, and its code is to end as well.

    Not an `Exception`, so that loops which survive any error don't survive this.
    """

    #: Why, where the worker itself has ended the attempt.
    reason = ""

    def __init__(self, reason: str = ""):
        super().__init__(reason or "The database session of the job was ended")
        self.reason = reason
