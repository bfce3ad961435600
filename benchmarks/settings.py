# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Paths, ports and sizes: everything of a run that is not code.

Odoo and Python are those which the project's set-up finds or fetches.
"""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path

from setup import cache, odoo_source, python_env

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH_ADDONS = REPOSITORY / "benchmarks" / "addons"


def bench_dir() -> Path:
    """Where PostgreSQL, logs and the reference live.

    Root's home is closed to the user that runs PostgreSQL, so root uses /var/tmp.
    """
    given = os.environ.get("QUEUE_JOB_BENCH_DIR")
    if given:
        return Path(given)
    if getpass.getuser() == "root":
        return Path("/var/tmp/odoo-job-queue-bench")
    return cache.path("bench")


@dataclass(frozen=True)
class Paths:
    """The programs that are run, as the project's set-up finds them."""

    odoo_bin: Path
    odoo_lib: Path
    odoo_addons: tuple[str, ...]
    python: Path

    @classmethod
    def find(cls) -> "Paths":
        source = odoo_source.find()
        ours = str(REPOSITORY)
        addons = [path for path in source.addons_path.split(",") if path != ours]
        return cls(
            odoo_bin=source.launcher(),
            odoo_lib=source.python_path(),
            odoo_addons=tuple(addons),
            python=python_env.python(),
        )


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
    controlled: int = 1500
    failures: int = 1000
    dead: int = 400
    slow_disk: int = 600
    cost: int = 3000
    chain: int = 200
    fan_in: int = 1000
    big_fan_in: int = 10_000
    many: int = 2000
    idle_seconds: float = 10.0
    floor_seconds: float = 4.0
    soak_seconds: float = 3600.0
    timeout: float = 90.0


QUICK = Sizes(
    quick=True,
    rounds=1,
    loop=400,
    per_transaction=150,
    drain=1000,
    sleepers=400,
    latency=60,
    loaded_latency=10,
    backlog_drain=400,
    controlled=400,
    failures=300,
    dead=100,
    slow_disk=200,
    cost=1000,
    chain=100,
    fan_in=500,
    big_fan_in=3000,
    many=600,
    idle_seconds=3.0,
    floor_seconds=2.0,
    soak_seconds=60.0,
    timeout=45.0,
)
FULL = Sizes()
