# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The options of an entry of the configuration string, and their mistakes.

The runner refuses to start with a mistake, rather than run a channel that was meant to
be paused. Code that configures channels itself is not checked for unknown options.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...core.names import nearest
from .rate import Rate

FALSE_TEXTS = frozenset({"", "0", "f", "false", "n", "no", "none", "off"})
TRUE_TEXTS = frozenset({"1", "t", "true", "y", "yes", "on"})

SWITCHES = ("sequential", "paused", "threads", "sequential_default")
OPTIONS = (*SWITCHES, "throttle", "rate", "capacity_default")


class ChildDefaults(NamedTuple):
    """What holds for channels made on the fly below a channel."""

    capacity: int | None = None
    sequential: bool = False


def as_boolean(value: Any) -> bool:
    """Read a switch; only words that clearly say no are false.

    >>> [as_boolean(value) for value in (True, "1", "yes", "False", "off", None)]
    [True, True, True, False, False, False]
    """
    if isinstance(value, str):
        return value.strip().lower() not in FALSE_TEXTS
    return bool(value)


def child_defaults(entry: dict[str, Any]) -> ChildDefaults | None:
    """Return what an entry says of channels made on the fly below it, if anything.

    >>> child_defaults({"name": "a", "capacity_default": "2"})
    ChildDefaults(capacity=2, sequential=False)
    """
    if as_boolean(entry.get("sequential_default")):
        return ChildDefaults(1, sequential=True)
    if "capacity_default" in entry:
        return ChildDefaults(int(entry["capacity_default"]) or None)
    return None


def check_values(entry: dict[str, Any]) -> None:
    """Check the values of the options of a channel.

    :raise ValueError: they can't be used, or contradict each other
    """
    if as_boolean(entry.get("sequential")) and entry.get("capacity") != 1:
        raise ValueError("A sequential channel must have a capacity of 1")
    throttle = entry.get("throttle") or 0
    if not str(throttle).isdigit():
        raise ValueError(f"invalid throttle {throttle}")
    rate = entry.get("rate")
    if not isinstance(rate, Rate):
        Rate.parse(rate)
    capacity = entry.get("capacity_default", 0)
    if not str(capacity).isdigit():
        raise ValueError(f"invalid capacity_default {capacity}")
    sequential = as_boolean(entry.get("sequential_default"))
    if sequential and str(entry.get("capacity_default", 1)) != "1":
        raise ValueError("sequential_default needs a capacity_default of 1, or none")


def check_names(entry: dict[str, Any]) -> None:
    """Check that the options exist, that switches are on or off, and the name.

    :raise ValueError: what is wrong, and what is probably meant
    """
    if not all(part.strip() for part in entry["name"].split(".")):
        raise ValueError("a part of the channel name is empty")
    for name, value in entry.items():
        if name not in ("name", "capacity", *OPTIONS):
            raise ValueError(_unknown(name, entry))
        if name in SWITCHES and not _is_switch(value):
            raise ValueError(f"{name}={value} is neither true nor false")


def _unknown(name: str, entry: dict[str, Any]) -> str:
    if name.isdigit():
        return f"two capacities, {entry['capacity']} and {name}"
    meant = nearest(name, OPTIONS)
    hint = f"; did you mean {meant}?" if meant else ""
    return f"unknown option {name}, there are {', '.join(sorted(OPTIONS))}{hint}"


def _is_switch(value: Any) -> bool:
    return value is True or str(value).strip().lower() in FALSE_TEXTS | TRUE_TEXTS
