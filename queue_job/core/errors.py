# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How an attempt ended, as a value: the executor makes one, settling writes it.

`classify` tells the cause of an exception (see `retry` for the table), and
`after_failure` turns the exception into the outcome in one go. The code of a database
error is passed as text, so that nothing of the database driver is needed here.

The functions `exception_*` never raise, whatever the exception's own methods and
attributes do: who asks is about to write the end of the job.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..exception import JobCancelled, JobTimeout, RetryableJobError
from . import retry, texts
from .delays import Seconds
from .retry import Cause

#: PostgreSQL: lock not available, serialization failure, deadlock detected.
CONFLICT_PGCODES = frozenset({"55P03", "40001", "40P01"})


@dataclass(frozen=True)
class Done:
    """The method returned."""


@dataclass(frozen=True)
class Postponed:
    """Run again in `seconds` (None: by the retry pattern)."""

    seconds: Seconds | None
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
    kind = type(exc)  # isinstance would ask `exc.__class__`, which may raise
    if issubclass(kind, JobCancelled):
        return Cause.CANCEL
    if issubclass(kind, JobTimeout):
        return Cause.TIMEOUT
    if issubclass(kind, RetryableJobError):
        return Cause.RETRYABLE
    if pgcode in CONFLICT_PGCODES:
        return Cause.CONFLICT
    return Cause.EXCEPTION


def chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception and its causes, each once: it may be its own cause."""
    seen: list[BaseException] = []
    while exc is not None and not any(exc is other for other in seen):
        yield exc
        seen.append(exc)
        exc = exc.__context__ if exc.__cause__ is None else exc.__cause__


def exception_name(exc: BaseException) -> str:
    """Return "ValueError" for a builtin, "some.module.Error" for others."""
    try:
        module, name = type(exc).__module__, texts.of(type(exc).__name__)
    except BaseException:
        return "Exception"
    if not isinstance(module, str) or module == "builtins":
        return texts.cut(texts.clean(name), texts.EXC_NAME)
    return texts.cut(texts.clean(f"{module}.{name}"), texts.EXC_NAME)


def exception_text(exc: BaseException) -> str:
    """Return the text of the exception, storable and cut to its column."""
    return texts.cut(texts.clean(texts.of(exc)), texts.EXC_MESSAGE)


def exception_message(exc: BaseException) -> Any:
    """Return the first argument of the exception as it is, or its text.

    It may be any object: `texts.storable` makes a text of it.
    """
    try:
        args = exc.args
        return args[0] if args else exception_text(exc)
    except BaseException:
        return exception_text(exc)


def exception_traceback(exc: BaseException) -> str:
    """Return the traceback with the causes, storable and cut to its column."""
    try:
        lines = traceback.format_exception(exc)
    # the exception's text and notes, and the attributes of a syntax error, are its own
    except BaseException:
        lines = [*_frames(exc), f"{exception_name(exc)}: {texts.of(exc)}\n"]
    return texts.cut(texts.clean("".join(lines)), texts.EXC_INFO)


def _frames(exc: BaseException) -> list[str]:
    try:
        return traceback.format_tb(exc.__traceback__)
    except BaseException:
        return []


def exception_wish(exc: BaseException, name: str) -> Any:
    """Return an attribute by which an exception steers its job; None without it.

    :param name: "seconds", "ignore_retry" (then it is a bool), or "limit_seconds"
    """
    try:
        value = getattr(exc, name, None)
        return bool(value) if name == "ignore_retry" else value
    except BaseException:
        return None


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
        seconds=exception_wish(exc, "seconds"),
        ignore_retry=exception_wish(exc, "ignore_retry"),
        limit_seconds=exception_wish(exc, "limit_seconds"),
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
    return exception_text(exc)
