# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The cells: each behaviour, on each server, in each position and mode, interrupted in
each way that makes sense."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .behaviours import all_behaviours
from .table import (
    CANCEL,
    CLASSIC,
    FAILOVER,
    FIRST,
    FORBID,
    KILLED,
    LAST,
    MAX_RETRIES,
    MIDDLE,
    NONE,
    PLAIN,
    POSITIONS,
    PREFORK,
    SERVERS,
    THREADED,
    THREADS,
    TIMEOUT,
    Behaviour,
    Right,
)

#: Seconds that a job takes which is to be stopped; a threaded server has to wait for a
#: call of C code to return.
LONG_SECONDS = {PREFORK: 30.0, THREADED: 6.0, THREADS: 4.0}
#: Of the cells in threads, one of so many is part of the selection.
SELECTED = 6
#: A call of C code returns by itself.
IN_C_SECONDS = 3.0

HOSTILE, BEFORE, AFTER = "hostile", "before", "after"


@dataclass(frozen=True)
class Cell:
    """One field of the table."""

    server: str
    position: str
    mode: str
    behaviour: Behaviour
    interruption: str
    number: int = 0

    @property
    def id(self) -> str:
        parts = (self.server, self.position, self.mode, self.behaviour.name)
        return "-".join((*parts, self.interruption))

    @property
    def rights(self) -> tuple[Right, ...]:
        return self.behaviour.rights(self.mode, self.interruption)

    @property
    def is_quick(self) -> bool:
        """Whether it is part of the selection."""
        place = zlib.crc32(self.behaviour.name.encode())
        rotated = POSITIONS[place % len(POSITIONS)]
        if self.server == THREADS:
            home = self.position == MIDDLE and self.mode == PLAIN
            return home and (
                not place % SELECTED or self.behaviour.name == "one_effect"
            )
        if self.behaviour.lasts:
            home = self.position == MIDDLE and self.mode == PLAIN
            few = self.server == PREFORK or self.interruption in (TIMEOUT, NONE)
            return home and few
        if self.server == PREFORK and self.position == MIDDLE:
            return True
        return self.mode == PLAIN and self.position == rotated

    # -- its jobs ------------------------------------------------------------------

    @property
    def channel(self) -> str:
        """Its own; and the name of its system parameter."""
        return f"root.{'classic' if self.position == CLASSIC else 'cells'}.{self.name}"

    @property
    def name(self) -> str:
        return f"c{self.number}"

    def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        """(role, what ``enqueue`` wants to know) of each job, in their order."""
        hostile = [(HOSTILE, self._hostile())] * self.behaviour.times
        before = [] if self.position == FIRST else [(BEFORE, self._neighbour())]
        after = [] if self.position == LAST else [(AFTER, self._neighbour())]
        return [*before, *hostile, *after]

    def _hostile(self) -> dict[str, Any]:
        behaviour = self.behaviour
        function = f"_{self.mode}" + ("_on_fail" if behaviour.on_fail else "")
        arguments = dict(behaviour.arguments)
        if behaviour.lasts and behaviour.interrupted:
            arguments["seconds"] = self._seconds()
        if behaviour.key:
            arguments[behaviour.key] = self.channel
        options = {"max_retries": MAX_RETRIES, **behaviour.options}
        if self.interruption == TIMEOUT:
            options["timeout"] = 1
        return {
            "function": function,
            "behaviour": behaviour.does or behaviour.name,
            "arguments": self._filled(arguments),
            "options": self._filled(options),
            "owner": behaviour.owner,
        }

    def _seconds(self) -> float:
        if self.interruption not in (TIMEOUT, CANCEL):
            return self.behaviour.lasts
        if self.behaviour.name == "compute_in_c":
            return IN_C_SECONDS
        return LONG_SECONDS[self.server]

    def _filled(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            key: self.channel if value == "{key}" else value
            for key, value in values.items()
        }

    def _neighbour(self) -> dict[str, Any]:
        return {
            "function": "_plain",
            "behaviour": "look_around",
            "arguments": {"parameter": self.channel},
            "options": {},
        }


def all_cells() -> list[Cell]:
    cells = [
        Cell(server, position, mode, behaviour, interruption)
        for server in (*SERVERS, THREADS)
        for behaviour in all_behaviours()
        if _runs_on(behaviour, server)
        for mode in behaviour.modes
        for position in _positions(behaviour, mode)
        if (server, position) != (THREADS, CLASSIC)  # that is served by an HTTP worker
        for interruption in _interruptions(behaviour, server, mode, position)
    ]
    return [Cell(*_parts(cell), number) for number, cell in enumerate(cells)]


def _runs_on(behaviour: Behaviour, server: str) -> bool:
    """Whether others in the same process can do without it being harmed."""
    if server == THREADS:
        return THREADED in behaviour.servers and not behaviour.wild
    return server in behaviour.servers


def _parts(cell: Cell) -> tuple:
    return cell.server, cell.position, cell.mode, cell.behaviour, cell.interruption


def _positions(behaviour: Behaviour, mode: str) -> Iterator[str]:
    """All of them in the plain mode, in the others one in a lease and the classic
    request."""
    for position in behaviour.positions:
        if mode == PLAIN or position in (MIDDLE, CLASSIC):
            yield position


def _interruptions(
    behaviour: Behaviour, server: str, mode: str, position: str
) -> Iterator[str]:
    yield NONE
    for interruption in behaviour.interrupted:
        if mode == FORBID and behaviour.forbid:
            continue  # it fails before
        if server in (THREADED, THREADS) and interruption == KILLED:
            continue  # that is the server, or all the others: tests/chaos, tests/e2e
        if position == CLASSIC and interruption == FAILOVER:
            continue  # the runner has no part in it
        yield interruption
