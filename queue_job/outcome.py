# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How an attempt ended, as a value: the executor makes one, settling writes it.

`classify` tells the cause of an exception (see `retry` for the table), and
`after_failure` turns the exception into the outcome in one go. The code of a database
error is passed as text, so that nothing of the database driver is needed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import retry
from .exception import JobCancelled, JobTimeout, RetryableJobError
from .retry import Cause

#: PostgreSQL: lock not available, serialization failure, deadlock detected.
CONFLICT_PGCODES = frozenset({"55P03", "40001", "40P01"})


@dataclass(frozen=True)
class Done:
    """The method returned."""


@dataclass(frozen=True)
class Postponed:
    """Run again in `seconds` (None: by the retry pattern)."""

    seconds: int | None
    message: str = ""
    attempts: int | None = None


@dataclass(frozen=True)
class Failed:
    """The job failed for good."""

    exc_name: str
    exc_message: str
    exc_info: str = ""


@dataclass(frozen=True)
class Cancelled:
    """The job was cancelled while it ran."""

    message: str = ""


Outcome = Done | Postponed | Failed | Cancelled


def classify(exc: BaseException, pgcode: str | None = None) -> Cause:
    """Return why the attempt which raised `exc` did not end well."""
    if isinstance(exc, JobCancelled):
        return Cause.CANCEL
    if isinstance(exc, JobTimeout):
        return Cause.TIMEOUT
    if isinstance(exc, RetryableJobError):
        return Cause.RETRYABLE
    if pgcode in CONFLICT_PGCODES:
        return Cause.CONFLICT
    return Cause.EXCEPTION


def exception_name(exc: BaseException) -> str:
    """Return "ValueError" for a builtin, "some.module.Error" for others."""
    module = type(exc).__module__
    name = type(exc).__name__
    return name if module == "builtins" else f"{module}.{name}"


def exception_message(exc: BaseException) -> Any:
    """Return the first argument of the exception as it is, or its text."""
    return exc.args[0] if exc.args else str(exc)


def after_failure(
    exc: BaseException,
    attempt: int,
    max_retries: int | None,
    *,
    pgcode: str | None = None,
    traceback_text: str = "",
) -> Outcome:
    """Return the outcome of attempt number `attempt`, which raised `exc`."""
    cause = classify(exc, pgcode)
    decision = retry.decide(
        cause,
        attempt,
        max_retries,
        exc_name=exception_name(exc),
        message=_message(cause, exc),
        seconds=getattr(exc, "seconds", None),
        ignore_retry=getattr(exc, "ignore_retry", False),
        limit_seconds=getattr(exc, "limit_seconds", None),
    )
    return from_decision(decision, traceback_text)


def from_decision(decision: retry.Decision, traceback_text: str = "") -> Outcome:
    """Return the outcome which carries out a decision of `retry.decide`."""
    if isinstance(decision, retry.Retry):
        return Postponed(decision.seconds, decision.message, decision.attempts)
    if isinstance(decision, retry.Cancel):
        return Cancelled(decision.message)
    return Failed(decision.exc_name, decision.exc_message, traceback_text)


def _message(cause: Cause, exc: BaseException) -> Any:
    if cause is Cause.EXCEPTION:
        return exception_message(exc)
    return str(exc)
