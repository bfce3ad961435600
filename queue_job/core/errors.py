# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What an exception says about the end of an attempt: its cause, name and texts.

`classify` tells the cause (see `retry` for what follows from it). The code of a
database error is passed as text, so that nothing of the database driver is needed here.

The functions `exception_*` never raise, whatever the exception's own methods and
attributes do: they are called where the end of the job is about to be written.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from ..exception import JobCancelled, JobTimeout, RetryableJobError
from . import texts
from .retry import Cause

#: PostgreSQL: lock not available, serialization failure, deadlock detected.
CONFLICT_PGCODES = frozenset({"55P03", "40001", "40P01"})

#: The name in the history of a job for an attempt by a worker without its code.
OUTDATED_CODE = "OutdatedCode"


def classify(exc: BaseException, pgcode: str | None = None) -> Cause:
    """Return why the attempt which raised `exc` did not end well.

    :param pgcode: the code of a database error, such as "40001"
    """
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
