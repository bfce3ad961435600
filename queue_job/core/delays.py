# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Seconds until the next attempt, as they are given by code, people and servers.

A delay is a number, a text of one, a timedelta, or a pair of them: the bounds of a
random delay. It is brought between 0 and `LONGEST`, so that the date of the next
attempt can always be written. A retry pattern maps attempts to delays.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from .texts import shown

#: Ten years, in seconds: longer than any use, and every calendar has that date.
LONGEST = 10 * 365 * 86_400

#: A delay, or the two bounds of a random one.
Seconds = int | float | tuple[int, int] | list[int]


class Fault(enum.Enum):
    """What is wrong with an entry of a retry pattern."""

    PATTERN = "pattern"  # no dictionary
    ATTEMPT = "attempt"  # the key is no number
    SECONDS = "seconds"  # the value is neither a number nor a pair
    NEGATIVE = "negative"
    TOO_LONG = "too long"
    REVERSED = "reversed"  # the first bound is the greater one
    EARLY = "early"  # before the first attempt, which is number 1
    ZERO = "zero"  # at once: all attempts would be over in a moment
    ORDER = "order"  # after a later attempt


#: Faults that leave a delay which can be used.
MENDED = (Fault.NEGATIVE, Fault.TOO_LONG, Fault.REVERSED)


class Complaint(NamedTuple):
    """An entry of a pattern that is not as it should be."""

    entry: str
    fault: Fault


def number(value: Any) -> float:
    """Return the seconds in a number, a text or a timedelta.

    >>> number("30"), number(timedelta(minutes=1))
    (30.0, 60.0)

    :raise ValueError: there are none
    """
    try:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        seconds = int(value) if isinstance(value, int) else float(value)
        if isinstance(seconds, float) and math.isnan(seconds):
            raise ValueError("NaN")
    except OverflowError:
        return math.inf
    except Exception as error:
        raise ValueError(f"{shown(value)} is no number of seconds") from error
    return seconds


def asked(value: Any, now: Callable[[], datetime] | None = None) -> float:
    """Return the seconds in what a server asks for by `Retry-After`.

    :param value: a number, a text of one, or a date as HTTP writes it
    :param now: returns an aware datetime
    :raise ValueError: it is none of these
    """
    try:
        return number(value)
    except ValueError:
        moment = parsedate_to_datetime(str(value))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - (now or _utc_now)()).total_seconds()


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def bounds(value: Any) -> tuple[float, float]:
    """Return the two bounds of a delay as they are given; those of a number are equal.

    :raise ValueError: it is neither a number nor a pair of numbers
    """
    if not isinstance(value, tuple | list):
        return (number(value),) * 2
    if len(value) != 2:
        raise ValueError(f"{shown(value)} is no pair of numbers of seconds")
    return number(value[0]), number(value[1])


def usable(low: float, high: float) -> tuple[float, float]:
    """Return bounds in order, and within what can be waited.

    >>> usable(10, -1)
    (0, 10)
    """
    low, high = sorted(min(max(bound, 0), LONGEST) for bound in (low, high))
    return low, high


def fault_of(low: float, high: float) -> Fault | None:
    """Return what must be mended before such bounds can be used."""
    if low < 0 or high < 0:
        return Fault.NEGATIVE
    if low > LONGEST or high > LONGEST:
        return Fault.TOO_LONG
    return Fault.REVERSED if low > high else None


def read_pattern(pattern: Any) -> tuple[dict[int, Seconds], list[Complaint]]:
    """Return what can be used of a retry pattern, and what is wrong with it.

    >>> read_pattern({"1": 60, "3": [10, 20]})
    ({1: 60, 3: (10, 20)}, [])
    """
    if pattern is None or pattern is False:
        return {}, []
    if not isinstance(pattern, Mapping):
        return {}, [Complaint(shown(pattern), Fault.PATTERN)]
    entries: dict[int, Seconds] = {}
    complaints = []
    for attempt, delay in pattern.items():
        fault = _read_entry(entries, attempt, delay)
        if fault:
            complaints.append(Complaint(f"{shown(attempt)}: {shown(delay)}", fault))
    return entries, complaints


def _read_entry(entries: dict[int, Seconds], attempt: Any, delay: Any) -> Fault | None:
    """Take an entry of a pattern, if it can be used; return its fault."""
    try:
        key = int(attempt)
    except (TypeError, ValueError, OverflowError):
        return Fault.ATTEMPT
    try:
        given = bounds(delay)
    except ValueError:
        return Fault.SECONDS
    low, high = (int(bound) for bound in usable(*given))
    entries[key] = (low, high) if isinstance(delay, tuple | list) else low
    return fault_of(*given)


def declared_faults(pattern: Any) -> list[Complaint]:
    """Return what is wrong with a retry pattern that somebody writes.

    Stricter than `read_pattern`, which reads what is there: an attempt 0, no delay and
    attempts out of order can be used, but hardly mean what was meant.

    >>> [fault.value for _entry, fault in declared_faults({0: 5, 3: 0, 2: 10})]
    ['early', 'zero', 'order']
    """
    entries, complaints = read_pattern(pattern)
    if complaints:
        return complaints
    latest = 0
    for attempt, delay in entries.items():
        fault = _declared_fault(attempt, delay, latest)
        if fault:
            complaints.append(Complaint(f"{attempt}: {delay}", fault))
        latest = max(latest, attempt)
    return complaints


def _declared_fault(attempt: int, delay: Seconds, latest: int) -> Fault | None:
    if attempt < 1:
        return Fault.EARLY
    if delay in (0, (0, 0)):
        return Fault.ZERO
    return Fault.ORDER if attempt < latest else None
