# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Loose comparison of values, for assertions on the arguments of jobs.

An expected value stands for itself, or for a shape:

>>> matches(3, 3), matches(3, 4)
(True, False)

* ``ANY`` for whatever there is, a class for its instances, a function for what it
  accepts:

>>> matches(ANY, object()), matches(int, 3), matches(lambda n: n > 3, 3)
(True, True, False)

* inside tuples, lists and dicts as well:

>>> matches((1, str, [ANY, 4]), (1, "a", [None, 4]))
True
>>> matches({"name": str}, {"name": "x", "other": 1})
False

* ``having(**some)`` for a dict, and ``containing(*some)`` for a collection, which hold
  at least this:

>>> matches(having(name=str), {"name": "x", "other": 1})
True
>>> matches(containing(2, str), [1, 2, "a"]), matches(containing(2, 3), [1, 2])
(True, False)
"""

from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import ANY, NonCallableMock

__all__ = ["ANY", "containing", "describe", "having", "matches"]


class _Shape:
    """A predicate which prints well in the message of a failed assertion."""

    def __init__(self, text: str, accepts: Callable[[Any], bool]):
        self._text = text
        self._accepts = accepts

    def __call__(self, actual: Any) -> bool:
        return self._accepts(actual)

    def __repr__(self) -> str:
        return self._text


def having(**expected: Any) -> Callable[[Any], bool]:
    """Accept a dict which has at least these keys, with values that match.

    >>> having(a=1)
    having(a=1)
    """

    def accepts(actual: Any) -> bool:
        return isinstance(actual, Mapping) and all(
            key in actual and matches(value, actual[key])
            for key, value in expected.items()
        )

    text = ", ".join(f"{key}={describe(value)}" for key, value in expected.items())
    return _Shape(f"having({text})", accepts)


def containing(*expected: Any) -> Callable[[Any], bool]:
    """Accept a collection in which each expected value matches some item."""

    def accepts(actual: Any) -> bool:
        return hasattr(actual, "__iter__") and all(
            any(matches(value, item) for item in actual) for value in expected
        )

    text = ", ".join(describe(value) for value in expected)
    return _Shape(f"containing({text})", accepts)


def matches(expected: Any, actual: Any) -> bool:
    """Tell whether a value is the expected one or has the expected shape.

    :param expected: a value, a class, a predicate, or a collection of them
    :param actual: the value
    """
    if expected is actual:
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            matches(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list | tuple) and type(expected) is type(actual):
        return len(expected) == len(actual) and all(map(matches, expected, actual))
    if isinstance(expected, type):
        return isinstance(actual, expected)
    # A mock is callable, and accepts everything: it stands for itself.
    if callable(expected) and not isinstance(expected, NonCallableMock):
        return bool(expected(actual))
    return expected == actual


def describe(expected: Any) -> str:
    """Return the text of a value or shape for a message.

    >>> describe(int), describe(ANY), describe(len), describe(5)
    ('int', '<ANY>', 'len', '5')
    """
    if callable(expected) and hasattr(expected, "__name__"):
        return expected.__name__
    return str(expected)
