# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other threads leave for the loop of a database."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event

from .dispatch.dispatcher import Answer
from .readable import readable


class Inbox:
    """The answers of the dispatcher's threads, and what wakes the loop.

    :meth:`wake`, :meth:`put` and :meth:`stop` may be called from any thread, the rest
    from the thread of the loop. It can be waited for by :func:`~.readable.readable`.
    """

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        #: Set when the loop is to end.
        self.stopping = Event()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that is readable after :meth:`wake`."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Let the loop run its next dispatch round now."""
        with suppress(OSError):
            self._writer.send(b".")

    def put(self, answer: Answer) -> None:
        """Leave the answer of a lease, and wake the loop."""
        self._answers.put(answer)
        self.wake()

    def stop(self) -> None:
        """Ask the loop to end."""
        self.stopping.set()
        self.wake()

    @property
    def is_stopped(self) -> bool:
        """Whether the loop was asked to end."""
        return self.stopping.is_set()

    def answers(self) -> Iterator[Answer]:
        """Take the answers that have come."""
        with suppress(Empty):
            while True:
                yield self._answers.get_nowait()

    def clear(self) -> None:
        """Forget that the loop was to wake up."""
        with suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until :meth:`stop`."""
        deadline = time.monotonic() + seconds
        while not self.is_stopped and time.monotonic() < deadline:
            readable([self], deadline - time.monotonic())
            self.clear()

    def close(self) -> None:
        """Close the descriptors; :meth:`wake` has no effect any more."""
        self._reader.close()
        self._writer.close()
