# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many jobs the databases of a runner may run: together, and each of them.

    max_capacity = 10
    db_max_capacity = prod_*:6,staging:3,*:1

The first pattern that matches the name of a database counts. What runs in the channels
is ruled by the records of each database, below these maxima. The configuration string
takes precedence: where there is one, the maxima have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple, NoReturn

WILDCARDS = "*?["


class DatabaseMaximum(NamedTuple):
    """An entry of `db_max_capacity`."""

    pattern: str
    capacity: int


class Maxima(NamedTuple):
    """The maxima in force for a database, each None where there is none.

    :param total: of all databases of the runner together
    :param database: of this one
    """

    total: int | None = None
    database: int | None = None

    @property
    def root(self) -> int | None:
        """How many jobs root of this database may run, None for no maximum."""
        return min(filter(None, self), default=None)


NO_MAXIMA = Maxima()


def parse_total(text: str) -> int:
    """Read `max_capacity`.

    :raise ValueError: it is no number of jobs

    >>> parse_total("10")
    10
    """
    return _number(text, text)


def parse_databases(text: str) -> tuple[DatabaseMaximum, ...]:
    """Read `db_max_capacity`: pattern:number, separated by commas or line ends.

    :raise ValueError: names the entry that is wrong, what an entry is, and the remedy

    >>> parse_databases("prod_*:6, *:1")[0]
    DatabaseMaximum(pattern='prod_*', capacity=6)
    >>> parse_databases("staging")
    Traceback (most recent call last):
        ...
    ValueError: staging: an entry is pattern:number, like prod_*:6
    """
    entries = [entry.strip() for entry in text.replace("\n", ",").split(",")]
    found: dict[str, DatabaseMaximum] = {}
    for entry in filter(None, entries):
        pattern, _colon, number = (part.strip() for part in entry.rpartition(":"))
        if not pattern:
            _refuse(entry, "an entry is pattern:number, like prod_*:6")
        if pattern in found:
            _refuse(entry, f"another entry for {pattern}; remove one of them")
        found[pattern] = DatabaseMaximum(pattern, _number(number, entry))
    return tuple(found.values())


def _number(text: str, entry: str) -> int:
    if not text.isdecimal() or not int(text):
        _refuse(
            entry,
            f"{text or 'nothing'} is no number of jobs, which is 1 or more; leave it"
            " out for no maximum, and set channels = root:0 for no job at all",
        )
    return int(text)


def _refuse(entry: str, reason: str) -> NoReturn:
    raise ValueError(f"{entry}: {reason}")


def maximum_of(db_name: str, databases: Iterable[DatabaseMaximum]) -> int | None:
    """Return the maximum of a database, None without one.

    >>> entries = parse_databases("prod_*:6,staging:3,*:1")
    >>> [maximum_of(name, entries) for name in ("prod_a", "staging", "test")]
    [6, 3, 1]
    """
    for each in databases:
        if fnmatchcase(db_name, each.pattern):
            return each.capacity
    return None


def unreached(databases: Iterable[DatabaseMaximum]) -> list[tuple[str, str]]:
    """Return the entries which no database reaches, each with the one before it.

    >>> unreached(parse_databases("*:1,prod_*:6"))
    [('prod_*', '*')]
    """
    patterns = [each.pattern for each in databases]
    return [
        (later, earlier)
        for number, later in enumerate(patterns)
        for earlier in patterns[:number]
        if _covers(earlier, later)
    ]


def _covers(earlier: str, later: str) -> bool:
    """Whether a pattern surely matches all that another one matches."""
    if any(sign in later for sign in WILDCARDS) and any(s in earlier for s in "?["):
        return False  # their signs would match each other as letters
    return fnmatchcase(later, earlier)
