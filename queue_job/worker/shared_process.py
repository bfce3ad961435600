# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the jobs of a threaded job worker share, and which of them don't keep to it.

The jobs of such a process run at the same time, each in a thread. What belongs to the
process is the same for all of them, so a method that runs there must not change it. It
is read when the worker starts and looked at after each job: what has changed is put
back, and the log names the job, with those that ran beside it, of which one may have
done it. The environment variables are left as they are, as between two requests.

Python runs one thread at a time. So a job that computes, rather than waits, makes the
others wait, and is named as well.

What a lease does before and after a job is work for Odoo, so only some leases do that
at a time; and a lease gives its own database connection back while its job runs. So a
job that waits has one connection.

In other processes there is nothing to look at, see :mod:`.process_state`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .process_state import ITEMS, UNKNOWN, Item

_logger = logging.getLogger(__name__)

#: Seconds of processor time that nobody minds, and the share of its time from which on
#: a job computes rather than waits.
UNHEEDED_SECONDS, COMPUTING_SHARE = 2.0, 0.1

#: Leases at a time that do something else than wait for their job.
ACTIVE_LEASES = 8

#: Lends the connection of a cursor to others, while the block is entered.
Lend = Callable[[Any], AbstractContextManager[None]]

#: Bytes of a process's status in which its umask is.
BEGINNING = 200

#: Jobs that a line of the log names.
NAMES_IN_LOG = 5


def _umask() -> str:
    """The umask, which `os.umask` would change for a moment, for all threads."""
    with open("/proc/self/status", "rb", buffering=0) as status:
        beginning = status.read(BEGINNING)
    return beginning.partition(b"Umask:")[2].split(b"\n")[0].strip().decode()


def _restore_umask(mask: str) -> None:
    os.umask(int(mask, 8))


def _environment() -> dict[bytes, bytes]:
    return dict(os.environ._data)  # type: ignore[attr-defined]  # nothing is decoded


UMASK = Item("the umask", _umask, _restore_umask)
ENVIRON = Item("the environment variables", _environment, lambda _value: 0)


def shared_items() -> list[Item]:
    """What belongs to the process, and can be read while other threads run."""
    items = [item for item in ITEMS if item.shared and item.name != UMASK.name]
    return [*items, UMASK, ENVIRON]


def computes(used: float, seconds: float) -> bool:
    """Tell whether a job computes, rather than waits.

    :param used: seconds of processor time
    :param seconds: that it has taken

    >>> [computes(*each) for each in ((1.9, 2.0), (3.0, 9.0), (3.0, 60.0))]
    [False, True, False]
    """
    return used > UNHEEDED_SECONDS and used > COMPUTING_SHARE * seconds


class SharedProcess:
    """The state of a process in which several jobs run.

    :param items: that belong to it
    """

    def __init__(self, items: list[Item]) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, str] = {}
        self._before = {item: _read(item.read) for item in items}

    @contextmanager
    def watched(self, who: str) -> Iterator[None]:
        """Look at what the job of this thread leaves behind.

        :param who: database and job, for the log
        """
        with self._lock:
            self._running[threading.get_ident()] = who
        began, used = time.monotonic(), time.thread_time()
        try:
            yield
        finally:
            used, seconds = time.thread_time() - used, time.monotonic() - began
            with self._lock:
                del self._running[threading.get_ident()]
                others = list(self._running.values())
                changed = self._put_back(alone=not others)
            if changed:
                _tell_changed(who, others, changed)
            if computes(used, seconds):
                _tell_computes(who, used, seconds)

    def _put_back(self, *, alone: bool) -> list[str]:
        """Put back what has changed.

        :param alone: no other job runs, which may have changed something for a moment
        :return: the names of what has changed
        """
        changed = []
        for item, before in self._before.items():
            if before is UNKNOWN or (item.momentary and not alone):
                continue
            if (now := _read(item.read)) == before:
                continue
            changed.append(item.name)
            if item is ENVIRON:
                self._before[item] = now
                continue
            try:
                item.restore(before)
            except Exception as error:  # whatever it is, the job has ended well
                changed[-1] += f" (not put back: {error})"
        return changed


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except OSError:
        return UNKNOWN


def _tell_changed(who: str, others: list[str], changed: list[str]) -> None:
    names = ", ".join(others[:NAMES_IN_LOG])
    names += f" and {len(others) - NAMES_IN_LOG} more" * (len(others) > NAMES_IN_LOG)
    _logger.warning(
        "%s%s changed what all jobs of this process share: %s; such a method can't run"
        " in a channel with the option threads",
        who,
        f", or one of those that run beside it ({names})," if others else "",
        ", ".join(changed),
    )


def _tell_computes(who: str, used: float, seconds: float) -> None:
    _logger.warning(
        "%s used %.1f s of processor time in %.1f s, for which the other jobs of this"
        " process had to wait; it should run in a channel without the option threads",
        who,
        used,
        seconds,
    )


_process: SharedProcess | None = None
_active = threading.Semaphore(ACTIVE_LEASES)


@contextmanager
def active() -> Iterator[None]:
    """Serve a lease in the block, when its turn has come."""
    with _active:
        yield


def waits(lend: Lend, cr: Any) -> AbstractContextManager[None]:
    """Let other leases be served while the job runs in the block, if jobs share this
    process.

    :param lend: lends the connection of a cursor to others while a block is entered
    :param cr: the lease's own cursor, which it doesn't use in the block
    """
    return _wait(lend, cr) if _process else nullcontext()


@contextmanager
def _wait(lend: Lend, cr: Any) -> Iterator[None]:
    with lend(cr):
        _active.release()
        try:
            yield
        finally:
            _active.acquire()


def begin() -> None:
    """From now on, jobs share this process."""
    global _process
    _process = SharedProcess(shared_items())


def watched(who: str) -> AbstractContextManager[None]:
    """Look at what a job leaves behind, if it shares its process with others.

    :param who: database and job, for the log
    """
    return _process.watched(who) if _process else nullcontext()
