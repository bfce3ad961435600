# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The options of a delayed call, spelled once, and what their values may be.

Six are the properties of a job (`PROPERTIES`), known to everybody who mocks or
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
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

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
Moment = datetime | str | None

#: The largest value of a PostgreSQL integer.
_INT_MAX = 2**31 - 1


def check_names(names: Iterable[str], caller: str = "with_delay") -> None:
    """Raise a TypeError which names the first option that does not exist."""
    for name in names:
        if name not in EXTRAS and name not in PROPERTIES:
            raise TypeError(
                f"{caller}() got an unexpected keyword argument {name!r}; the options "
                f"of a job are: {', '.join(PROPERTIES + EXTRAS)}."
            )


def given(extras: Mapping[str, Any], caller: str = "with_delay") -> dict[str, Any]:
    """Return the extra options which have a value, after a check of their names."""
    if not extras:
        return {}
    check_names(extras, caller)
    return {name: value for name, value in extras.items() if value is not None}


def job_arguments(
    properties: Mapping[str, Any], extras: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords for the constructor of `Job`.

    `countdown` becomes the `eta`; `allow_nested` belongs to the call, not to the job.
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
    return timedelta(seconds=_number("countdown", countdown, "30 for half a minute"))


def call_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call as a tuple and a dict."""
    args = tuple(args) if isinstance(args, list) else args or ()
    kwargs = kwargs or {}
    if not isinstance(args, tuple):
        raise AssertionError(f"{args}: args are not a tuple")
    if not isinstance(kwargs, dict):
        raise AssertionError(f"{kwargs}: kwargs are not a dict")
    return args, kwargs


# -- values: each function returns what is stored, or says what to give instead --


def priority(value: Any) -> int:
    """Return the number of a priority."""
    if value is None:
        return DEFAULT_PRIORITY
    if isinstance(value, str) and value in PRIORITY_NAMES:
        return PRIORITY_NAMES[value]
    return _integer(
        "priority", value, "a number such as 5, or 'high', 'default', 'low'"
    )


def max_retries(value: Any) -> int:
    """Return the number of attempts allowed, 0 for no limit."""
    if value is None:
        return DEFAULT_MAX_RETRIES
    number = _integer("max_retries", value, "0 for no limit, or a number such as 3")
    if number < 0:
        _refuse("max_retries", value, "0 for no limit, or a number such as 3")
    return number


def eta(value: Any, now: Callable[[], datetime]) -> Moment:
    """Return the moment before which the job must not begin, naive and in UTC."""
    if not value:
        return None
    if isinstance(value, timedelta):
        return now() + value
    if isinstance(value, int | float):
        return now() + timedelta(seconds=value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    if isinstance(value, str) or hasattr(value, "isoformat"):
        moment: Moment = value
        return moment
    return _refuse("eta", value, "a datetime in UTC, a timedelta, or seconds from now")


def expires(value: Any, now: Callable[[], datetime]) -> str | None:
    """Return the moment after which the job must not begin any more, as text."""
    moment = eta(value, now)
    if moment is None or isinstance(moment, str):
        return moment
    return moment.isoformat(sep=" ", timespec="seconds")


def timeout(value: Any) -> int:
    """Return the time limit in whole seconds, 0 for none."""
    if not value:
        return 0
    number = _number("timeout", value, "600 for ten minutes, or 0 for no limit")
    if number < 0:
        _refuse("timeout", value, "600 for ten minutes, or 0 for no limit")
    return max(int(number), 1)


def text(name: str, value: Any) -> str | None:
    """Return a text, or None when it is empty."""
    if not value:
        return None
    return value if isinstance(value, str) else _refuse(name, value, "a text")


def identity_key(value: Any) -> Any:
    """Return a text or a function of the job, or None."""
    return key("identity_key", value) if value else None


def key(name: str, value: Any) -> Any:
    """Return a text or a function of the job."""
    if isinstance(value, str) or callable(value):
        return value
    return _refuse(name, value, "a text, or a function such as identity_exact")


def limit(value: Any, most: int) -> int:
    """Return how many jobs of a key run at a time, 1 by default."""
    remedy = f"a whole number from 1 to {most}"
    number = _integer("concurrency_limit", 1 if value is None else value, remedy)
    if not 1 <= number <= most:
        _refuse("concurrency_limit", value, remedy)
    return number


def identity_scope(value: Any) -> str:
    """Return until when the identity key is held."""
    scope: str = _choice("identity_scope", value or "start", IDENTITY_SCOPES)
    return scope


def notify(value: Any) -> bool | str:
    """Return when the user is told about the end of the job."""
    choice: bool | str = _choice("notify", value or False, NOTIFY_CHOICES)
    return choice


def _choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value in choices:
        return value
    return _refuse(name, value, " or ".join(map(repr, choices)))


def _integer(name: str, value: Any, remedy: str) -> int:
    number = _number(name, value, remedy)
    if number != int(number) or abs(number) > _INT_MAX:
        _refuse(name, value, remedy)
    return int(number)


def _number(name: str, value: Any, remedy: str) -> float:
    try:
        return value if isinstance(value, int) else float(value)
    except (TypeError, ValueError):
        return _refuse(name, value, remedy)


def _refuse(name: str, value: Any, remedy: str) -> NoReturn:
    raise ValueError(f"Job option {name}={value!r} is not usable: give {remedy}.")
