# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What an exception says about the end of an attempt, whatever it is."""

import sys

import pytest

from queue_job.core import errors, texts
from queue_job.core.errors import classify
from queue_job.core.retry import Cause
from queue_job.exception import (
    FailedJobError,
    JobCancelled,
    JobTimeout,
    RetryableJobError,
)


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


def test_wishes_of_an_exception():
    exc = RetryableJobError("later", seconds=7, ignore_retry=True)
    assert errors.exception_wish(exc, "seconds") == 7
    assert errors.exception_wish(exc, "ignore_retry") is True
    assert errors.exception_wish(JobTimeout(limit_seconds=5), "limit_seconds") == 5


def test_names_of_exceptions():
    assert errors.exception_name(ValueError()) == "ValueError"
    assert (
        errors.exception_name(FailedJobError()) == "queue_job.exception.FailedJobError"
    )


def test_the_first_argument_is_kept_as_it_is():
    assert errors.exception_message(Exception({"code": 5}, "x")) == {"code": 5}
    assert errors.exception_message(Exception()) == ""


def raising(name, error=RuntimeError):
    """A property that raises."""

    def fail(self):
        raise error(f"no {name}")

    return property(fail)


class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class NoClass(Exception):
    __class__ = raising("class")


class NoArgs(Exception):
    args = raising("args", SystemExit)


class OddArgs(Exception):
    args = 5


class NoWishes(RetryableJobError):
    seconds = raising("seconds")
    ignore_retry = raising("ignore_retry")

    def __init__(self):
        Exception.__init__(self)


class NoNotes(Exception):
    __notes__ = raising("notes")


class NoText12(Exception):
    def __str__(self):
        return 12


class ExitsInText(Exception):
    def __str__(self):
        sys.exit(3)


class NoName(type):
    __name__ = raising("name")


NoNameError = NoName("NoNameError", (Exception,), {})
NoModule = type("NoModule", (Exception,), {"__module__": None})
OddModule = type("OddModule", (Exception,), {"__module__": 5})
LongName = type("E" * 5000, (Exception,), {"__module__": "m" * 5000})
OddName = type("OddName", (Exception,), {"__module__": "m\udcff"})
BadSyntax = type(
    "BadSyntax", (SyntaxError,), {"lineno": object(), "text": 5, "msg": NoText()}
)


def chain(length):
    """An exception with so many causes."""
    error = ValueError("first")
    for number in range(length):
        previous, error = error, ValueError(number)
        error.__cause__ = previous
    return error


def with_notes(*notes):
    error = ValueError("noted")
    vars(error)["__notes__"] = list(notes)  # add_note comes with Python 3.11
    return error


HOSTILE = [
    NoText(),
    NoClass("x"),
    NoArgs("x"),
    OddArgs("x"),
    NoWishes(),
    NoNotes("x"),
    NoText12("x"),
    ExitsInText("x"),
    NoNameError("x"),
    NoModule("x"),
    OddModule("x"),
    LongName("x"),
    OddName("x"),
    BadSyntax("x"),
    Exception(NoText()),
    Exception("nul \0 and \udcff"),
    Exception(b"bytes \0"),
    Exception("x" * 20_000_000),
    Exception(10**5000),
    KeyError(NoText()),
    OSError(2, "gone", "\udcff"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why \0"),
    chain(5000),
    with_notes(NoText(), "note \0", 5),
]
if sys.version_info >= (3, 11):
    HOSTILE.append(ExceptionGroup("all \0", [NoText(), ValueError("\udcff")]))  # noqa: F821


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


def is_storable(text, longest):
    return (
        type(text) is str
        and len(text) <= longest
        and "\0" not in text
        and bool(text.encode())
    )


@pytest.mark.parametrize("number", range(len(HOSTILE)))  # pytest looks at parameters
def test_whatever_the_exception_does(number):
    error = raised(HOSTILE[number])
    assert is_storable(errors.exception_name(error), texts.EXC_NAME)
    assert is_storable(errors.exception_text(error) or "-", texts.EXC_MESSAGE)
    message = texts.storable(errors.exception_message(error), texts.EXC_MESSAGE)
    assert is_storable(message or "-", texts.EXC_MESSAGE)
    traceback_text = errors.exception_traceback(error)
    assert is_storable(traceback_text, texts.EXC_INFO)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (NoModule(), "NoModule"),
        (OddModule(), "OddModule"),
        (OddName(), "m\\udcff.OddName"),
        (NoNameError(), "Exception"),
    ],
)
def test_odd_names(error, name):
    assert errors.exception_name(error).endswith(name)


def test_a_traceback_names_the_place_and_the_causes():
    def place():
        try:
            raise ValueError("first")
        except ValueError as error:
            raise KeyError("second") from error

    try:
        place()
    except KeyError as error:
        text = errors.exception_traceback(error)
    assert "in place" in text
    assert text.index("ValueError: first") < text.index("KeyError: 'second'")
    assert text.endswith("KeyError: 'second'\n")


def test_a_long_traceback_ends_with_the_error():
    text = errors.exception_traceback(raised(ValueError("x" * 1_000_000 + " end")))
    assert text.startswith("Traceback")
    assert text.endswith(" end\n")
    assert "characters left out" in text


def test_a_retryable_error_without_wishes():
    assert errors.exception_wish(NoWishes(), "seconds") is None
    assert errors.exception_wish(ValueError(), "ignore_retry") is False

    class Busy(RetryableJobError):
        def __init__(self):
            """Don't call the other one."""

    assert (Busy().seconds, Busy().ignore_retry) == (None, False)
