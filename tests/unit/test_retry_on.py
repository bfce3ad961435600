# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import doctest
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from queue_job.settle import retry_on as module
from queue_job.settle.retry_on import (
    asked_delay,
    backoff,
    delay_after,
    is_one_of,
    names_of,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


class HttpError(Exception):
    def __init__(self, **headers):
        super().__init__("503")
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = SimpleNamespace(headers=headers)


def test_examples():
    assert not doctest.testmod(module).failed


def test_names():
    assert names_of(None) == ()
    assert names_of(" a.B,\n C ") == ("a.B", "C")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["TimeoutError"], True),
        (["builtins.TimeoutError"], True),
        (["OSError"], True),
        (["ValueError", "TimeoutError"], True),
        (["other.TimeoutError"], False),
        ([], False),
    ],
)
def test_is_one_of(names, expected):
    assert is_one_of(TimeoutError(), names) is expected


def test_backoff_has_a_random_part():
    assert {backoff(3) for _i in range(200)} <= set(range(20, 41))
    assert len({backoff(3) for _i in range(200)}) > 5


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("1.4", 1),
        ("Sat, 21 Nov 2026 12:05:00 GMT", 300),
        ("Sat, 21 Nov 2026 11:00:00 GMT", None),
        ("-5", None),
        ("soon", None),
        ("99999999", module.LONGEST_ASKED),
        ("10e400", module.LONGEST_ASKED),
        ("inf", module.LONGEST_ASKED),
        ("-inf", None),
        ("nan", None),
        ("", None),
        (b"120", 120),
        (b"\xff", None),
        ("9\0", None),
        ("Mon, 01 Jan 1900 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", module.LONGEST_ASKED),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Sat, 21 Nov 2026 12:05:00 +99999999999", None),
        (timedelta(minutes=2), 120),
        (object(), None),
        ([], None),
    ],
)
def test_retry_after(asked, seconds):
    assert asked_delay(HttpError(Retry_After=asked), lambda: NOW) == seconds


def test_retry_after_as_an_attribute():
    error = ValueError()
    error.retry_after = 7
    assert asked_delay(error) == 7
    assert asked_delay(ValueError()) is None


class Hostile(Exception):
    """Raises whatever is asked of it."""

    __module__ = None

    @property
    def retry_after(self):
        raise RuntimeError("no attribute")

    response = retry_after


@pytest.mark.parametrize(
    "error",
    [Hostile(), HttpError(), SimpleNamespace(response=SimpleNamespace(headers=5))],
)
def test_who_does_not_ask(error):
    assert asked_delay(error) is None


def test_an_odd_class_has_a_name():
    assert is_one_of(Hostile(), ["Hostile"])
    assert not is_one_of(Hostile(), ["Other"])


def test_what_wins():
    assert delay_after(HttpError(Retry_After="9"), 1, {1: 60}) == 9
    assert delay_after(ValueError(), 1, {1: 60}) is None
    assert 5 <= delay_after(ValueError(), 1, {}) <= 10
