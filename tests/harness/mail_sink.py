# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A mail server that takes every mail and keeps it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline():
            command = line.strip().upper().decode()
            if command == "DATA":
                self._say("354 go on")
                self.server.mails.append(self._read_mail())
            self._say("221 bye" if command == "QUIT" else "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _read_mail(self) -> str:
        lines = iter(self.rfile.readline, b".\r\n")
        return b"".join(lines).decode()


class _Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


@contextmanager
def mail_sink(port: int) -> Iterator[list[str]]:
    """Listen while the block runs; the mails that have arrived."""
    with _Sink(("127.0.0.1", port), _Session) as sink:
        sink.mails = []
        thread = threading.Thread(target=sink.serve_forever, daemon=True)
        thread.start()
        try:
            yield sink.mails
        finally:
            sink.shutdown()
            thread.join()
