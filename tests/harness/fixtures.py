# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The fixtures. A ``conftest.py`` takes them by
``from tests.harness.fixtures import *``.

Most tests are content with ``shared_server``: one server and database for all tests
of a module, in both modes. A test that kills or configures asks for ``make_server``.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from setup import cache
from setup import database as databases
from setup.stack import Stack, open_stack

from .database import Database
from .server import Server

__all__ = [
    "database",
    "log_directory",
    "make_database",
    "make_server",
    "server_mode",
    "shared_server",
    "stack",
]

MODES = {"threaded": 0, "prefork": 4}
SHARED_CHANNELS = "root:2"


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
def log_directory(request) -> Path:
    """The directory for what this test leaves to read."""
    return make_log_directory(f"{request.node.path.stem}-{request.node.name}")


@pytest.fixture
def make_database(stack: Stack) -> Iterator[Callable[[], Database]]:
    """Makes clones of the template, dropped after the test."""
    with database_maker(stack) as make:
        yield make


@pytest.fixture
def database(make_database) -> Database:
    return make_database()


@pytest.fixture
def make_server(stack, log_directory, database) -> Iterator[Callable[..., Server]]:
    """Starts servers for ``database``, stops them, checks their logs."""
    with server_maker(stack, log_directory, database) as make:
        yield make


@pytest.fixture(scope="module", params=MODES)
def shared_server(request, stack) -> Iterator[Server]:
    """A server with two job slots, for all tests of the module; ``.db`` its database.

    The runs of the probe are forgotten before each test by ``server.db.forget_runs``.
    """
    directory = make_log_directory(f"{request.path.stem}-{request.param}")
    with (
        database_maker(stack) as make_database,
        server_maker(stack, directory, make_database()) as make_server,
    ):
        server = make_server(MODES[request.param], channels=SHARED_CHANNELS)
        server.wait_runner()
        yield server


# -- the same for tests with scopes of their own ---------------------------------------


@contextmanager
def database_maker(stack: Stack) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make(template: str | None = None, prefix: str = "queue_job_test") -> Database:
        name = f"{prefix}_{secrets.token_hex(4)}"
        made.append(Database(name))
        databases.clone(template or stack.templates.app(), name)
        return made[-1]

    try:
        yield make
    finally:
        for database in made:
            database.close()
            databases.drop(database.name)


@contextmanager
def server_maker(
    stack: Stack, directory: Path, database: Database
) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(
        workers: int = 0, *, start: bool = True, db=database, place="", **options
    ) -> Server:
        place = place or f"server-{len(servers) + 1}"
        server = Server(stack, directory / place, db, workers=workers, **options)
        servers.append(server)
        return server.start() if start else server

    try:
        yield make
    finally:
        for server in servers:
            server.stop()
    strays = [str(record) for server in servers for record in server.stray_records()]
    assert not strays, "stray log records: " + "\n".join(strays)


def make_log_directory(name: str) -> Path:
    """A new directory in the logs, of this process alone."""
    name = re.sub(r"[^\w.-]+", "_", name).strip("_")
    process = os.environ.get("PYTEST_XDIST_WORKER", "")
    directory = cache.LOGS / "e2e" / process / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
