# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Exceptions after which a job is tried again, and when.

A job function names them in its field `retry_on`: by class, or by module and class,
their subclasses included. The delay is what the other side asks for (the header
`Retry-After` of an HTTP answer), or else that of the retry pattern, or else it doubles
with each attempt, with a random part, so that many jobs don't come back at once.

Whether there is another attempt at all is decided by `retry.decide`, as ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ..core import delays, texts

#: Seconds: the delay after the first attempt, and the longest one.
FIRST_DELAY = 10
LONGEST_DELAY = 3600

#: Seconds: no answer may postpone a job for longer than a day.
LONGEST_ASKED = 86400


def names_of(text: str | None) -> tuple[str, ...]:
    """Return the names in a text.

    :param text: names separated by commas or blanks

    >>> names_of("TimeoutError, requests.exceptions.ConnectionError")
    ('TimeoutError', 'requests.exceptions.ConnectionError')
    """
    return tuple((text or "").replace(",", " ").split())


def is_one_of(exc: BaseException, names: Iterable[str]) -> bool:
    """Whether the class of the exception, or a base of it, is named.

    :param exc: the exception
    :param names: of classes, with or without their module

    >>> is_one_of(ConnectionResetError(), ["ConnectionError"])
    True
    """
    known = set()
    for cls in type(exc).__mro__:
        known |= {cls.__name__, f"{texts.of(cls.__module__)}.{cls.__qualname__}"}
    return not known.isdisjoint(names)


def backoff(
    attempt: int, *, uniform: Callable[[float, float], float] = random.uniform
) -> int:
    """Return the delay after an attempt, in seconds.

    :param attempt: its number, from 1
    :param uniform: chooses a number between two others

    >>> [backoff(attempt, uniform=max) for attempt in (1, 2, 3, 20)]
    [10, 20, 40, 3600]
    """
    exponent = min(max(attempt - 1, 0), 30)
    whole = min(FIRST_DELAY * 2**exponent, LONGEST_DELAY)
    return max(round(uniform(whole / 2, whole)), 1)


def asked_delay(
    exc: BaseException, now: Callable[[], datetime] | None = None
) -> int | None:
    """Return the seconds that the other side asks to wait, None if it does not.

    Read from `exc.retry_after`, or the header `Retry-After` of `exc.response`, which
    holds seconds or a date. Anything else counts as no answer: this never raises.

    :param exc: the exception
    :param now: returns an aware datetime
    """
    try:
        given = _asked(exc)
        seconds = None if given is None else delays.asked(given, now)
    except Exception:  # whatever the attributes of an exception of other code do
        return None
    if seconds is None or seconds <= 0:
        return None
    return round(min(seconds, LONGEST_ASKED))


def _asked(exc: BaseException) -> Any:
    asked = getattr(exc, "retry_after", None)
    if asked is not None:
        return asked
    headers = getattr(getattr(exc, "response", None), "headers", None)
    return None if headers is None else headers.get("Retry-After")


def delay_after(exc: BaseException, attempt: int, pattern: Any) -> int | None:
    """Return the delay of the next attempt, None where the retry pattern says it.

    :param exc: the exception that ended the attempt
    :param attempt: its number, from 1
    :param pattern: the retry pattern of the job function
    :return: seconds
    """
    asked = asked_delay(exc)
    if asked is not None:
        return asked
    return backoff(attempt) if texts.is_empty(pattern) else None
