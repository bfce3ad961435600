# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The server of ``make run``, as production has it: prefork, behind nginx.

Where no nginx can be had it is a threaded server, which answers pages and websocket on
one port. Both greet a browser without an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from . import database, languages, nginx
from .client import Client
from .console import SetupError, say
from .odoo_server import START_SECONDS, OdooServer
from .stack import Stack

LOGIN = PASSWORD = "admin"
THREADED_SLOTS = 4
SET_CAPACITY = """
UPDATE queue_job_channel SET capacity = %s WHERE name = 'root' AND parent_id IS NULL
"""


@dataclass(frozen=True)
class Demo:
    """A server that greets, the address for browsers, and its languages."""

    server: OdooServer
    url: str
    languages: tuple[str, ...]

    def client(self, login: str = LOGIN, password: str = PASSWORD) -> Client:
        return Client(self.url, self.server.database, login, password)


@contextmanager
def serving(
    stack: Stack, directory: Path, *, workers: int, port: int
) -> Iterator[Demo]:
    """A demo on ``port``, on a database of its own that is dropped at the end.

    :param workers: HTTP processes; 0 for a threaded server
    """
    codes, path = languages.prepare()
    template = stack.templates.demo(codes)
    program = _proxy() if workers else None
    with database.temporary(template, "queue_job_demo") as name, ExitStack() as started:
        processes = workers if program else 0
        _set_capacity(name, processes)
        options = _options(processes, port, path)
        server = started.enter_context(stack.server(name, directory, **options))
        _wait_websocket(server.websocket_port if processes else port)
        url = server.url
        if program:
            ports = (port, server.port, server.websocket_port)
            proxy = nginx.serving(program, directory / "nginx", *ports)
            url = started.enter_context(proxy)
        yield Demo(server, url, codes)


def _proxy() -> Path | None:
    """The program of nginx, or a line that says why there is none."""
    try:
        return nginx.find()
    except SetupError as error:
        say(f"There is no proxy, so the server is a threaded one: {error}")
        return None


def _options(workers: int, port: int, path: str) -> dict:
    """What to start a server with; behind the proxy it has a port of its own."""
    return {
        "workers": workers,
        "port": None if workers else port,
        "options": {
            "max_cron_threads": "1",
            "proxy_mode": str(bool(workers)),
            # what its libraries will do without is no news for who looks at a demo
            "log_handler": ":INFO,py.warnings:ERROR",
        },
        "env": {"PATH": path},
    }


def _set_capacity(name: str, workers: int) -> None:
    """Fewer job slots than processes, so that pages are served beside the jobs."""
    slots = max(1, workers - 1) if workers else THREADED_SLOTS
    database.execute(SET_CAPACITY, [slots], database=name)


def _wait_websocket(port: int) -> None:
    """Return when the process of the websocket answers, too."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(f"http://127.0.0.1:{port}/websocket/health"):
        if time.monotonic() > deadline:
            raise SetupError(f"the websocket does not answer after {START_SECONDS} s")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
