# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the values of options may be.

Each function returns what is stored, or says what to give instead.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any, NoReturn

from . import texts

DEFAULT_PRIORITY = 10
DEFAULT_MAX_RETRIES = 5
PRIORITY_NAMES = {"high": 1, "default": 10, "low": 100}
IDENTITY_SCOPES = ("start", "done")
NOTIFY_CHOICES = (True, False, "done", "failed")

#: When something may happen: naive and in UTC, or a text that the ORM will read.
Moment = date | str | None

#: The largest value of a PostgreSQL integer.
INT_MAX = 2**31 - 1

#: Characters of a channel's name. With a key (`rules.LONGEST_KEY`) it fits into an
#: entry of an index, which takes 2,704 bytes, whatever the characters are.
LONGEST_CHANNEL = 400
#: Bytes of an identity key: it is an entry of an index as well.
LONGEST_IDENTITY_KEY = 2_600

_MOMENT = "a datetime in UTC, a timedelta, seconds from now, or '2030-12-31 23:59:59'"
_LIMIT = "600 for ten minutes, or 0 for no limit"


def priority(value: Any) -> int:
    """Return the number of a priority.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    if value is None:
        return DEFAULT_PRIORITY
    if isinstance(value, str) and value in PRIORITY_NAMES:
        return PRIORITY_NAMES[value]
    return _integer(
        "priority", value, "a number such as 5, or 'high', 'default', 'low'"
    )


def max_retries(value: Any) -> int:
    """Return the number of attempts allowed, 0 for no limit.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    if value is None:
        return DEFAULT_MAX_RETRIES
    number = _integer("max_retries", value, "0 for no limit, or a number such as 3")
    if number < 0:
        refuse("max_retries", value, "0 for no limit, or a number such as 3")
    return number


def eta(value: Any, now: Callable[[], datetime], name: str = "eta") -> Moment:
    """Return the moment before which the job must not begin, naive and in UTC.

    A text is kept as it is, if the ORM can read it.

    :param value: a date, a datetime, a timedelta, seconds from now, or a text
    :param now: returns the present moment, naive and in UTC
    :param name: of the option, for the message
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if not value:
        return None
    if isinstance(value, timedelta):
        return _later(name, value, value, now, _MOMENT)
    if isinstance(value, int | float):
        return _later(name, value, _delta(name, value, _MOMENT), now, _MOMENT)
    if isinstance(value, datetime):
        return _naive(name, value)
    if isinstance(value, str):
        return _readable(name, value)
    if isinstance(value, date):
        day: Moment = value
        return day
    return refuse(name, value, _MOMENT)


def expires(value: Any, now: Callable[[], datetime]) -> str | None:
    """Return the moment after which the job must not begin any more, as text.

    :param value: see `eta`
    :param now: returns the present moment, naive and in UTC
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            refuse("expires", value, _MOMENT)
    moment = eta(value, now, "expires")
    if moment is None or isinstance(moment, str):
        return moment
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return moment.isoformat(sep=" ", timespec="seconds")


def countdown(value: Any) -> timedelta:
    """Return the time from now until the job may begin.

    :param value: seconds
    :raise ValueError: it is not usable; the message says what to give instead
    """
    remedy = "30 for half a minute"
    delta = _delta("countdown", value, remedy)
    _later("countdown", value, delta, datetime.now, remedy)
    return delta


def has_passed(expires: Any, now: datetime) -> bool:
    """Return whether a stored moment is over.

    :param expires: what :func:`expires` has returned, or what SQL has written
    :param now: naive and in UTC
    :raise ValueError: it is no date
    """
    if not expires:
        return False
    try:
        moment = datetime.fromisoformat(expires)
    except (TypeError, ValueError) as error:
        raise ValueError(f"options: expires = {expires!r} is no date") from error
    return _naive("expires", moment) < now


def _later(
    name: str, value: Any, delta: timedelta, now: Callable[[], datetime], remedy: str
) -> datetime:
    try:
        return now() + delta
    except OverflowError:
        refuse(name, value, f"{remedy}, before the year 10000")


def _naive(name: str, value: datetime) -> datetime:
    if not value.tzinfo:
        return value
    try:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:
        refuse(name, value, f"{_MOMENT}, before the year 10000")


def _readable(name: str, value: str) -> str:
    try:  # as `fields.Datetime.to_datetime` does
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S"[: len(value) - 2])
    except ValueError:
        refuse(name, value, _MOMENT)
    return value


def timeout(value: Any) -> int:
    """Return the time limit in whole seconds, 0 for none.

    :param value: seconds
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if not value:
        return 0
    number = number_of("timeout", value, _LIMIT)
    if not 0 <= number <= INT_MAX:
        refuse("timeout", value, _LIMIT)
    return max(int(number), 1)


def description(value: Any) -> str | None:
    """Return what the job is called, fit to be stored; None when it is empty.

    It is for people, and often holds a name from elsewhere: what can't be stored is
    replaced, and what is too long is cut (see `texts`), rather than refused.

    :raise ValueError: it is no text
    """
    given = text("description", value, clean=False)
    return texts.storable(given, texts.DESCRIPTION)


def text(name: str, value: Any, *, clean: bool = True) -> str | None:
    """Return a text, or None when it is empty.

    :param name: of the option, for the message
    :param clean: refuse characters that can't be stored: this text identifies something
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if not value:
        return None
    if not isinstance(value, str):
        refuse(name, value, "a text")
    if clean and not texts.is_clean(value):
        refuse(name, value, "a text without NUL characters and lone surrogates")
    return value


def channel(value: Any) -> str | None:
    """Return the full name of a channel, or None.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    name = text("channel", value)
    if name and len(name) > LONGEST_CHANNEL:
        refuse("channel", name, f"a name of {LONGEST_CHANNEL} characters at most")
    return name


def identity_key(value: Any) -> Any:
    """Return a text or a function of the job, or None.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    found = key("identity_key", value) if value else None
    return identity_text(found) if isinstance(found, str) else found


def identity_text(value: Any) -> str | None:
    """Return an identity key, given or made by a function, as it is stored, or None.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    found = text("identity_key", number_as_text(value))
    if found and len(found.encode()) > LONGEST_IDENTITY_KEY:
        refuse(
            "identity_key",
            value,
            f"a text of {LONGEST_IDENTITY_KEY} bytes at most, say a hash of it, or "
            "identity_exact",
        )
    return found


def number_as_text(value: Any) -> Any:
    """Return the text of a whole number, anything else as it is.

    A function of the job may give the id of a record as its key.

    >>> number_as_text(0), number_as_text(None), number_as_text(True)
    ('0', None, True)
    """
    return str(value) if type(value) is int else value


def key(name: str, value: Any) -> Any:
    """Return a text or a function of the job.

    :param name: of the option, for the message
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if isinstance(value, str) or callable(value):
        return value
    return refuse(name, value, "a text, or a function such as identity_exact")


def limit(value: Any, most: int) -> int:
    """Return how many jobs of a key run at a time, 1 by default.

    :param most: the largest number allowed
    :raise ValueError: it is not usable; the message says what to give instead
    """
    remedy = f"a whole number from 1 to {most}"
    number = _integer("concurrency_limit", 1 if value is None else value, remedy)
    if not 1 <= number <= most:
        refuse("concurrency_limit", value, remedy)
    return number


def identity_scope(value: Any) -> str:
    """Return until when the identity key is held.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    scope: str = _choice("identity_scope", value or "start", IDENTITY_SCOPES)
    return scope


def notify(value: Any) -> bool | str:
    """Return when the user is told about the end of the job.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    choice: bool | str = _choice("notify", value or False, NOTIFY_CHOICES)
    return choice


def meant_for(value: Any) -> int | None:
    """Return the id of the partner for whom a job is, None for nobody.

    :param value: a record of partners or users
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if not value:
        return None
    remedy = "one stored record of res.partner or res.users"
    model = getattr(value, "_name", None)
    if model not in ("res.partner", "res.users") or len(value) != 1:
        refuse("meant_for", value, remedy)
    partner = value.sudo().partner_id if model == "res.users" else value
    if type(partner.id) is not int:
        refuse("meant_for", value, remedy)
    return int(partner.id)


def _choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value in choices:
        return value
    return refuse(name, value, " or ".join(map(repr, choices)))


def _integer(name: str, value: Any, remedy: str) -> int:
    number = number_of(name, value, remedy)
    if abs(number) > INT_MAX or number != int(number):
        refuse(name, value, remedy)
    return int(number)


def _delta(name: str, value: Any, remedy: str) -> timedelta:
    try:
        return timedelta(seconds=number_of(name, value, remedy))
    except OverflowError:
        refuse(name, value, remedy)


def number_of(name: str, value: Any, remedy: str) -> float:
    """Return a number.

    :param name: of the option, for the message
    :param remedy: what to give instead, for the message
    :raise ValueError: it is not usable
    """
    try:
        number = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, OverflowError):
        return refuse(name, value, remedy)
    return refuse(name, value, remedy) if number != number else number  # NaN


def refuse(name: str, value: Any, remedy: str) -> NoReturn:
    """Say that a value is not usable.

    :param name: of the option
    :param remedy: what to give instead
    :raise ValueError: always
    """
    shown = texts.shown(value)
    raise ValueError(f"Job option {name}={shown} is not usable: give {remedy}.")
