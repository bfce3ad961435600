# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The configuration of the job runner.

Each setting is looked up in this order; an empty value counts as unset:

1. the environment variable `ODOO_QUEUE_JOB_<KEY>`;
2. the section `queue_job` of the addon `server_environment`, if it is there;
3. the section `[queue_job]` of Odoo's configuration file;
4. the option of Odoo that says the same, if there is one;
5. the default.

`SETTINGS` is the list of all keys: reading, checking and documentation follow it.
An unknown key in a section is reported once, a wrong value stops the start of the
runner: otherwise the only sign of it would be jobs that do not run.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import os
from collections.abc import Callable, Mapping
from configparser import RawConfigParser
from dataclasses import dataclass, replace
from typing import Any

from odoo.tools import config as odoo_config

from ..schedule import channel_config, maxima
from ..schedule.channel_options import as_boolean
from ..schedule.maxima import NO_MAXIMA, DatabaseMaximum, Maxima
from ..schedule.worker_pools import PoolSizes

_logger = logging.getLogger(__name__)

SECTION = "queue_job"
ENV_PREFIX = "ODOO_QUEUE_JOB_"

#: Options of Odoo which job workers have for themselves.
LIMITS = ("limit_time_real", "limit_time_cpu", "limit_memory_soft", "limit_memory_hard")

#: Seconds; with a shorter limit a worker would be killed while it is idle.
SHORTEST_LIMIT = 5

#: Settings that count where the channels are ruled by their records.
MAXIMA = ("max_capacity", "db_max_capacity")

#: Settings that lead to HTTP workers.
ADDRESS = ("scheme", "host", "port", "http_auth_user", "http_auth_password")

#: Environment variables of long ago, and the keys they became.
DEPRECATED_ENV = {"ODOO_CONNECTOR_CHANNELS": "channels"}

#: Interfaces that a server can listen on but that are no place to connect to.
WILDCARDS = frozenset({"0.0.0.0", "::", "[::]"})

_warned: set[str] = set()


def _channels(value: Any) -> str:
    channel_config.validate(value)
    return value


def _databases(value: Any) -> tuple[DatabaseMaximum, ...]:
    found = maxima.parse_databases(value)
    for later, earlier in maxima.unreached(found):
        _warn_once(
            f"db_max_capacity: {later} has no effect, because {earlier} before it"
            " matches the same databases and the first match counts; change their order"
        )
    return found


def _scheme(value: Any) -> str:
    if value not in ("http", "https"):
        raise ValueError("it is either http or https")
    return value


def _host(value: Any) -> str:
    host = "localhost" if value in WILDCARDS else value
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _port(value: Any) -> int:
    port = int(value)
    if not 0 < port < 65536:
        raise ValueError("it is a number from 1 to 65535")
    return port


def _number(value: Any) -> int:
    if isinstance(value, int):  # an option of Odoo, which is lenient
        return max(value, 0)
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"{value} is no whole number; 0 stands for none")
    return number


def _positive(value: Any) -> int:
    number = _number(value)
    if not number:
        raise ValueError("it is a whole number from 1 on")
    return number


@dataclass(frozen=True)
class Setting:
    """One key, and all there is to know about it."""

    key: str
    help: str
    default: Any = None
    odoo_option: str | None = None
    convert: Callable[[Any], Any] = str

    @property
    def env(self) -> str:
        """The environment variable."""
        return ENV_PREFIX + self.key.upper()


SETTINGS = (
    Setting(
        "channels",
        "How many jobs run at once, by channel: name[:capacity[:option[=value]]...],"
        " separated by commas or line ends. root:0 keeps the runner from starting. What"
        " it doesn't name is ruled by the channel's own form; root alone has 1, or as"
        " many as there are job workers.",
        convert=_channels,
    ),
    Setting(
        "max_capacity",
        "How many jobs all databases of the runner run at once, together. No effect"
        " where channels is set.",
        convert=maxima.parse_total,
    ),
    Setting(
        "db_max_capacity",
        "How many jobs each database runs at once: pattern:number, separated by commas"
        " or line ends, with the wildcards *, ? and [abc]. The first pattern that"
        " matches the name counts. No effect where channels is set.",
        convert=_databases,
    ),
    Setting(
        "workers",
        "Job workers: processes of a prefork server which run jobs and nothing else. 0"
        " leaves the jobs to the HTTP workers.",
        0,
        convert=_number,
    ),
    Setting(
        "threads",
        "Jobs that a threaded job worker runs at once, each in its own thread: those of"
        " channels with the option threads, which wait for other servers most of the"
        " time. 0 for no threads; needs workers, for the jobs of other channels.",
        0,
        convert=_number,
    ),
    Setting(
        "threaded_workers",
        "Threaded job workers: processes with so many threads each, if there are any.",
        1,
        convert=_positive,
    ),
    Setting(
        "limit_time_real",
        "Seconds a job worker may be busy with one lease before it is killed; a job is"
        " stopped shortly before. 0 for no limit, else at least 5.",
        odoo_option="limit_time_real",
        convert=_number,
    ),
    Setting(
        "limit_time_cpu",
        "Seconds of processor time a job worker may use for one lease before it is"
        " ended; in a threaded one, a job. 0 for no limit.",
        odoo_option="limit_time_cpu",
        convert=_number,
    ),
    Setting(
        "limit_memory_soft",
        "Bytes of virtual memory beyond which a job worker is renewed, between two"
        " leases. 0 for no limit.",
        odoo_option="limit_memory_soft",
        convert=_number,
    ),
    Setting(
        "limit_memory_hard",
        "Bytes of virtual memory that a job worker can't exceed: the job gets a"
        " MemoryError. 0 for no limit.",
        odoo_option="limit_memory_hard",
        convert=_number,
    ),
    Setting("scheme", "http or https: how workers are reached.", "http", None, _scheme),
    Setting(
        "host", "Host on which workers listen.", "localhost", "http_interface", _host
    ),
    Setting("port", "Port on which workers listen.", 8069, "http_port", _port),
    Setting("http_auth_user", "User, where a proxy asks for HTTP authentication."),
    Setting("http_auth_password", "Password for this user."),
    Setting(
        "jobrunner_db_host",
        "Database host of the runner, if not db_host: needed where that is a"
        " connection pooler, because LISTEN and locks want a session.",
    ),
    Setting("jobrunner_db_port", "Database port of the runner, if not db_port."),
    Setting("jobrunner_db_user", "Database user of the runner, if not db_user."),
    Setting("jobrunner_db_password", "Password of this user, if not db_password."),
)


@dataclass(frozen=True)
class RunnerConfig:
    """What the runner needs to know, checked and converted."""

    channels: str | None = None
    max_capacity: int | None = None
    db_max_capacity: tuple[DatabaseMaximum, ...] | None = None
    workers: int = 0
    threads: int = 0
    threaded_workers: int = 1
    limit_time_real: int | None = None
    limit_time_cpu: int | None = None
    limit_memory_soft: int | None = None
    limit_memory_hard: int | None = None
    scheme: str = "http"
    host: str = "localhost"
    port: int = 8069
    http_auth_user: str | None = None
    http_auth_password: str | None = None
    jobrunner_db_host: str | None = None
    jobrunner_db_port: str | None = None
    jobrunner_db_user: str | None = None
    jobrunner_db_password: str | None = None

    @classmethod
    def load(cls) -> RunnerConfig:
        """Read the configuration.

        :raise ValueError: names the setting that is wrong, and why
        """
        environ, section = environment(), read_section()
        values = {each.key: _lookup(each, environ, section) for each in SETTINGS}
        config = cls(**values)
        if config.workers:
            config._check_limits()
        elif config.threads:
            raise ValueError(
                f"queue_job: threads ({config.threads}) needs workers: the jobs of"
                " channels without the option threads have a process of their own"
            )
        return config

    def _check_limits(self) -> None:
        """Refuse limits with which job workers would run no job."""
        soft, hard = self.limit_memory_soft, self.limit_memory_hard
        if soft and hard and soft > hard:
            raise ValueError(
                f"queue_job: limit_memory_soft ({soft}) of the job workers is larger"
                f" than limit_memory_hard ({hard}), so it would have no effect"
            )
        if 0 < (self.limit_time_real or 0) < SHORTEST_LIMIT:
            raise ValueError(
                f"queue_job: limit_time_real ({self.limit_time_real}) of the job"
                f" workers is less than {SHORTEST_LIMIT} seconds; 0 stands for no limit"
            )

    def with_address(
        self,
        scheme: str,
        host: str,
        port: int,
        user: str | None,
        password: str | None,
        channels: str | None = None,
    ) -> RunnerConfig:
        """Return the same configuration with another address of the workers.

        :param scheme: ``http`` or ``https``
        :param host: of the workers
        :param port: their port
        :param user: of HTTP basic authentication, None for none
        :param password: of the user
        :param channels: capacities of the channels, None for the configured ones
        :raise ValueError: one of them is malformed
        """
        return replace(
            self,
            scheme=_scheme(scheme),
            host=_host(host),
            port=_port(port),
            http_auth_user=user,
            http_auth_password=password,
            channels=_channels(channels) if channels else self.channels,
        )

    @property
    def is_enabled(self) -> bool:
        """Whether jobs may run at all: the capacity of root is not 0."""
        return not (self.channels and channel_config.is_disabled(self.channels))

    def maxima_of(self, db_name: str) -> Maxima:
        """Return how many jobs a database may run, alone and with all others.

        :param db_name: name of the database
        """
        if self.channels:  # takes precedence
            return NO_MAXIMA
        own = maxima.maximum_of(db_name, self.db_max_capacity or ())
        return Maxima(self.max_capacity, own)

    @property
    def job_workers(self) -> int:
        """How many job workers this server has: only a prefork server has any."""
        return self.workers if odoo_config["workers"] and self.is_enabled else 0

    @property
    def pool_sizes(self) -> PoolSizes:
        """How many jobs the job workers run at once, alone and in threads."""
        return PoolSizes(self.workers, self.threads * self.threaded_workers)

    @property
    def threaded_channels(self) -> list[str]:
        """The channels whose entry has the option `threads`."""
        entries = channel_config.parse(self.channels or "")
        return [each["name"] for each in entries if as_boolean(each.get("threads"))]

    @property
    def job_slots(self) -> int:
        """How many jobs the job workers of this server run at once; 0 without any."""
        return sum(self.pool_sizes) if self.job_workers else 0


def _lookup(
    setting: Setting, environ: Mapping[str, str], section: Mapping[str, str]
) -> Any:
    option = odoo_config.get(setting.odoo_option) if setting.odoo_option else None
    places = (
        (f"environment variable {setting.env}", environ.get(setting.env)),
        (f"key {setting.key} of section [{SECTION}]", section.get(setting.key)),
        (f"option {setting.odoo_option}", option),
        ("default", setting.default),
    )
    for place, value in places:
        value = value.strip() if isinstance(value, str) else value
        if value:
            return _convert(setting, value, place)
    return setting.default


def _convert(setting: Setting, value: Any, place: str) -> Any:
    try:
        return setting.convert(value)
    except ValueError as error:
        raise ValueError(f"queue_job: {place}: {error}") from error


def environment() -> dict[str, str]:
    """Return the environment, the old names translated."""
    environ = dict(os.environ)
    for old, key in DEPRECATED_ENV.items():
        new = ENV_PREFIX + key.upper()
        if environ.get(old) and not environ.get(new):
            _warn_once(f"{old} is deprecated, set {new} instead")
            environ[new] = environ[old]
    return environ


def read_section() -> dict[str, str]:
    """Return the section `queue_job`, from wherever it is."""
    section = {**_file_section(), **_server_environment_section()}
    known = [setting.key for setting in SETTINGS]
    for key in section:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, 1)
            hint = f", did you mean {nearest[0]}?" if nearest else ""
            _warn_once(f"unknown key {key} in section [{SECTION}]{hint}")
    return section


def idle_settings(job_workers: int) -> list[str]:
    """Return the keys that are set but have no effect.

    :param job_workers: how many this server has
    """
    return _set_by_hand(ADDRESS if job_workers else LIMITS)


def idle_maxima() -> list[str]:
    """Return the maxima that are set but have no effect, because of `channels`."""
    return _set_by_hand(MAXIMA) if _set_by_hand(("channels",)) else []


def lacks_workers(job_workers: int) -> bool:
    """Whether no worker would take the leases of this server.

    That is so if it does not listen, and no setting names a server that does.

    :param job_workers: how many this server has
    """
    listens = job_workers or odoo_config["http_enable"]
    return not listens and not _set_by_hand(("host", "port"))


def _set_by_hand(keys: tuple[str, ...]) -> list[str]:
    environ, section = environment(), read_section()
    return [
        each.key
        for each in SETTINGS
        if each.key in keys and (environ.get(each.env) or section.get(each.key))
    ]


def job_time_limit() -> float:
    """Seconds after which the worker of a job is killed in this server; 0: never."""
    loaded = RunnerConfig.load()
    limit = loaded.limit_time_real if loaded.job_workers else None
    return (odoo_config["limit_time_real"] if limit is None else limit) or 0


def _file_section() -> dict[str, str]:
    parser = RawConfigParser()  # a password may hold a percent sign
    parser.read(odoo_config["config"] or [])
    return dict(parser[SECTION]) if parser.has_section(SECTION) else {}


def _server_environment_section() -> dict[str, str]:
    try:
        addon = importlib.import_module("odoo.addons.server_environment")
    except ImportError:
        return {}
    parser = getattr(addon, "serv_config", None)
    if parser is None or not parser.has_section(SECTION):
        return {}
    return {key: value for key, value in parser[SECTION].items() if value}


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        _logger.warning("queue_job: %s", message)
