# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""nginx before a prefork server, configured as in ``docs/deployment/nginx.conf``.

Such a server answers pages in one process and the websocket in another one, on a port
of its own; a browser needs one address for both. The program is the system's, or that
of Debian's package, unpacked into the cache.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import cache, debian
from .console import SetupError, last_line, read, start

GUIDE = cache.REPOSITORY / "docs" / "deployment" / "nginx.conf"
SEARCHED = (
    f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
)
START_SECONDS = 20
STOP_SECONDS = 10
# As root, the workers of nginx would be another user, who may not enter our directory.
MAIN = """
{user}
worker_processes 1;
daemon off;
pid "{directory}/nginx.pid";
error_log "{directory}/nginx.log";
events {{ worker_connections 256; }}
http {{
    access_log "{directory}/access.log";
    client_body_temp_path "{directory}/body";
    proxy_temp_path "{directory}/proxy";
    fastcgi_temp_path "{directory}/fastcgi";
    uwsgi_temp_path "{directory}/uwsgi";
    scgi_temp_path "{directory}/scgi";
    include "{directory}/site.conf";
}}
"""


def find() -> Path:
    """The program, fetched if there is none.

    :raise SetupError: there is none, and it cannot be fetched
    """
    found = shutil.which("nginx", path=SEARCHED)
    if found:
        return Path(found)
    with cache.locked("nginx"):
        target = cache.path("nginx")
        if not cache.is_complete(target):
            _unpack(target)
    return _program(target)


def _unpack(target: Path) -> None:
    if not debian.is_debian():
        raise SetupError("nginx is not installed, and this is no Debian")
    with cache.fresh_directory(target) as building:
        debian.unpack(building, debian.codename(), ["nginx"])
        if read([_program(building), "-V"]) is None:
            raise SetupError("the unpacked nginx does not run on this machine")


def _program(directory: Path) -> Path:
    return directory / "usr" / "sbin" / "nginx"


def adapted(guide: Path, places: Mapping[str, str]) -> str:
    """The text of a file of the guide, with the addresses of this machine.

    :param places: what stands in the guide, and what to write there instead
    """
    text = guide.read_text()
    for old, new in places.items():
        if old not in text:
            raise SetupError(f"{guide} does not say {old}")
        text = text.replace(old, new)
    return text


@contextmanager
def serving(
    program: Path, directory: Path, port: int, odoo_port: int, websocket_port: int
) -> Iterator[str]:
    """Lead ``port`` to the two ports of a server while the block runs; the address."""
    config = _write(directory, port, odoo_port, websocket_port)
    with (directory / "nginx.out").open("wb") as output:
        process = start(
            [program, "-p", directory, "-c", config],
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for us, who end it
        )
    try:
        _wait(process, port, directory)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _write(directory: Path, port: int, odoo_port: int, websocket_port: int) -> Path:
    places = {
        "127.0.0.1:8069": f"127.0.0.1:{odoo_port}",
        "127.0.0.1:8072": f"127.0.0.1:{websocket_port}",
        "listen 80;": f"listen 127.0.0.1:{port};",
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "site.conf").write_text(adapted(GUIDE, places))
    user = "" if os.geteuid() else "user root;"
    config = directory / "main.conf"
    config.write_text(MAIN.format(user=user, directory=directory))
    return config


def _wait(process: subprocess.Popen, port: int, directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None:
            words = last_line(directory / "nginx.out")
            raise SetupError(f"nginx ended at its start: {words}")
        if time.monotonic() > deadline:
            raise SetupError(f"nginx does not listen after {START_SECONDS} s")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
