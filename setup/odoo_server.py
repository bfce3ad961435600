# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One real Odoo server: started on free ports, watched, stopped by its ids.

The server writes its log to a file, which is also how it is watched: the
start-up lines, the processes of prefork mode ("Worker WorkerHTTP (4711) alive")
and whatever a caller waits for. It runs in a session of its own, so a Ctrl-C at
the terminal reaches only the program that started it, and that program stops it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path

import psutil

from .console import SetupError, complaint
from .odoo_source import OdooSource
from .postgres import free_port

START_SECONDS = 60
STOP_SECONDS = 15
WORKER_ALIVE = re.compile(r"Worker (\w+) \((\d+)\) alive")
SECURITY = {"list_db": "False", "admin_passwd": "disabled"}


class OdooServer:
    """A server for ``database``, threaded (``workers=0``) or prefork."""

    def __init__(
        self,
        source: OdooSource,
        python: Path,
        directory: Path,
        database: str,
        *,
        workers: int = 0,
        channels: str | None = None,
        port: int | None = None,
        load: str = "base,web,queue_job",
        options: Mapping[str, str] | None = None,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        env: Mapping[str, str] | None = None,
    ):
        self.source = source
        self.python = python
        self.directory = directory
        self.database = database
        self.workers = workers
        self.port = port or free_port()
        self.websocket_port = free_port()
        self.log = directory / "odoo.log"
        self.process: psutil.Popen | None = None
        self._options = {**self._default_options(load), **(options or {})}
        self._sections = sections or {}
        self._env = {"ODOO_QUEUE_JOB_CHANNELS": channels} if channels else {}
        self._env.update(env or {})

    def _default_options(self, load: str) -> dict[str, str]:
        return {
            **SECURITY,
            "addons_path": self.source.addons_path,
            "data_dir": str(self.directory / "data"),
            "db_name": self.database,
            "gevent_port": str(self.websocket_port),
            "http_interface": "127.0.0.1",
            "http_port": str(self.port),
            "logfile": str(self.log),
            "max_cron_threads": "0",
            "server_wide_modules": load,
            "workers": str(self.workers),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- life ------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> OdooServer:
        """Start the server; return when it answers, unless told not to wait."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        with (self.directory / "output.log").open("ab") as output:
            self.process = psutil.Popen(
                [self.python, self.source.launcher(), "--config", self._write_config()],
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()
        return self

    def _environment(self) -> dict[str, str]:
        ours = ("ODOO_QUEUE_JOB_", "ODOO_RC", "PGDATABASE")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {**kept, "PYTHONPATH": str(self.source.python_path()), **self._env}

    def _write_config(self) -> Path:
        config = RawConfigParser()
        config.read_dict({"options": self._options, **self._sections})
        path = self.directory / "odoo.conf"
        with path.open("w") as stream:
            config.write(stream)
        return path

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self.process.poll() is not None:
                raise SetupError(f"Odoo ended at its start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise SetupError(f"Odoo does not answer after {seconds} s: {self.log}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/web/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def last_words(self) -> str:
        logs = (self.directory / "output.log", self.log)
        words = [complaint(log) for log in logs if log.exists() and log.stat().st_size]
        return f"{' '.join(words)} (see {self.log})"

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the server as an administrator would, and by force what is left."""
        processes = self.processes()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=seconds)
        for process in alive:
            self._signal(process, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=seconds)
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def kill(self) -> None:
        """End every process of the server at once, as a crash of the machine would."""
        processes = self.processes()
        for process in processes:
            self._signal(process, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=STOP_SECONDS)

    def __enter__(self) -> OdooServer:
        return self.start()

    def __exit__(self, *exception) -> None:
        self.stop()

    # -- processes -------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """The server's process and all below it. Dead ones are left out."""
        if self.process is None:
            return []
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return self._orphans()

    def _orphans(self) -> list[psutil.Process]:
        """What outlived the main process: still in its session."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.process.pid:
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def worker_pids(self, kind: str = "WorkerHTTP") -> list[int]:
        """The living processes of one kind of prefork worker."""
        children = {process.pid for process in self.processes()}
        announced = WORKER_ALIVE.findall(self.text())
        return sorted({int(pid) for name, pid in announced if name == kind} & children)

    @staticmethod
    def _signal(process: psutil.Process, number: int) -> None:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            pass

    # -- log -------------------------------------------------------------------------

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
