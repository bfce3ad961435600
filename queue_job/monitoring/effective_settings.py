# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which settings rule a channel: those of the configuration string, or of its form.

A channel that the server's configuration string names is ruled by it; its form only
adds the pause. All others are ruled by their form.
"""

from __future__ import annotations

from ..jobrunner.schedule.channel_config import as_boolean, canonical_name, parse
from ..jobrunner.schedule.rate import Rate
from ..jobrunner.session.config import ENV_PREFIX, SECTION, RunnerConfig, environment

ENV_CHANNELS = f"{ENV_PREFIX}CHANNELS"


def configured_channels():
    """Return ({channel: its entry in the configuration string}, error or "")."""
    try:
        text = RunnerConfig.load().channels or ""
        return {canonical_name(entry["name"]): entry for entry in parse(text)}, ""
    except ValueError as error:
        return {}, str(error)


def job_workers():
    """Return how many job workers this server has."""
    try:
        return RunnerConfig.load().job_workers
    except ValueError:  # reported where the channels are read
        return 0


def default_root_capacity():
    """Return the capacity of root where nobody says anything else."""
    return job_workers() or 1


def configuration_source():
    """Return where the configuration string stands."""
    if environment().get(ENV_CHANNELS):
        return ENV_CHANNELS
    return f"[{SECTION}] channels"


def effective_settings(name, channel, configured):
    """Return the settings that are in force for a channel.

    :param channel: its record, or an empty one, or None
    :param configured: the entries of the configuration string
    """
    entry = configured.get(name)
    paused = bool(channel and channel.paused)
    if entry is not None:
        return {
            "capacity": entry["capacity"],
            "sequential": as_boolean(entry.get("sequential")),
            "throttle": int(entry.get("throttle") or 0),
            "rate": Rate.parse(entry.get("rate")),
            "paused": paused or as_boolean(entry.get("paused")),
            "fixed": configuration_source(),
        }
    capacity = channel.capacity if channel else 0
    return {
        "capacity": capacity or (default_root_capacity() if name == "root" else 0),
        "sequential": bool(channel and channel.sequential),
        "throttle": channel.throttle if channel else 0,
        "rate": channel and Rate.of(channel.rate_limit, channel.rate_period),
        "paused": paused,
        "fixed": "",
    }
