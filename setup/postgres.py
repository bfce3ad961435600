# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PostgreSQL: the server that ``PGHOST`` names, or a private cluster.

The private cluster lives in the cache and keeps its template databases from run
to run. It listens on a free loopback port, has no socket and a password of its
own. Several runs may share it: each holds a shared lock while it needs the
cluster, and the last one to leave stops it. A lock dies with its process, so a
killed run never keeps the cluster up for longer than the next one.

It holds nothing but templates and the databases of runs, so it does not wait for the
disk (``fsync`` off): killed processes lose nothing, and after a power cut that spoilt
it a new one is made. The benchmarks have a cluster of their own, as servers have it.

PostgreSQL refuses to run as root: then the ``postgres`` user owns the cluster,
which moves out of a home directory that this user may not enter.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cache, debian
from .console import SetupError, last_line, read, run, say

MINIMUM = 13
UNPRIVILEGED_USERS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    # several installations of modules side by side lock many tables each
    "max_locks_per_transaction": "512",
    "fsync": "off",
    "full_page_writes": "off",
    "log_line_prefix": "%m [%p] %d ",
    "timezone": "UTC",
}


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL to use, its address in the environment as libpq expects it."""
    if os.environ.get("PGHOST"):
        yield f"given by PGHOST ({os.environ['PGHOST']})"
        return
    cluster = Cluster()
    with cluster.running() as port:
        address = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "odoo",
            "PGPASSWORD": cluster.password,
        }
        before = dict(os.environ)
        os.environ.update(address)
        try:
            yield f"private cluster, 127.0.0.1:{port}"
        finally:
            for key in address:
                os.environ.pop(key)
            os.environ.update({k: before[k] for k in address if k in before})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Cluster:
    """The private cluster in the cache."""

    def __init__(self):
        self.binaries = _find_binaries()
        self.user = _unprivileged_user()
        self.directory = _cluster_directory(self.user)
        self.data = self.directory / "data"
        self.log = self.directory / "postgresql.log"

    @property
    def password(self) -> str:
        return cache.path("postgres.password").read_text()

    @contextmanager
    def running(self) -> Iterator[int]:
        """The port of the running cluster; stopped when nobody uses it any more."""
        with cache.path("postgres-users.lock").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                with cache.locked("postgres-start"):
                    port = self._port() or self._start()
                yield port
            finally:
                self._stop_if_last(users)

    def _stop_if_last(self, users) -> None:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another run still uses it
        if self._port():
            self._control("stop", "-m", "fast")

    def _port(self) -> int | None:
        """The port of the cluster if it is up."""
        if not cache.is_complete(self.directory) or not self._control("status"):
            return None
        return int((self.data / "postmaster.pid").read_text().splitlines()[3])

    def _start(self) -> int:
        if cache.is_complete(self.directory):
            port = self._try_start()
            if port:
                return port
            say(f"The cluster does not start ({last_line(self.log)}): making a new one")
        self._create()
        port = self._try_start()
        if port is None:
            reason = last_line(self.log) if self.log.exists() else "no log"
            raise SetupError(f"PostgreSQL did not start: {reason} (see {self.log})")
        return port

    def _try_start(self) -> int | None:
        """Start the cluster on a free port; None if it does not come up."""
        port = free_port()
        return port if self._launch(port, {**SETTINGS, **self._counting()}) else None

    def _launch(self, port: int, settings: dict[str, str]) -> bool:
        """Start the server on this port; whether it came up."""
        given = " ".join(f"-c {key}='{value}'" for key, value in settings.items())
        options = ["-o", f"-p {port} {given}", f"--log={self.log}"]
        return self._control("start", "-w", "-t", "60", *options)

    def _counting(self) -> dict[str, str]:
        """Count the statements, where PostgreSQL came with its contributed modules."""
        library = self.binaries.parent / "lib" / "pg_stat_statements.so"
        return {"shared_preload_libraries": library.stem} if library.exists() else {}

    def _create(self) -> None:
        """Make the cluster in place: the directory may belong to another user."""
        secret = cache.path("postgres.password")
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(16))
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        try:
            self._initdb(cache.path("logs", "initdb.log"))
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        cache.complete(self.directory)

    def _initdb(self, log: Path) -> None:
        """Fill the directory, by the user who will run the server.

        :param log: where initdb writes what it does
        :raise SetupError: initdb failed
        """
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if self.user:
            shutil.chown(self.directory, self.user)
            shutil.chown(password_file, self.user)
        command = ["initdb", "-U", "odoo", "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["-A", "scram-sha-256", f"--pwfile={password_file}", "-D", self.data]
        run(self._command(*command), "Making a database cluster", log, cwd="/")
        password_file.unlink()

    def _control(self, action: str, *options: str) -> bool:
        command = self._command("pg_ctl", action, "-D", self.data, *options)
        # no pipe: the server would inherit it and keep us waiting for its end
        quiet = subprocess.DEVNULL
        result = subprocess.run(
            [str(part) for part in command],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            cwd="/",
            check=False,
        )
        return result.returncode == 0

    def _command(self, program: str, *arguments: str | Path) -> list[str | Path]:
        command: list[str | Path] = [self.binaries / program, *arguments]
        return ["runuser", "-u", self.user, "--", *command] if self.user else command


def _find_binaries() -> Path:
    """The directory of initdb, pg_ctl and postgres, installed if need be."""
    found = _binaries()
    if found is None:
        debian.install_packages("postgresql")
        found = _binaries()
    if found is None:
        raise SetupError(f"no PostgreSQL {MINIMUM} or later found; or set PGHOST")
    return found


def _binaries() -> Path | None:
    candidates = list(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return max(filter(_version, candidates), key=_version, default=None)


def _version(binaries: Path) -> int:
    """The major version of the server in ``binaries``, 0 for none that will do."""
    if not all((binaries / name).exists() for name in ("initdb", "pg_ctl")):
        return 0
    match = re.search(r"(\d+)", read([binaries / "postgres", "--version"]) or "")
    version = int(match.group(1)) if match else 0
    return version if version >= MINIMUM else 0


def _unprivileged_user() -> str | None:
    """Who runs the cluster when we are root."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in UNPRIVILEGED_USERS if name in names), None)
    if user is None or not shutil.which("runuser"):
        raise SetupError("PostgreSQL does not run as root: set PGHOST, or be a user")
    return user


def _cluster_directory(user: str | None) -> Path:
    """The cache, or beside the system's caches where ``user`` cannot enter ours."""
    look = ["runuser", "-u", str(user), "--", "ls", cache.root()]
    if user is None or read(look) is not None:
        return cache.path("postgres")
    name = hashlib.sha256(str(cache.root()).encode()).hexdigest()[:12]
    return Path("/var/cache/odoo-job-queue") / name
