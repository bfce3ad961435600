# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server under test: a real Odoo, plus what tests do to it.

Waits for log lines, kills single processes by id, and at the end checks that the
log holds nothing alarming which the test had not announced.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import requests

from setup.odoo_log import LogRecord, parse, stray
from setup.odoo_server import OdooServer
from setup.stack import Stack

from .database import Database
from .rpc import Client
from .waiting import wait_for

RUNNER = "WorkerJobRunner"
READY = "database connections ready"


class Server(OdooServer):
    """One Odoo server of a test, and ``db``, the database it serves."""

    def __init__(self, stack: Stack, directory: Path, db: Database, **options: Any):
        super().__init__(stack.source, stack.python, directory, db.name, **options)
        self.db = db
        self._expected: list[str] = []

    # -- log -----------------------------------------------------------------------

    def wait_log(self, pattern: str, *, seconds: float = 20.0, times: int = 1) -> str:
        """Wait until ``pattern`` was logged ``times`` times; the last match."""
        found = wait_for(
            lambda: re.findall(f"^.*(?:{pattern}).*$", self.text(), re.MULTILINE),
            f"logged {times} time(s): {pattern}",
            until=lambda lines: len(lines) >= times,
            seconds=seconds,
        )
        return found[-1]

    def wait_runner(self, seconds: float = 20.0) -> None:
        """Wait until the job runner knows its databases."""
        self.wait_log(READY, seconds=seconds)

    def expect_log(self, *patterns: str) -> None:
        """Announce alarming log records that belong to the test."""
        self._expected += patterns

    def records(self) -> list[LogRecord]:
        return parse(self.text())

    def stray_records(self) -> list[LogRecord]:
        """What is alarming in the log and was not announced."""
        return stray(self.records(), self._expected)

    # -- processes -----------------------------------------------------------------

    def http_pids(self) -> list[int]:
        """The processes that run jobs: HTTP workers, or the one of threaded mode."""
        return self.worker_pids("WorkerHTTP") if self.workers else [self.process.pid]

    def runner_pid(self) -> int:
        """The process of the job runner."""
        if not self.workers:
            return self.process.pid
        return wait_for(lambda: self.worker_pids(RUNNER), "a runner process")[0]

    @staticmethod
    def kill_pid(pid: int, number: int = signal.SIGKILL) -> None:
        """Kill one process, by default as the kernel's out-of-memory killer does."""
        os.kill(pid, number)
        if number == signal.SIGKILL:
            wait_for(lambda: not _runs(pid), f"process {pid} gone")

    # -- HTTP ----------------------------------------------------------------------

    def client(self, login: str = "admin", password: str = "admin") -> Client:
        """A user who is logged in."""
        return Client(self.url, self.database, login, password)

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """A plain GET, as anybody on the network may send it."""
        headers = parameters.pop("headers", {"X-Odoo-Database": self.database})
        return requests.get(
            f"{self.url}{path}", params=parameters, headers=headers, timeout=30
        )


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
