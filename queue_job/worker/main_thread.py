# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Let the main thread of a prefork server's worker run the jobs.

Odoo's workers serve requests in a second thread, while the main thread only waits for
it. But a sleep, a call without a time-out or a subprocess can be interrupted nowhere
but in the main thread: Python handles signals there. So the worker's main thread takes
over what `call` hands to it, and waits on.

In a threaded server no main thread waits, and `call` runs the function in its own.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ..sessions import interrupts

_logger = logging.getLogger(__name__)


class _Call:
    """A function on its way to the main thread, and what came of it."""

    def __init__(self, function: Callable, args: tuple):
        self._function = function
        self._args = args
        self._over = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()

    def wait(self) -> Any:
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self._result


class _MainThread:
    """What the main thread of this process was asked to do."""

    def __init__(self):
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._pid = 0

    def serves(self) -> bool:
        return self._pid == os.getpid()

    def serve_while(self, thread: threading.Thread) -> None:
        """Run what is handed over, until the thread that hands it over has ended."""
        self._calls = SimpleQueue()
        self._pid = os.getpid()
        while call := self._calls.get():
            call.run()
        thread.join()

    def call(self, function: Callable, *args: Any) -> Any:
        call = _Call(function, args)
        self._calls.put(call)
        return call.wait()

    def release(self) -> None:
        self._pid = 0
        self._calls.put(None)


_main_thread = _MainThread()


def call(function: Callable, *args: Any) -> Any:
    """Run a function in the main thread, if that is free for it.

    :param function: the function
    :param args: its arguments
    :return: its result
    :raise BaseException: what the function raises
    """
    in_main = threading.current_thread() is threading.main_thread()
    if in_main or not _main_thread.serves():
        return function(*args)
    return _main_thread.call(function, *args)


def run_worker(self) -> None:
    """Run a worker whose main thread runs jobs; in place of `server.Worker.run`.

    The steps are the same, but the main thread does more than wait.
    """
    try:
        self.start()
        interrupts.listen()
        name = f"Worker {type(self).__name__} ({self.pid}) workthread"
        thread = threading.Thread(
            name=name, target=_run_loop, args=(self,), daemon=True
        )
        thread.start()
        _main_thread.serve_while(thread)
        _logger.info(
            "Worker (%s) exiting. request_count: %s.", self.pid, self.request_count
        )
        self.stop()
    except Exception:
        _logger.exception("Worker (%s) Exception occurred, exiting...", self.pid)
        sys.exit(1)


def _run_loop(worker) -> None:
    try:
        worker._runloop()
    finally:
        _main_thread.release()
