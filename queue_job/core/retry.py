# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What happens after an attempt that did not end well: one place that decides.

Every cause counts as an attempt, up to `max_retries` (0: no limit):

=========  =================================================  ========================
cause      what happened                                      while attempts are left
=========  =================================================  ========================
RETRYABLE  the method raised `RetryableJobError`              retry after the pattern
CONFLICT   serialization failure, deadlock, lock not granted  retry after 1 to 5 s
DEAD       the worker died under the job                      retry at once
EXCEPTION  any other exception                                (fails at once)
TIMEOUT    the job ran longer than its limit                  (fails at once)
CANCEL     a user cancelled the running job                   (cancelled)
=========  =================================================  ========================

The functions are pure: numbers and texts in, a frozen value out; the caller acts. They
never raise because of what a job or a retry pattern asks for: the code that settles a
job could not settle such an error. What can't be used is logged and replaced.
"""

from __future__ import annotations

import enum
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import delays
from .delays import Seconds
from .texts import is_empty, shown

_logger = logging.getLogger(__name__)

#: Seconds until the next attempt when the job function has no retry pattern.
RETRY_INTERVAL = 600
#: Bounds of the delay after a conflict: short, and spread so that the same two
#: transactions do not meet again.
CONFLICT_DELAY_SECONDS = (1, 5)

DEAD_NAME = "JobFoundDead"
DEAD_MESSAGE = "Job found dead after too many retries"


class Cause(enum.Enum):
    """Why an attempt did not end well."""

    RETRYABLE = "retryable"
    EXCEPTION = "exception"
    CONFLICT = "conflict"
    DEAD = "dead"
    TIMEOUT = "timeout"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Retry:
    """Run again in `seconds`; `attempts` is what the job's counter shall show.

    `seconds` None: as the retry pattern of the job function says.
    """

    seconds: Seconds | None
    attempts: int
    message: str = ""


@dataclass(frozen=True)
class Fail:
    """The job failed for good."""

    exc_name: str
    exc_message: str


@dataclass(frozen=True)
class Cancel:
    """The job is cancelled."""

    message: str


Decision = Retry | Fail | Cancel


def retry_seconds(
    pattern: Any,
    attempt: int,
    seconds: Any = None,
    *,
    randint: Callable[[int, int], int] = random.randint,
    name: str = "a job",
) -> float:
    """Return the delay before the next attempt, from 0 to `delays.LONGEST`.

    A pattern maps an attempt to the delay used from this attempt on; before its first
    key the default is used. A pair means a random delay between its two bounds.

    >>> [retry_seconds({1: 60, 3: 10}, attempt) for attempt in (1, 2, 3, 4)]
    [60, 60, 10, 10]
    >>> retry_seconds({3: 180}, 1)
    600

    :param pattern: a dictionary, or None
    :param attempt: number of the attempt that has ended, the first is 1
    :param seconds: what the job asks for (see `delays`); it wins over the pattern,
        unless it is 0 or empty
    :param randint: returns a random number between two bounds, both included
    :param name: whose delay it is, for the warning about one that can't be used
    """
    bounds = None if is_empty(seconds) else _usable(_of_date(seconds), name)
    if bounds is None:
        bounds = _from_pattern(pattern, attempt, name)
    low, high = bounds or (RETRY_INTERVAL, RETRY_INTERVAL)
    return low if low == high else randint(int(low), int(high))


def _of_date(seconds: Any) -> Any:
    """Return the seconds until a date as HTTP writes it; anything else as it is.

    The date of a `Retry-After` may have passed: then it is a second.
    """
    if not issubclass(type(seconds), str) or ":" not in seconds:
        return seconds
    try:
        return max(delays.asked(seconds), 1)
    except (TypeError, ValueError):
        return seconds


def _from_pattern(pattern: Any, attempt: int, name: str) -> tuple[float, float] | None:
    """Return the bounds of a pattern's delay after an attempt, None if it has none."""
    if is_empty(pattern):
        return None
    try:
        delay_from = {int(key): delay for key, delay in pattern.items()}
        reached = [key for key in delay_from if key <= attempt]
    except Exception:
        _logger.warning("%s: retry pattern %s is not usable", name, shown(pattern))
        return None
    return _usable(delay_from[max(reached)], name) if reached else None


def _usable(delay: Any, name: str) -> tuple[float, float] | None:
    """Return the bounds of a delay; None, and a line in the log, if it is none."""
    try:
        low, high = delays.bounds(delay)
        fault = delays.fault_of(low, high)
    except Exception as error:
        _logger.warning("%s: %s, the retry pattern or the default is used", name, error)
        return None
    low, high = delays.usable(low, high)
    if fault:
        _logger.warning(
            "%s: a delay of %s seconds is %s, %s is used instead",
            name,
            shown(delay),
            fault.value,
            low if low == high else f"{low} to {high}",
        )
    return low, high


def attempts_exhausted(attempt: int, max_retries: int | None) -> bool:
    """Return whether an attempt was the last one allowed.

    :param attempt: its number, the first is 1
    :param max_retries: attempts allowed, 0 or None for no limit
    """
    return attempt >= max_retries if max_retries else False


def decide(
    cause: Cause,
    attempt: int,
    max_retries: int | None,
    *,
    exc_name: str = "",
    message: str = "",
    seconds: Seconds | None = None,
    ignore_retry: bool = False,
    limit_seconds: float | None = None,
    randint: Callable[[int, int], int] = random.randint,
) -> Decision:
    """Return what becomes of a job after an attempt that did not end well.

    :param attempt: number of the attempt that just ended, the first is 1
    :param max_retries: attempts allowed, 0 or None for no limit
    :param exc_name: of the exception, for a failure
    :param message: of the exception, or of the user who has cancelled the job
    :param seconds: delay asked for by a retryable error
    :param ignore_retry: this attempt does not count (retryable errors only)
    :param limit_seconds: the limit that was exceeded (timeout only)
    :param randint: returns a random number between two bounds, both included
    :return: what to do, which the caller carries out
    """
    if cause is Cause.CANCEL:
        return Cancel(message or "Cancelled while it was running")
    if cause is Cause.TIMEOUT:
        return Fail(exc_name or "JobTimeout", message or _timeout_text(limit_seconds))
    if cause is Cause.EXCEPTION:
        return Fail(exc_name or "Exception", message)
    if cause is Cause.RETRYABLE and ignore_retry:
        return Retry(seconds, max(attempt - 1, 0), message)
    if attempts_exhausted(attempt, max_retries):
        return _exhausted(cause, max_retries, exc_name, message)
    return Retry(_delay(cause, seconds, randint), attempt, message)


def _delay(
    cause: Cause, seconds: Seconds | None, randint: Callable[[int, int], int]
) -> Seconds | None:
    if cause is Cause.CONFLICT:
        return randint(*CONFLICT_DELAY_SECONDS)
    if cause is Cause.DEAD:
        return 0
    if cause is Cause.RETRYABLE:
        return seconds
    raise ValueError(f"unreachable: {cause=}")


def _exhausted(
    cause: Cause, max_retries: int | None, exc_name: str, message: str
) -> Fail:
    if cause is Cause.DEAD:
        said = f"{DEAD_MESSAGE}: {message}" if message else DEAD_MESSAGE
        return Fail(DEAD_NAME, said)
    why = message or exc_name or cause.value
    return Fail("FailedJobError", f"Max. retries ({max_retries}) reached: {why}")


def _timeout_text(limit_seconds: float | None) -> str:
    if not limit_seconds:
        return "The job ran longer than its time limit."
    return f"The job ran longer than its limit of {limit_seconds:g} seconds."
