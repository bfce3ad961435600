# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The options of a delayed call, spelled once.

Six are the properties of a job (`PROPERTIES`), known to all code that mocks or
overrides the call. The others (`EXTRAS`) travel beside them, and only when given. Some
of those need no column of their own: they are kept in the column `options` (JSON), and
the table `KEPT` says all that the queue knows of them. What values may be is in
`option_values`.

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
allow_nested    False: inside another job, run the method now, not as a job
sequence_key    a text, or a function of the job: jobs of the same channel and key run
                one after the other, in the order of the channel
concurrency_key the same, but `concurrency_limit` of them run at a time (default 1)
identity_scope  the key is held until the job has begun ("start") or ended ("done")
ignore_result   True: what the method returns is not kept
--------------  ----------------------------------------------------------------
expires         like `eta`: a job not begun by then is cancelled
notify          tell the user at the end: True, "done" or "failed"
skip_if_missing True: done at once if the records are deleted by then
meant_for       a partner or a user, who sees the job under "My jobs" as well
==============  ================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from . import option_values
from .names import nearest


class Kept(NamedTuple):
    """An option that is kept in the column `options` of the job.

    A hook gets the job and the kept value, and is called only for a job that has one.
    """

    name: str
    #: Returns the value as JSON has it, or says what to give instead by a ValueError.
    #: What is false was not asked for, and is not kept.
    check: Callable[[Any], Any]
    #: Before an attempt: why the job is cancelled instead, None if it is not.
    refusal: Callable[[Any, Any], str | None] | None = None
    #: At the end of the job, in the transaction that ends it; it must not raise.
    ended: Callable[[Any, Any], None] | None = None


def _expires(value: Any) -> str | None:
    moment: str | None = option_values.expires(value, datetime.now)
    return moment


def _has_expired(job: Any, value: Any) -> str | None:
    if not option_values.has_passed(value, datetime.now()):
        return None
    expired: str = job.env._("Expired: it was not to be started after %s", value)
    return expired


#: `notify` takes effect in `settle.end_notice`, `skip_if_missing` and `ignore_result`
#: in `storage.job_call`, `meant_for` in `models.queue_job_mine`.
KEPT = (
    Kept("ignore_result", bool),
    Kept("expires", _expires, refusal=_has_expired),
    Kept("meant_for", option_values.meant_for),
    Kept("notify", option_values.notify),
    Kept("skip_if_missing", bool),
)

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
    "allow_nested",
    "identity_scope",
    "sequence_key",
    "concurrency_key",
    "concurrency_limit",
    *(option.name for option in KEPT),
)


def check_names(names: Iterable[str], caller: str = "with_delay") -> None:
    """Check the names of options.

    :param caller: the function to which they were given, for the message
    :raise TypeError: one of them does not exist
    """
    for name in names:
        if name not in EXTRAS and name not in PROPERTIES:
            meant = nearest(name, PROPERTIES + EXTRAS)
            raise TypeError(
                f"{caller}() got an unexpected keyword argument {name!r}"
                f"{f' (did you mean {meant!r}?)' if meant else ''}; the options of a "
                f"job are: {', '.join(PROPERTIES + EXTRAS)}."
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
    delta: timedelta = option_values.countdown(countdown)
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


# -- kept options --------------------------------------------------------------------


def divide(extras: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the column `options` keeps of some options, and the other options.

    :param extras: values by name
    :raise ValueError: a value is not usable; the message says what to give instead
    """
    kept, others = {}, dict(extras)
    for option in KEPT:
        value = others.pop(option.name, None)
        if value is not None and (checked := option.check(value)):
            kept[option.name] = checked
    return kept, others


def refusal(job: Any) -> str | None:
    """Return why a job is to be cancelled rather than begun, None if it is not.

    :param job: a started `Job`
    :raise ValueError: a kept value is none that a call could have given
    """
    for option in KEPT:
        value = job.options.get(option.name)
        if value and option.refusal and (reason := option.refusal(job, value)):
            return reason
    return None


def tell_ended(job: Any) -> None:
    """Call the hooks for the end of a job; their work is undone by a rollback.

    :param job: a `Job` that has ended
    """
    for option in KEPT:
        value = job.options.get(option.name)
        if value and option.ended:
            option.ended(job, value)
