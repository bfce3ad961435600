# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The options of a delayed call, spelled once, and what their values may be.

Six are the properties of a job (`PROPERTIES`), known to all code that mocks or
overrides the call. The others (`EXTRAS`) travel beside them, and only when given.

==============  ================================================================
priority        the lower, the earlier; a number, or "high", "default", "low"
eta             not before: a datetime (UTC), a timedelta, or seconds from now
max_retries     attempts before the job fails; 0 for no limit
description     what the job is called; default: first line of the docstring
channel         full name of a channel, e.g. "root.import"
identity_key    a text, or a function of the job: one waiting job per key
--------------  ----------------------------------------------------------------
countdown       seconds from now; another way to give `eta`
timeout         seconds after which the running job is stopped and fails
expires         like `eta`: a job not begun by then is cancelled
allow_nested    False: inside another job, run the method now, not as a job
notify          tell the user at the end: True, "done" or "failed"
skip_if_missing True: done at once if the records are deleted by then
sequence_key    a text, or a function of the job: jobs of the same channel and key run
                one after the other, in the order of the channel
concurrency_key the same, but `concurrency_limit` of them run at a time (default 1)
identity_scope  the key is held until the job has begun ("start") or ended ("done")
==============  ================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, NoReturn

from . import texts

PROPERTIES = (
    "priority",
    "eta",
    "max_retries",
    "description",
    "channel",
    "identity_key",
)
EXTRAS = (
    "countdown",
    "timeout",
    "expires",
    "allow_nested",
    "notify",
    "identity_scope",
    "skip_if_missing",
    "sequence_key",
    "concurrency_key",
    "concurrency_limit",
)

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


def check_names(names: Iterable[str], caller: str = "with_delay") -> None:
    """Check the names of options.

    :param caller: the function to which they were given, for the message
    :raise TypeError: one of them does not exist
    """
    for name in names:
        if name not in EXTRAS and name not in PROPERTIES:
            raise TypeError(
                f"{caller}() got an unexpected keyword argument {name!r}; the options "
                f"of a job are: {', '.join(PROPERTIES + EXTRAS)}."
            )


def given(extras: Mapping[str, Any], caller: str = "with_delay") -> dict[str, Any]:
    """Return the extra options which have a value.

    :param caller: the function to which they were given, for the message
    :raise TypeError: there is no option of one of these names
    """
    if not extras:
        return {}
    check_names(extras, caller)
    return {name: value for name, value in extras.items() if value is not None}


def job_arguments(
    properties: Mapping[str, Any], extras: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords for the constructor of `Job`.

    `countdown` becomes the `eta`; `allow_nested` belongs to the call, not to the job.

    :param properties: values of `PROPERTIES`
    :param extras: values of `EXTRAS`, those that were given
    :raise ValueError: `countdown` is not usable, or there is an `eta` as well
    """
    arguments = dict(properties)
    for name, value in extras.items():
        if name == "countdown":
            arguments["eta"] = _eta_from_countdown(value, arguments.get("eta"))
        elif name != "allow_nested":
            arguments[name] = value
    return arguments


def _eta_from_countdown(countdown: Any, eta: Any) -> timedelta:
    if eta:
        raise ValueError(
            f"countdown={countdown!r} and eta={eta!r} are two ways to say when the job "
            "may begin: give one of them."
        )
    remedy = "30 for half a minute"
    delta = _delta("countdown", countdown, remedy)
    _later("countdown", countdown, delta, datetime.now, remedy)
    return delta


def call_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call as a tuple and a dict.

    :param args: a tuple, a list or None
    :param kwargs: a dict or None
    :raise AssertionError: they are something else
    """
    args = tuple(args) if isinstance(args, list) else args or ()
    kwargs = kwargs or {}
    if not isinstance(args, tuple):
        raise AssertionError(f"{args}: args are not a tuple")
    if not isinstance(kwargs, dict):
        raise AssertionError(f"{kwargs}: kwargs are not a dict")
    return args, kwargs


# -- values: each function returns what is stored, or says what to give instead --


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
        _refuse("max_retries", value, "0 for no limit, or a number such as 3")
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
    return _refuse(name, value, _MOMENT)


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
            _refuse("expires", value, _MOMENT)
    moment = eta(value, now, "expires")
    if moment is None or isinstance(moment, str):
        return moment
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return moment.isoformat(sep=" ", timespec="seconds")


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
        _refuse(name, value, f"{remedy}, before the year 10000")


def _naive(name: str, value: datetime) -> datetime:
    if not value.tzinfo:
        return value
    try:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:
        _refuse(name, value, f"{_MOMENT}, before the year 10000")


def _readable(name: str, value: str) -> str:
    try:  # as `fields.Datetime.to_datetime` does
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S"[: len(value) - 2])
    except ValueError:
        _refuse(name, value, _MOMENT)
    return value


def timeout(value: Any) -> int:
    """Return the time limit in whole seconds, 0 for none.

    :param value: seconds
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if not value:
        return 0
    number = _number("timeout", value, _LIMIT)
    if not 0 <= number <= INT_MAX:
        _refuse("timeout", value, _LIMIT)
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
        _refuse(name, value, "a text")
    if clean and not texts.is_clean(value):
        _refuse(name, value, "a text without NUL characters and lone surrogates")
    return value


def channel(value: Any) -> str | None:
    """Return the full name of a channel, or None.

    :raise ValueError: it is not usable; the message says what to give instead
    """
    name = text("channel", value)
    if name and len(name) > LONGEST_CHANNEL:
        _refuse("channel", name, f"a name of {LONGEST_CHANNEL} characters at most")
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
    found = text("identity_key", value)
    if found and len(found.encode()) > LONGEST_IDENTITY_KEY:
        _refuse(
            "identity_key",
            value,
            f"a text of {LONGEST_IDENTITY_KEY} bytes at most, say a hash of it, or "
            "identity_exact",
        )
    return found


def key(name: str, value: Any) -> Any:
    """Return a text or a function of the job.

    :param name: of the option, for the message
    :raise ValueError: it is not usable; the message says what to give instead
    """
    if isinstance(value, str) or callable(value):
        return value
    return _refuse(name, value, "a text, or a function such as identity_exact")


def limit(value: Any, most: int) -> int:
    """Return how many jobs of a key run at a time, 1 by default.

    :param most: the largest number allowed
    :raise ValueError: it is not usable; the message says what to give instead
    """
    remedy = f"a whole number from 1 to {most}"
    number = _integer("concurrency_limit", 1 if value is None else value, remedy)
    if not 1 <= number <= most:
        _refuse("concurrency_limit", value, remedy)
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


def _choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value in choices:
        return value
    return _refuse(name, value, " or ".join(map(repr, choices)))


def _integer(name: str, value: Any, remedy: str) -> int:
    number = _number(name, value, remedy)
    if abs(number) > INT_MAX or number != int(number):
        _refuse(name, value, remedy)
    return int(number)


def _delta(name: str, value: Any, remedy: str) -> timedelta:
    try:
        return timedelta(seconds=_number(name, value, remedy))
    except OverflowError:
        _refuse(name, value, remedy)


def _number(name: str, value: Any, remedy: str) -> float:
    try:
        number = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, OverflowError):
        return _refuse(name, value, remedy)
    return _refuse(name, value, remedy) if number != number else number  # NaN


def _refuse(name: str, value: Any, remedy: str) -> NoReturn:
    shown = texts.shown(value)
    raise ValueError(f"Job option {name}={shown} is not usable: give {remedy}.")
