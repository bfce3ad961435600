# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""nginx, HAProxy and Prometheus, of Debian's packages, configured as in the guides."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from setup import cache, debian
from setup import nginx as proxies
from setup.postgres import free_port
from tests.harness.server import Server
from tests.harness.waiting import wait_for

GUIDE = cache.REPOSITORY / "docs" / "deployment"
OPERATIONS = cache.REPOSITORY / "docs" / "operations"
PACKAGES = {
    "haproxy": "haproxy",
    "prometheus": "prometheus",
    "promtool": "prometheus",
}
BINARIES = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


@pytest.fixture
def nginx(log_directory) -> Iterator[Callable[[Server], str]]:
    """Starts nginx with ``nginx.conf`` of the guide before a server; the address."""
    with ExitStack() as started:

        def make(server: Server) -> str:
            ports = (free_port(), server.port, server.websocket_port)
            proxy = proxies.serving(proxies.find(), log_directory / "nginx", *ports)
            return started.enter_context(proxy)

        yield make


@pytest.fixture
def haproxy(log_directory) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Starts HAProxy with ``haproxy.cfg`` of the guide."""
    with _starter("haproxy", log_directory) as start:

        def make(places: Mapping[str, str]) -> None:
            config = log_directory / "haproxy.cfg"
            config.write_text(proxies.adapted(GUIDE / "haproxy.cfg", places))
            start(["-db", "-f", config], places["bind :80\n"])

        yield make


@pytest.fixture
def prometheus(log_directory) -> Iterator[Callable[[Mapping[str, str]], str]]:
    """Starts Prometheus with the configuration in ``operations/README.md``; its URL."""
    with _starter("prometheus", log_directory) as start:

        def make(places: Mapping[str, str]) -> str:
            guide = (OPERATIONS / "README.md").read_text()
            text = re.search(r"```yaml\n(rule_files:.*?)```", guide, re.DOTALL)[1]
            for old, new in places.items():
                assert old in text, f"the guide does not say {old}"
                text = text.replace(old, new)
            config = log_directory / "prometheus.yml"
            config.write_text(f"global: {{scrape_interval: 1s}}\n{text}")
            shutil.copy(OPERATIONS / "alerts.yml", log_directory)
            promtool("check", "config", config)
            address = f"127.0.0.1:{free_port()}"
            options = {
                "config.file": config,
                "storage.tsdb.path": log_directory / "prometheus",
                "web.listen-address": address,
            }
            start([f"--{name}={value}" for name, value in options.items()], address)
            url = f"http://{address}"
            wait_for(lambda: requests.get(f"{url}/-/ready", timeout=5).ok, "ready")
            return url

        yield make


def promtool(*arguments) -> str:
    """Run promtool, which must be content; what it says."""
    command = [_binary("promtool"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@contextmanager
def _starter(name: str, directory: Path) -> Iterator[Callable]:
    processes: list[subprocess.Popen] = []

    def start(arguments: list, address: str) -> None:
        command = [_binary(name), *map(str, arguments)]
        with (directory / f"{name}.out").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        processes.append(process)
        port = int("".join(filter(str.isdigit, address.rpartition(":")[2])))
        wait_for(lambda: _listens(port) or process.poll() is not None, f"{name} ready")
        words = (directory / f"{name}.out").read_text()
        assert process.poll() is None, f"{name} ended: {words}"

    try:
        yield start
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)


def _binary(name: str) -> str:
    if not shutil.which(name, path=BINARIES):
        debian.install_packages(PACKAGES[name])
    return shutil.which(name, path=BINARIES)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
