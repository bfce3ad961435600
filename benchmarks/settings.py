# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Paths, ports and sizes: everything of a run that is not code.

Each path has a default in the project's cache and can be given by an environment
variable, so that the benchmark runs on an Odoo which is already there.
"""

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH_ADDONS = REPOSITORY / "benchmarks" / "addons"


def cache_dir() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("QUEUE_JOB_CACHE") or default / "odoo-job-queue")


def bench_dir() -> Path:
    """Where PostgreSQL, logs and the reference live.

    Root's home is closed to the user that runs PostgreSQL, so root uses /var/tmp.
    """
    given = os.environ.get("QUEUE_JOB_BENCH_DIR")
    if given:
        return Path(given)
    if getpass.getuser() == "root":
        return Path("/var/tmp/odoo-job-queue-bench")
    return cache_dir() / "bench"


@dataclass(frozen=True)
class Paths:
    """The programs that are run."""

    odoo_bin: Path
    odoo_lib: Path
    python: Path

    @classmethod
    def find(cls) -> "Paths":
        cache = cache_dir()
        lib = cache / "odoo/usr/lib/python3/dist-packages"
        python = cache / "venv/bin/python"
        return cls(
            odoo_bin=Path(os.environ.get("ODOO_BIN") or cache / "odoo/usr/bin/odoo"),
            odoo_lib=Path(os.environ.get("ODOO_PATH") or lib),
            python=python if python.exists() else Path(sys.executable),
        )

    @property
    def odoo_addons(self) -> Path:
        return self.odoo_lib / "odoo" / "addons"


@dataclass(frozen=True)
class Ports:
    """Loopback ports: PostgreSQL, and two for each side's server."""

    base: int = int(os.environ.get("QUEUE_JOB_BENCH_PORT", "19220"))

    @property
    def postgres(self) -> int:
        return self.base

    def http(self, side_number: int) -> int:
        return self.base + 2 + 4 * side_number

    def gevent(self, side_number: int) -> int:
        return self.http(side_number) + 1


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `quick` answers in minutes, `full` with less noise."""

    quick: bool = False
    rounds: int = 2
    loop: int = 1000
    group: int = 2000
    per_transaction: int = 400
    drain: int = 3000
    sleepers: int = 800
    latency: int = 200
    loaded_latency: int = 30
    backlog_drain: int = 1000
    chain: int = 200
    fan_in: int = 1000
    big_fan_in: int = 10_000
    many: int = 2000
    idle_seconds: float = 10.0
    floor_seconds: float = 4.0
    timeout: float = 90.0


QUICK = Sizes(
    quick=True,
    rounds=1,
    loop=400,
    per_transaction=150,
    drain=1000,
    sleepers=240,
    latency=60,
    loaded_latency=12,
    backlog_drain=400,
    chain=100,
    fan_in=500,
    big_fan_in=10_000,
    many=800,
    idle_seconds=4.0,
    floor_seconds=2.0,
    timeout=45.0,
)
FULL = Sizes()
