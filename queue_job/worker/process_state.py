# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job's method may leave behind in its process, and what becomes of that.

`ITEMS` names what is read before an attempt and put back after it, so that the next job
finds it as it was. The attempt also runs in a context of its own (`contextvars`, which
hold the decimal context and the warnings of some libraries as well).

What stays as the job left it, as it would between two requests: the environment
variables, changed modules and classes (monkey patches), the seed
of `random`, loggers, open files, and threads. Odoo's own thread attributes (`uid`,
`dbname` ...) are those of the attempt.
"""

from __future__ import annotations

import _signal  # `signal` makes an enum of each value, for fifty times the price
import gc
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

_logger = logging.getLogger(__name__)


class Item(NamedTuple):
    """A part of the process's state.

    :param name: for the log
    :param read: returns its value; values are compared
    :param restore: puts a value back
    :param shared: with the other threads; where these run jobs as well (in a threaded
        server), there is no telling which has changed it, and it is left alone
    :param momentary: libraries change it for a moment, so while another job runs in
        the process (:mod:`.shared_process`) a change says nothing
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    shared: bool = True
    momentary: bool = False


def _enable_gc(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()


def _read_filters() -> tuple[Any, ...]:
    return tuple(warnings.filters)


def _restore_filters(filters: tuple[Any, ...]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _read_handlers() -> tuple[Any, ...]:
    return tuple(map(_signal.getsignal, _SIGNALS))


def _restore_handlers(handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(_SIGNALS, handlers, strict=True):
        if handler is not None:
            signal.signal(number, handler)


def _read_alarm() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _restore_alarm(_value: bool) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _thread_attributes() -> tuple[Any, ...]:
    thread = threading.current_thread()
    return tuple(getattr(thread, name, None) for name in _THREAD_ATTRIBUTES)


def _restore_thread_attributes(values: tuple[Any, ...]) -> None:
    thread = threading.current_thread()
    for name, value in zip(_THREAD_ATTRIBUTES, values, strict=True):
        setattr(thread, name, value)


#: Signals that jobs, or the libraries they use, handle for a while.
_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGALRM", "SIGINT", "SIGTERM", "SIGXCPU", "SIGPIPE")
    if hasattr(signal, name)
)

#: What Odoo keeps with a thread.
_THREAD_ATTRIBUTES = ("uid", "dbname", "url")

ITEMS = (
    Item(
        "the thread's user and database",
        _thread_attributes,
        _restore_thread_attributes,
        shared=False,
    ),
    Item("the working directory", os.getcwd, os.chdir),
    Item("the garbage collector", gc.isenabled, _enable_gc, momentary=True),
    Item(
        "the default time-out of sockets",
        socket.getdefaulttimeout,
        socket.setdefaulttimeout,
    ),
    Item("the filters of warnings", _read_filters, _restore_filters, momentary=True),
    Item("the umask", _read_umask, os.umask),
    Item(
        "the locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda value: locale.setlocale(locale.LC_ALL, value),
    ),
    Item(
        "the recursion limit",
        sys.getrecursionlimit,
        sys.setrecursionlimit,
        momentary=True,
    ),
    Item("signal handlers", _read_handlers, _restore_handlers),
    Item("an alarm", _read_alarm, _restore_alarm),
)


def work_for(uid: int, db_name: str) -> None:
    """Let Odoo's attributes of this thread say for whom it works.

    :param uid: id of the user
    :param db_name: name of the database
    """
    thread: Any = threading.current_thread()
    thread.uid, thread.dbname = uid, db_name


#: The value of what can't be read, such as a working directory that was deleted.
UNKNOWN = object()


def _read(item: Item) -> Any:
    try:
        return item.read()
    except OSError:
        return UNKNOWN


class ProcessState:
    """The state of the process before a job, to be put back after it.

    It is read once and holds for all jobs that follow each other in a thread.
    """

    def __init__(self) -> None:
        alone = threading.current_thread() is threading.main_thread()
        known = [(item, _read(item)) for item in ITEMS if alone or not item.shared]
        self._before = [(item, value) for item, value in known if value is not UNKNOWN]
        self._reads = [item.read for item, _value in self._before]
        self._values = [value for _item, value in self._before]

    def restore(self, who: str) -> None:
        """Put back what has changed, with one line in the log that names it.

        :param who: database and job, for the log
        """
        if not self._is_as_before():
            self._restore(who)

    def _is_as_before(self) -> bool:
        """Whether nothing has changed, which is so after nearly every job."""
        try:
            return [read() for read in self._reads] == self._values
        except (OSError, TypeError, ValueError, RecursionError, locale.Error):
            return False

    def _restore(self, who: str) -> None:
        changed = []
        for item, value in self._before:
            try:
                if _read(item) != value:
                    changed.append(item.name)
                    item.restore(value)
            except (
                OSError,
                TypeError,
                ValueError,
                RecursionError,
                locale.Error,
            ) as error:
                changed.append(f"{item.name} (not put back: {error})")
        if changed:
            _logger.info(
                "%s left something changed in its process: %s", who, ", ".join(changed)
            )
