# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A private PostgreSQL with pg_stat_statements, at its default settings.

It lives in the benchmark's own directory and is stopped at the end: whatever else
the machine's servers do, their CPU, WAL and statements are not counted.
"""

import getpass
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from . import processes

USER = PASSWORD = "odoo"
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "20000",
    "max_connections": "400",
    "listen_addresses": "127.0.0.1",
}


def _binaries() -> Path:
    """The directory of initdb and postgres: newest version found."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise SystemExit("PostgreSQL's server programs are missing (initdb, postgres).")


def _version(path: Path) -> int:
    name = path.parent.parent.name
    return int(name) if name.isdigit() else 0


class Cluster:
    """One PostgreSQL server of the benchmark."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.data = directory / "pg"
        self.port = port
        self.process: subprocess.Popen | None = None

    # -- life ----------------------------------------------------------------------

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Start it, on request with an environment of its own."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._init()
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [_binaries() / "postgres", "-D", self.data, f"-p{self.port}"]
        with (self.directory / "postgresql.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), *options, f"-k{self.data}"],
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=processes.die_with_parent(signal.SIGINT),
                **_as_postgres(),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        if self.process:
            processes.stop(self.process, signal.SIGINT, patience=20)
            self.process = None

    def _init(self) -> None:
        owner = _as_postgres()
        self.data.mkdir()
        if owner:
            shutil.chown(self.data, "postgres", "postgres")
        arguments = ["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [str(_binaries() / "initdb"), "-D", str(self.data), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            **owner,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.connect("postgres").close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.1)
        raise SystemExit(f"PostgreSQL did not start, see {self.directory}")

    # -- use -----------------------------------------------------------------------

    def connect(self, database: str):
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            application_name="bench",
        )
        connection.autocommit = True
        return connection

    @contextmanager
    def cursor(self, database: str = "postgres"):
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def exists(self, database: str) -> bool:
        with self.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            return bool(cursor.fetchone())

    def drop(self, database: str) -> None:
        with self.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def clone(self, template: str, database: str) -> None:
        self.drop(database)
        with self.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def databases(self) -> list[str]:
        with self.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            return [name for (name,) in cursor.fetchall()]

    def odoo_options(self) -> list[str]:
        return [
            "--db_host=127.0.0.1",
            f"--db_port={self.port}",
            f"--db_user={USER}",
            f"--db_password={PASSWORD}",
        ]


def _as_postgres() -> dict:
    """PostgreSQL refuses to run as root: run it as its own user then."""
    if getpass.getuser() != "root":
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


def clean_environment() -> dict[str, str]:
    """The environment without PG* variables, which would win over our options."""
    return {key: val for key, val in os.environ.items() if not key.startswith("PG")}
