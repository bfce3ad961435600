# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The network goes silent between the runner and PostgreSQL, or breaks between the
runner and its workers.

Two kinds of silence: packets are dropped by the kernel, which takes root (the runner
speaks with PostgreSQL through an address of its own, so that workers are not cut off);
or a relay stands between the two, which stops to forward but goes on to acknowledge,
as a proxy does whose host hangs.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .cluster import SECOND_ADDRESS


class DroppedPackets:
    """Rules of iptables, for one port of one loopback address."""

    def __init__(self, port: int):
        self.address = (SECOND_ADDRESS, port)
        to = ["INPUT", "-p", "tcp", "-d", SECOND_ADDRESS, "--dport", str(port)]
        back = ["INPUT", "-p", "tcp", "-s", SECOND_ADDRESS, "--sport", str(port)]
        self._rules = [to, back]

    @classmethod
    def is_possible(cls) -> bool:
        if os.geteuid() or not shutil.which("iptables"):
            return False
        probe = ["iptables", "-w", "-S", "INPUT"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing comes through, nobody is told."""
        try:
            for rule in self._rules:
                self._change("-I", rule)
            yield
        finally:
            for rule in self._rules:
                self._change("-D", rule)

    @staticmethod
    def _change(action: str, rule: list[str]) -> None:
        command = ["iptables", "-w", action, *rule, "-j", "DROP"]
        subprocess.run(command, check=True, capture_output=True)

    def close(self) -> None:
        pass


class _Listener:
    """Takes connections on a loopback port, each for a thread of its own.

    :param port: what stands behind
    """

    def __init__(self, port: int):
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(
                    target=self._forward, args=(client,), daemon=True
                ).start()

    def _forward(self, client: socket.socket) -> None:
        raise NotImplementedError


class Relay(_Listener):
    """Forwards connections to PostgreSQL until it is told to be silent."""

    def __init__(self, port: int):
        self._silent = threading.Event()
        self._over = threading.Event()
        super().__init__(port)

    @staticmethod
    def is_possible() -> bool:
        """Whether this way to be silent works here: always."""
        return True

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing is forwarded, all is taken."""
        self._silent.set()
        try:
            yield
        finally:
            self._silent.clear()

    def close(self) -> None:
        """End all connections as well."""
        self._over.set()
        super().close()

    def _forward(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            with socket.create_connection(self._target) as server:
                while not self._over.is_set():
                    if self._silent.wait(0.01):
                        continue
                    ready, _w, _x = select.select([client, server], [], [], 0.05)
                    for source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        (server if source is client else client).sendall(data)


class BrittleRelay(_Listener):
    """Stands between the runner and its workers, or PostgreSQL, and breaks connections.

    :param port: what stands behind
    :param tells: whether that hears of it; else a worker goes on, and finds out when it
        wants to answer
    """

    def __init__(self, port: int, *, tells: bool = False):
        self._tells = tells
        self._clients: set[socket.socket] = set()
        super().__init__(port)
        self.port = self.address[1]

    def cut(self) -> None:
        """Break every connection that is open."""
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections as well."""
        super().close()
        self.cut()

    def _forward(self, client: socket.socket) -> None:
        self._clients.add(client)
        with client, suppress(OSError):
            with socket.create_connection(self._target) as server:
                back = threading.Thread(target=self._answer, args=(server, client))
                back.start()
                _pump(client, server)
                if self._tells:
                    server.shutdown(socket.SHUT_RDWR)
                back.join()
        self._clients.discard(client)

    @staticmethod
    def _answer(server: socket.socket, client: socket.socket) -> None:
        _pump(server, client)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on all that comes; what nobody takes any more is lost."""
    with suppress(OSError):
        while data := source.recv(65536):
            with suppress(OSError):
                target.sendall(data)
