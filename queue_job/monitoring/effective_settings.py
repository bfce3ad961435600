# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which settings rule a channel: those of the configuration string, or of its form.

The rule itself is `channel_config.limits_of`, which the runner obeys as well; here it
gets what this process knows: the records, and the server's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odoo.tools import config

from ..jobrunner.schedule.channel_config import (
    ROOT,
    ChannelSettings,
    Origin,
    all_defaults,
    canonical_name,
    capacity_origin,
    defaults_above,
    limits_of,
    parse,
)
from ..jobrunner.schedule.maxima import NO_MAXIMA, Maxima
from ..jobrunner.session.config import ENV_PREFIX, SECTION, RunnerConfig, environment
from .health import is_alive


def configured_channels() -> tuple[dict[str, dict], str]:
    """Return the configuration string, read.

    :return: ({full name of a channel: its entry}, error or "")
    """
    try:
        text = RunnerConfig.load().channels or ""
        return {canonical_name(entry["name"]): entry for entry in parse(text)}, ""
    except ValueError as error:
        return {}, str(error)


def job_slots() -> int:
    """Return how many jobs the job workers of this server run at once."""
    try:
        return RunnerConfig.load().job_slots
    except ValueError:  # reported where the channels are read
        return 0


def default_root_capacity() -> int:
    """Return how many jobs root runs at a time where no setting gives a number."""
    return job_slots() or 1


def maxima_of(db_name: str) -> Maxima:
    """Return how many jobs a database may run, as far as this server is concerned.

    :param db_name: name of the database
    """
    try:
        return RunnerConfig.load().maxima_of(db_name)
    except ValueError:  # reported where the channels are read
        return NO_MAXIMA


def configuration_source(key: str = "channels") -> str:
    """Return the name of the variable, or of the option of the file, that holds it.

    :param key: of the setting
    """
    variable = ENV_PREFIX + key.upper()
    return variable if environment().get(variable) else f"[{SECTION}] {key}"


def capacity_source(settings: Mapping[str, Any], maxima: Maxima) -> str:
    """Return which setting of the server gives a channel its capacity, or "".

    :param settings: what `effective_settings` says of the channel
    :param maxima: of the database
    """
    if settings["origin"] in (Origin.TEXT, Origin.DEFAULTS):
        return configuration_source()
    if settings["origin"] != Origin.MAXIMUM:
        return ""
    own = maxima.database == maxima.root
    return configuration_source("db_max_capacity" if own else "max_capacity")


def effective_settings(
    name: str,
    channel,
    configured: dict[str, dict],
    maxima: Maxima = NO_MAXIMA,
    leader: Mapping[str, Any] | None = None,
) -> dict:
    """Return the settings that are in force for a channel, as the runner obeys them.

    :param name: full dotted name of the channel
    :param channel: its record, its columns as a dictionary, or None or empty
    :param configured: {full name: entry of the configuration string}
    :param maxima: of the database, see `maxima_of`
    :param leader: see `as_led`
    :return: capacity (jobs at a time, None for no limit, 0 where the runner is off),
        sequential, throttle (seconds), paused, rate, under `fixed` where the
        configuration string stands, or "", and `origin`, what gives the capacity
    """
    entry = configured.get(name)
    defaults = None if channel else defaults_above(name, all_defaults(configured))
    row = _row_of(name, channel)
    default = default_root_capacity()
    limits = limits_of(name, row, entry, default, defaults, maxima.root)
    settings = {
        **limits._asdict(),
        # `root:0` keeps the runner from starting, elsewhere 0 sets no limit
        "capacity": limits.capacity or (0 if name == ROOT else None),
        "fixed": "" if entry is None else configuration_source(),
        "origin": capacity_origin(name, row, entry, defaults, maxima.root),
    }
    return as_led(settings, leader) if leader and name == ROOT else settings


def as_led(settings: dict[str, Any], leader: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is in force for root, whoever leads the database.

    What the configuration string of this server says of root holds for its own runner.
    It may have none: `root:0` stands where the job runner is a process of its own.

    :param settings: of root, what `effective_settings` says
    :param leader: the row of the runner that leads, with its age in seconds, or empty
    """
    told = leader.get("root_capacity")
    is_led = leader.get("leader") and is_alive(leader.get("age"))
    is_other = settings["origin"] == Origin.TEXT and told != settings["capacity"]
    if not (told and is_led and is_other):
        return settings
    return {**settings, "capacity": told, "fixed": "", "origin": Origin.RUNNER}


def runner_facts(
    runner: Mapping[str, Any], configured: dict[str, dict], error: str
) -> dict[str, Any]:
    """Return what `health.Facts` wants to know of the runner and its configuration.

    :param runner: its row, with its age in seconds; empty where there is none
    :param configured: see `configured_channels`
    :param error: what is wrong with the configuration, or ""
    """
    return {
        "runner_age": runner.get("age"),
        "runner_note": runner.get("note") or "",
        "server_wide": "queue_job" in config["server_wide_modules"],
        "enabled": configured.get(ROOT, {}).get("capacity") != 0,
        "config_error": error,
    }


def _row_of(name: str, channel) -> ChannelSettings:
    if not channel:
        return ChannelSettings(name)
    fields = ChannelSettings._fields[1:]
    return ChannelSettings(name, *(channel[field] for field in fields))
