# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Waiting on signals: a condition, a deadline, and a message that tells what was
seen last. The only place of the harness that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02
DEADLINE_SECONDS = 20.0


class DeadlineError(AssertionError):
    """A condition did not come true in time."""


def wait_for(
    look: Callable[[], T],
    what: str,
    *,
    seconds: float = DEADLINE_SECONDS,
    until: Callable[[T], bool] = bool,
) -> T:
    """Call ``look`` until its answer satisfies ``until``; return the answer."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if until(seen):
            return seen
        if time.monotonic() > deadline:
            raise DeadlineError(f"after {seconds} s still not {what}: {seen!r}")
        time.sleep(POLL_SECONDS)


def holds(look: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Fail as soon as ``look`` is false within ``seconds``: for what must not be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"no longer: {what}"
        time.sleep(POLL_SECONDS)
