# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The fixtures. A ``conftest.py`` takes them by ``from tests.harness.fixtures
import *``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from setup import cache
from setup import database as databases
from setup.stack import Stack, open_stack

from .database import Database
from .server import Server

__all__ = ["database", "logs", "make_database", "make_server", "server_mode", "stack"]

MODES = {"threaded": 0, "prefork": 4}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Odoo, Python and PostgreSQL, ready before the first test."""
    with open_stack() as opened:
        opened.templates.app()
        yield opened


@pytest.fixture(params=MODES)
def server_mode(request) -> int:
    """The test runs twice: on a threaded server and on a prefork one."""
    return MODES[request.param]


@pytest.fixture
def logs(request) -> Path:
    """The directory for what this test leaves to read."""
    name = re.sub(r"[^\w.-]+", "_", request.node.name)
    directory = cache.LOGS / "e2e" / f"{request.node.path.stem}-{name}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def make_database(stack: Stack) -> Iterator[Callable[[], Database]]:
    """Makes clones of the template, dropped after the test."""
    made: list[Database] = []

    def make() -> Database:
        name = f"queue_job_test_{databases.secrets.token_hex(4)}"
        made.append(Database(name))
        databases.clone(stack.templates.app(), name)
        return made[-1]

    yield make
    for database in made:
        database.close()
        databases.drop(database.name)


@pytest.fixture
def database(make_database) -> Database:
    return make_database()


@pytest.fixture
def make_server(stack: Stack, logs: Path, database) -> Iterator[Callable[..., Server]]:
    """Starts servers for ``database``; checks their logs after stopping them."""
    servers: list[Server] = []

    def make(workers: int = 0, *, start: bool = True, **options) -> Server:
        directory = logs / f"server-{len(servers) + 1}"
        name = options.pop("database", database.name)
        server = Server(
            stack.source, stack.python, directory, name, workers=workers, **options
        )
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.stop()
    strays = [str(record) for server in servers for record in server.stray_records()]
    assert not strays, "stray log records:\n" + "\n".join(strays)
