# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A PostgreSQL cluster to be mistreated: of one test run, thrown away after it.

It is made like the private cluster of :mod:`setup.postgres`, in a directory of its
own, and gets a copy of the template database with our addons. It may be stopped in
any mode and started again on the same port, which nobody else does meanwhile.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg2

from setup import postgres

#: Of ``queue_job.jobrunner.session.database``.
PG_ADVISORY_LOCK_ID = 2293787760715711918
TEMPLATE = "queue_job_chaos_template"
MAX_CONNECTIONS = 60
#: Two addresses, so that one way to the server can be cut and the other not.
ADDRESS, SECOND_ADDRESS = "127.0.0.1", "127.0.0.2"
SETTINGS = {
    **postgres.SETTINGS,
    "listen_addresses": f"{ADDRESS},{SECOND_ADDRESS}",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "64MB",
}


class ThrowawayCluster(postgres.Cluster):
    """Our own server; ``environment`` leads libpq to it."""

    password = ""

    def __init__(self) -> None:
        self.binaries = postgres._find_binaries()
        self.user = postgres._unprivileged_user()
        self.directory = Path(tempfile.mkdtemp(prefix="queue_job_chaos_", dir="/tmp"))
        self.data = self.directory / "data"
        self.log = self.directory / "postgresql.log"
        self.port = postgres.free_port()
        self.password = secrets.token_hex(16)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PGHOST": ADDRESS,
            "PGPORT": str(self.port),
            "PGUSER": "odoo",
            "PGPASSWORD": self.password,
        }

    # -- life ----------------------------------------------------------------------

    def create(self) -> None:
        """Make the cluster and start it."""
        self._initdb(self.directory / "initdb.log")
        self.start()

    def start(self) -> None:
        """Start the server on its port.

        :raise RuntimeError: it did not come up
        """
        if not self._launch(self.port, SETTINGS):
            raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text()}")

    def stop(self, mode: str = "fast") -> None:
        """Stop in the mode ``fast`` or ``immediate``, which is a crash."""
        self._control("stop", "-w", "-m", mode)

    def destroy(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- use -----------------------------------------------------------------------

    def copy_template(self, name: str) -> None:
        """Copy a database of the cluster that the environment leads to."""
        dump = self.directory / "template.dump"
        self._run([self.binaries / "pg_dump", "-Fc", "-Z0", "-f", dump, name])
        environment = {**os.environ, **self.environment}
        self._run([self.binaries / "createdb", TEMPLATE], environment)
        command = [self.binaries / "pg_restore", "-j2", "-d", TEMPLATE, dump]
        self._run(command, environment)
        dump.unlink()

    def connect(self, name: str = "postgres", **options):
        connection = psycopg2.connect(
            dbname=name,
            host=ADDRESS,
            port=self.port,
            user="odoo",
            password=self.password,
            **options,
        )
        connection.autocommit = True
        return connection

    def execute(self, statement: str, *parameters, database="postgres") -> list[tuple]:
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def terminate_backends(self, database: str) -> None:
        """End all sessions of a database, as an impatient administrator does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            database,
        )

    def depose_leader(self, database: str) -> None:
        """End the session that holds the leader lock, and no other."""
        self.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l"
            " JOIN pg_database d ON d.oid = l.database WHERE d.datname = %s"
            " AND l.locktype = 'advisory' AND l.objsubid = 1"
            " AND (l.classid::bigint << 32) | l.objid::bigint = %s",
            database,
            PG_ADVISORY_LOCK_ID,
        )

    def exhaust_connections(self, database: str, seconds: float) -> None:
        """Take every connection slot, those of ``database`` as well, for a while."""
        taken = [self.connect()]
        terminate = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}'"
        )
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                with suppress(psycopg2.OperationalError):
                    while True:
                        taken.append(self.connect())
                with taken[0].cursor() as cursor:
                    cursor.execute(terminate)
        finally:
            for connection in taken:
                connection.close()

    @staticmethod
    def _run(command: list, environment: dict | None = None) -> None:
        subprocess.run(
            [str(part) for part in command],
            env=environment,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
        )
