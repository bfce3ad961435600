# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Delays and retry patterns, as they are given."""

import doctest
import math
from datetime import timedelta
from decimal import Decimal

import pytest

from queue_job.core import delays
from queue_job.core.delays import LONGEST, Fault, bounds, number, read_pattern, usable


def test_examples():
    assert not doctest.testmod(delays).failed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (30, 30),
        (1.5, 1.5),
        ("30", 30),
        (" 1e3 ", 1000),
        (Decimal("2.5"), 2.5),
        (timedelta(minutes=1), 60),
        (True, 1),
        (-5, -5),
        (10**400, 10**400),
        ("10e400", math.inf),
        (Decimal("10e400"), math.inf),
        (-math.inf, -math.inf),
    ],
)
def test_number(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    "value", [None, "", "soon", math.nan, "nan", [], {}, object(), 1j, "9\0"]
)
def test_no_number(value):
    with pytest.raises(ValueError, match="is no number of seconds"):
        number(value)


def test_bounds():
    assert bounds(5) == (5, 5)
    assert bounds([10, "1"]) == (10, 1)
    for value in ((), (1,), (1, 2, 3)):
        with pytest.raises(ValueError, match="is no pair"):
            bounds(value)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 10, (1, 10)),
        (10, 1, (1, 10)),
        (-5, 3, (0, 3)),
        (10**400, -math.inf, (0, LONGEST)),
        (math.inf, math.inf, (LONGEST, LONGEST)),
    ],
)
def test_usable(low, high, expected):
    assert usable(low, high) == expected


@pytest.mark.parametrize(
    ("pattern", "expected", "complaint"),
    [
        (None, {}, None),
        (False, {}, None),
        ({}, {}, None),
        ({1: 10, 5: 20}, {1: 10, 5: 20}, None),
        ({"1": 10, "5": (11, 20)}, {1: 10, 5: (11, 20)}, None),
        ({1: [1, 10]}, {1: (1, 10)}, None),
        ({1: "10", 2: ["1", 2.5]}, {1: 10, 2: (1, 2)}, None),
        # no attempt has the number 0: it is the same as 1
        ({0: 5}, {0: 5}, None),
        ({1: 0}, {1: 0}, None),
        ({1: LONGEST}, {1: LONGEST}, None),
        # mended
        ({1: (10, 1)}, {1: (1, 10)}, ("1: (10, 1)", Fault.REVERSED)),
        ({1: -5}, {1: 0}, ("1: -5", Fault.NEGATIVE)),
        ({1: (-5, 5)}, {1: (0, 5)}, ("1: (-5, 5)", Fault.NEGATIVE)),
        ({1: 99999999999}, {1: LONGEST}, ("1: 99999999999", Fault.TOO_LONG)),
        ({1: math.inf}, {1: LONGEST}, ("1: inf", Fault.TOO_LONG)),
        # left out
        ({1: 5, "a": 1}, {1: 5}, ("'a': 1", Fault.ATTEMPT)),
        ({"1.5": 5}, {}, ("'1.5': 5", Fault.ATTEMPT)),
        ({None: 5}, {}, ("None: 5", Fault.ATTEMPT)),
        ({math.inf: 5}, {}, ("inf: 5", Fault.ATTEMPT)),
        ({1: (1, 2, 3)}, {}, ("1: (1, 2, 3)", Fault.SECONDS)),
        ({1: ()}, {}, ("1: ()", Fault.SECONDS)),
        ({1: math.nan}, {}, ("1: nan", Fault.SECONDS)),
        ({1: (1, (2, 3))}, {}, ("1: (1, (2, 3))", Fault.SECONDS)),
        ({1: {"a": 1}}, {}, ("1: {'a': 1}", Fault.SECONDS)),
        ({1: None}, {}, ("1: None", Fault.SECONDS)),
        ([1], {}, ("[1]", Fault.PATTERN)),
        ("{1: 5}", {}, ("'{1: 5}'", Fault.PATTERN)),
        (12, {}, ("12", Fault.PATTERN)),
    ],
)
def test_read_pattern(pattern, expected, complaint):
    assert read_pattern(pattern) == (expected, [complaint] if complaint else [])
