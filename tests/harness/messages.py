# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many messages a server sends to PostgreSQL, which are as many round trips.

A relay stands between the two and reads the protocol. psycopg2 sends each text that it
is to execute as one message of type "Q", however many statements are in it.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

#: The first message of a connection has no type; one that asks for encryption comes
#: before it.
STARTUP = 196608


class MessageCounter:
    """A relay to PostgreSQL on a port of its own.

    :param port: of PostgreSQL on this host
    """

    def __init__(self, port: int):
        self._target = ("127.0.0.1", port)
        self._lock = threading.Lock()
        self._count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def count(self) -> int:
        """How many messages were sent until now."""
        with self._lock:
            return self._count

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._target)
                for run, source, sink in (
                    (self._forward, server, client),
                    (self._read, client, server),
                ):
                    threading.Thread(
                        target=run, args=(source, sink), daemon=True
                    ).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), sink:
            while data := source.recv(65536):
                sink.sendall(data)

    def _read(self, source: socket.socket, sink: socket.socket) -> None:
        """Forward what a client sends, and count its messages."""
        waiting, began = b"", False
        with suppress(OSError), sink:
            while data := source.recv(65536):
                sink.sendall(data)
                waiting += data
                while size := _size_of_first(waiting, began):
                    message, waiting = waiting[:size], waiting[size:]
                    if began and message.startswith(b"Q"):
                        with self._lock:
                            self._count += 1
                    began = began or struct.unpack("!I", message[4:8]) == (STARTUP,)


def _size_of_first(data: bytes, began: bool) -> int:
    """The size of the first message, 0 while it isn't complete."""
    offset = int(began)  # of the length, behind the type
    if len(data) < offset + 4:
        return 0
    size = offset + struct.unpack("!I", data[offset : offset + 4])[0]
    return size if len(data) >= size else 0
