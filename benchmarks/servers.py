# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A real Odoo server (prefork) of one side, and what can be asked of it."""

import signal
import subprocess
import time

import psutil
import requests

from . import processes
from .settings import Ports
from .sides import Side

# the key of both runners' leader lock (a bigint, which pg_locks shows in halves)
LEADER_LOCK = 2293787760715711918
_LEADER_PORT = f"""
    /* bench */
    SELECT a.client_port
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.classid = {LEADER_LOCK >> 32} AND l.objid = {LEADER_LOCK & 0xFFFFFFFF}
      AND a.datname = %s
"""


class Server:
    """One server process tree; `with Server(...)` stops it whatever happens."""

    def __init__(
        self,
        side: Side,
        ports: Ports,
        *,
        workers: int = 4,
        channels: str = "root:4",
        databases: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.side = side
        self.http_port = ports.http(side.number)
        self.gevent_port = ports.gevent(side.number)
        self.workers = workers
        self.channels = channels
        self.databases = databases or [side.database]
        self.environment = environment or {}
        self.log = side.cluster.directory / f"server_{side.name}.log"
        self.process: subprocess.Popen | None = None
        self.started_at = 0.0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()

    def start(self) -> None:
        environment = {
            **self.side.environment,
            "ODOO_QUEUE_JOB_CHANNELS": self.channels,
            "ODOO_QUEUE_JOB_HOST": "127.0.0.1",
            "ODOO_QUEUE_JOB_PORT": str(self.http_port),
            **self.environment,
        }
        self.started_at = time.time()
        self.process = subprocess.Popen(
            self.side.odoo(
                "-d",
                ",".join(self.databases),
                f"--workers={self.workers}",
                "--max-cron-threads=0",
                "--http-interface=127.0.0.1",
                f"--http-port={self.http_port}",
                f"--gevent-port={self.gevent_port}",
                "--load=base,web,queue_job",
                f"--logfile={self.log}",
            ),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=processes.die_with_parent(),
        )

    def stop(self) -> None:
        if self.process:
            processes.stop(self.process, signal.SIGTERM, patience=10)
            self.process = None

    def check_alive(self) -> None:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"The server ended by itself, see {self.log}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def ping(self, session: requests.Session) -> None:
        response = session.get(
            f"{self.url}/bench_jobs/ping",
            headers={"X-Odoo-Database": self.databases[0]},
            timeout=20,
        )
        response.raise_for_status()

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    def runner(self, patience: float = 15.0) -> psutil.Process | None:
        """The process of the job runner: the one which holds the leader lock.

        A runner that starts over holds none for a while, hence the patience.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            runner = self._leader()
            if runner:
                return runner
            time.sleep(0.2)
        return None

    def _leader(self) -> psutil.Process | None:
        with self.side.cluster.cursor() as cursor:
            cursor.execute(_LEADER_PORT, [self.databases[0]])
            ports = {port for (port,) in cursor.fetchall()}
        for member in processes.tree(self.process.pid):
            try:
                connections = member.net_connections(kind="tcp")
            except psutil.Error:
                continue
            if any(connection.laddr.port in ports for connection in connections):
                return member
        return None
