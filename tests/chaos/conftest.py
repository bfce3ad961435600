# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The fixtures of the chaos tests, and the table they print at the end.

``--full`` (which is what ``make chaos`` gives) runs every scenario with 300 jobs;
without it a selection runs, with fewer jobs. ``--jobs`` sets another number.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest

from setup import cache
from setup import database as databases
from setup.stack import Stack
from tests.harness.database import Database
from tests.harness.fixtures import stack

from .arena import Arena, Verdict
from .cluster import TEMPLATE, ThrowawayCluster

__all__ = ["stack"]

FULL_JOBS, QUICK_JOBS = 300, 80
VERDICTS: list[Verdict] = []


def pytest_addoption(parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--jobs", type=int, default=0, help="jobs in each scenario")


def pytest_terminal_summary(terminalreporter) -> None:
    if VERDICTS:
        terminalreporter.section("chaos")
        table = [Verdict.HEAD, *map(str, VERDICTS)]
        for line in table:
            terminalreporter.line(line)
        cache.LOGS.mkdir(parents=True, exist_ok=True)
        (cache.LOGS / "chaos.txt").write_text("\n".join(table) + "\n")


@pytest.fixture(scope="session")
def cluster(stack: Stack) -> Iterator[ThrowawayCluster]:
    """A PostgreSQL of our own, with the template database."""
    cluster = ThrowawayCluster()
    try:
        cluster.create()
        cluster.copy_template(stack.templates.app())
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def cluster_environment(cluster, monkeypatch) -> None:
    """Whoever connects to PostgreSQL connects to ours."""
    for key, value in cluster.environment.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def make_db(cluster, cluster_environment) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make() -> Database:
        made.append(Database(f"chs_{secrets.token_hex(4)}"))
        databases.clone(TEMPLATE, made[-1].name)
        return made[-1]

    yield make
    for db in made:
        db.close()
        databases.drop(db.name)


@pytest.fixture
def arena(request, stack, cluster, make_db) -> Iterator[Arena]:
    name = re.sub(r"[^\w.-]+", "_", request.node.name)
    directory = cache.LOGS / "chaos" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    full = request.config.getoption("--full")
    jobs = request.config.getoption("--jobs") or (FULL_JOBS if full else QUICK_JOBS)
    arena = Arena(stack, cluster, make_db(), directory, jobs, VERDICTS.append)
    yield arena
    for server in arena.servers:
        server.stop()
