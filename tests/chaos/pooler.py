# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PgBouncer in transaction mode, as many run it before PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from setup import debian, postgres
from tests.harness.waiting import wait_for

from .cluster import ADDRESS, ThrowawayCluster

CONFIG = """
[databases]
* = host={host} port={port} user=odoo password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
ignore_startup_parameters = extra_float_digits, options
"""


@contextmanager
def pgbouncer(cluster: ThrowawayCluster, directory: Path) -> Iterator[int]:
    """A running PgBouncer; its port."""
    if not shutil.which("pgbouncer") and debian.is_debian() and not os.geteuid():
        debian.install_packages("pgbouncer")
    port = postgres.free_port()
    config = cluster.directory / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            host=ADDRESS,
            port=cluster.port,
            password=cluster.password,
            listen_port=port,
        )
    )
    command = ["pgbouncer", str(config)]
    if cluster.user:  # like PostgreSQL, it does not run as root
        shutil.chown(config, cluster.user)
        command = ["runuser", "-u", cluster.user, "--", *command]
    with (directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
    try:
        wait_for(lambda: _answers(port), "an answer of PgBouncer")
        yield port
    finally:
        process.terminate()
        process.wait()
        config.unlink()


def is_possible() -> bool:
    """Whether PgBouncer is there, or may be installed."""
    return bool(shutil.which("pgbouncer")) or (debian.is_debian() and not os.geteuid())


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
