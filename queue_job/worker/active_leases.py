# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many leases this process serves: a threaded server waits for them at its stop.

Odoo itself gives its threads one second, and then closes their database cursors.
(The workers of a prefork server finish what they do anyway.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_changed = threading.Condition()
_leases = 0


@contextmanager
def served() -> Iterator[None]:
    """Count a lease for as long as it is served."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(number: int) -> None:
    global _leases
    with _changed:
        _leases += number
        _changed.notify_all()


def is_idle() -> bool:
    """Whether no lease is served."""
    return not _leases


def wait_idle(seconds: float) -> bool:
    """Wait until no lease is served.

    :param seconds: the longest time
    :return: whether no lease is served by then
    """
    with _changed:
        return _changed.wait_for(is_idle, seconds)
