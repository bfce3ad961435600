# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The text and the records that configure channels.

The text (environment variable or configuration file) is a list of entries,
separated by commas or line ends:

    name[:capacity[:option[=value]]...]

    root:4,sale:2,sale.import:1:sequential,mail:1:throttle=2

* `name`: dotted path below root; the leading `root.` may be left out;
* `capacity`: how many jobs may run at once, 1 when left out (`sale::throttle=2`), 0 for
  no limit (`root:0` keeps the whole job runner from starting);
* options: `sequential`, `throttle=<seconds between two starts>`,
  `rate=<starts>/<seconds>` (at most so many starts in any such period), `paused`,
  `threads` (jobs here and below run in threads, where the server has them), and for
  channels made on the fly below it `capacity_default=<number>` and
  `sequential_default`.

The records are the rows of `queue.job.channel`; they rule the channels of which
the text does not speak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from .channel_options import (
    ChildDefaults,
    as_boolean,
    check_names,
    check_values,
    child_defaults,
)
from .rate import DEFAULT_PERIOD, Rate

ROOT = "root"
#: Channels below root on a path: what a row puts deeper counts in the last of them.
DEEPEST = 50


class ChannelSettings(NamedTuple):
    """What the row of a channel says about it."""

    complete_name: str
    capacity: int | None = None  # None or 0: no limit, except root: 1
    sequential: bool = False
    throttle: int | None = 0
    paused: bool = False
    rate_limit: int | None = 0
    rate_period: int | None = DEFAULT_PERIOD
    threads: bool = False


class ChannelLimits(NamedTuple):
    """What rules a channel, whatever its row and the text say."""

    capacity: int | None  # None or 0: no limit
    sequential: bool
    throttle: int
    paused: bool
    rate: Rate | None
    threads: bool = False


class Origin:
    """What gives a channel its capacity, see `capacity_origin`."""

    TEXT = "text"  #: its entry of the configuration string
    DEFAULTS = "defaults"  #: what the string says of channels made on the fly
    MAXIMUM = "maximum"  #: the maximum of the database, or of all of them
    ROW = "row"
    RUNNER = "runner"  #: that of another server, with a configuration of its own
    NOTHING = "nothing"  #: no limit of its own; root runs what the server is made for


def limits_of(
    name: str,
    row: ChannelSettings,
    entry: dict[str, Any] | None = None,
    root_capacity: int = 1,
    defaults: ChildDefaults | None = None,
    maximum: int | None = None,
) -> ChannelLimits:
    """Return what rules a channel: what the runner obeys, and what users are shown.

    Where the text has an entry for the channel, the entry counts; the row only adds its
    pause: whoever presses the button, or neutralizes a copy, means it.

    :param name: full dotted name of the channel
    :param row: what its row says; without a row, a `ChannelSettings` of defaults
    :param entry: what the text says, an item of `parse`; None if it says nothing
    :param root_capacity: jobs of root at a time, where neither the row nor the text
        gives a number
    :param defaults: see `defaults_above`; for a channel that has no row
    :param maximum: of root, whatever its row says; see `Maxima`
    :raise ValueError: an option of the entry can't be read
    """
    if entry is None and defaults is not None:
        row = row._replace(capacity=defaults.capacity, sequential=defaults.sequential)
    if entry is None:
        if name != ROOT:
            return _limits_of_row(row, None)
        limits = _limits_of_row(row, maximum or root_capacity)
        return limits._replace(capacity=min(filter(None, (limits.capacity, maximum))))
    rate = entry.get("rate")
    return ChannelLimits(
        capacity=entry.get("capacity"),
        sequential=as_boolean(entry.get("sequential")),
        throttle=int(entry.get("throttle") or 0),
        paused=as_boolean(entry.get("paused")) or bool(row.paused),
        rate=rate if isinstance(rate, Rate) else Rate.parse(rate),
        threads=as_boolean(entry.get("threads")),
    )


def capacity_origin(
    name: str,
    row: ChannelSettings,
    entry: dict[str, Any] | None = None,
    defaults: ChildDefaults | None = None,
    maximum: int | None = None,
) -> str:
    """Return what gives a channel the capacity that `limits_of` says: an `Origin`.

    The parameters are those of `limits_of`.
    """
    if entry is not None:
        return Origin.TEXT
    if defaults is not None:
        return Origin.DEFAULTS if defaults.capacity else Origin.NOTHING
    own = _limits_of_row(row, None).capacity
    if name == ROOT and maximum and (own or maximum + 1) > maximum:
        return Origin.MAXIMUM
    return Origin.ROW if own else Origin.NOTHING


def defaults_above(
    name: str, defaults: Mapping[str, ChildDefaults]
) -> ChildDefaults | None:
    """Return what holds for a channel made on the fly: what is said nearest above it.

    :param name: its full dotted name
    :param defaults: {full dotted name: what is said of the channels below it}
    """
    while name and defaults:
        name = name.rpartition(".")[0]
        if name in defaults:
            return defaults[name]
    return None


def all_defaults(entries: Mapping[str, dict[str, Any]]) -> dict[str, ChildDefaults]:
    """Return what the entries say of channels below theirs, by full dotted name."""
    found = {name: child_defaults(entry) for name, entry in entries.items()}
    return {name: defaults for name, defaults in found.items() if defaults}


def _limits_of_row(row: ChannelSettings, default: int | None) -> ChannelLimits:
    # whatever the row holds, it must not stop the runner
    capacity = max(row.capacity or 0, 0) or default
    return ChannelLimits(
        capacity=1 if row.sequential else capacity,
        sequential=bool(row.sequential),
        throttle=max(row.throttle or 0, 0),
        paused=bool(row.paused),
        rate=Rate.of(row.rate_limit, row.rate_period),
        threads=bool(row.threads),
    )


def split_strip(text: str, separator: str, maxsplit: int = -1) -> list[str]:
    """Split and strip the parts.

    >>> split_strip(" a : b c :d", ":")
    ['a', 'b c', 'd']
    """
    return [part.strip() for part in text.split(separator, maxsplit)]


def canonical_name(name: str | None) -> str:
    """Return the full dotted name.

    >>> canonical_name("sub.a"), canonical_name("root.sub"), canonical_name(" ")
    ('root.sub.a', 'root.sub', 'root')
    """
    parts = [part for part in split_strip(name or "", ".") if part]
    if parts[:1] == [ROOT]:
        parts = parts[1:]
    return ".".join([ROOT, *parts[:DEEPEST]])


def parse(text: str) -> list[dict[str, Any]]:
    """Return one dictionary (name, capacity, options) for each entry.

    >>> parse("root:4, sale : 2, ,mail:1:sequential:throttle=2")[2]
    {'name': 'mail', 'capacity': 1, 'sequential': True, 'throttle': '2'}
    >>> parse("sale:two")
    Traceback (most recent call last):
        ...
    ValueError: Invalid channel config sale:two: invalid capacity two
    """
    entries = split_strip(text.replace("\n", ","), ",")
    return [_parse_entry(entry) for entry in entries if entry]


def validate(text: str) -> list[dict[str, Any]]:
    """Parse, and also refuse what no channel could be configured with.

    >>> validate("sale:2:sequential")
    Traceback (most recent call last):
        ...
    ValueError: Invalid channel config sale:2:sequential: \
A sequential channel must have a capacity of 1
    """
    configs = parse(text)
    known: dict[str, str] = {}
    for config in configs:
        entry = _unparse(config)
        try:
            check_names(config)
            check_values(config)
        except ValueError as error:
            _refuse(entry, str(error))
        other = known.setdefault(canonical_name(config["name"]), entry)
        if other is not entry:
            _refuse(entry, f"another entry for the same channel, {other}")
    return configs


def is_disabled(text: str) -> bool:
    """Tell whether the text keeps the runner from starting: root's capacity is 0.

    >>> is_disabled("root:0"), is_disabled("a:1,root:0"), is_disabled("root:01")
    (True, True, False)
    """
    capacities = [
        config["capacity"]
        for config in parse(text)
        if canonical_name(config["name"]) == ROOT
    ]
    return bool(capacities) and capacities[-1] == 0


def _parse_entry(entry: str) -> dict[str, Any]:
    name, *rest = split_strip(entry, ":")
    if not name:
        _refuse(entry, "missing channel name")
    config: dict[str, Any] = {"name": name, "capacity": 1}
    if rest and rest[0]:
        config["capacity"] = _parse_capacity(entry, rest[0])
    for item in filter(None, rest[1:]):
        key, *values = split_strip(item, "=")
        if not key or len(values) > 1:
            _refuse(entry, f"incorrect config item {item}")
        if key in config:
            _refuse(entry, f"duplicate key {key}")
        config[key] = values[0] if values else True
    return config


def _parse_capacity(entry: str, text: str) -> int:
    try:
        capacity = int(text)
    except ValueError:
        capacity = -1
    if capacity < 0:
        _refuse(entry, f"invalid capacity {text}")
    return capacity


def _unparse(config: dict[str, Any]) -> str:
    options = [
        key if value is True else f"{key}={value}"
        for key, value in config.items()
        if key not in ("name", "capacity")
    ]
    return ":".join([config["name"], str(config["capacity"]), *options])


def _refuse(entry: str, reason: str) -> NoReturn:
    raise ValueError(f"Invalid channel config {entry}: {reason}")
