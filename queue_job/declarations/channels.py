# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Channels that nobody has declared.

A channel is declared by its record, or by an entry of the configuration string. A job
may name another one: it is made on the fly, and the limits of the nearest channel above
it are the only ones. What looks like a declared channel is a mistake, though, and a
job that is meant for it must not run without its limits.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..core.names import slip
from ..jobrunner.schedule.channel_config import ROOT, canonical_name


class Declared(NamedTuple):
    """The channels that are declared, by their full names."""

    names: frozenset[str] = frozenset((ROOT,))
    #: Those that say what holds for channels made on the fly below them.
    open: frozenset[str] = frozenset()


class Undeclared(NamedTuple):
    """A channel that nobody has declared."""

    name: str
    #: The nearest declared channel above it, whose limits hold.
    above: str
    #: The first channel below that: it is missing, too.
    missing: str
    #: The declared channel that was probably meant.
    meant: str | None


def undeclared(name: str, declared: Declared) -> Undeclared | None:
    """Return what is missing of a channel, None if it is declared or made on purpose.

    >>> declared = Declared(frozenset({"root", "root.sale", "root.sale.import"}))
    >>> undeclared("sale.import", declared)
    >>> undeclared("root.sale.imporrt", declared).meant
    'root.sale.import'
    >>> undeclared("root.mail.in", declared)
    Undeclared(name='root.mail.in', above='root', missing='root.mail', meant=None)
    """
    full = canonical_name(name)
    if full in declared.names:
        return None
    above, missing, rest = _parts(full, declared.names)
    if not _ancestors(full).isdisjoint(declared.open):
        return None
    return Undeclared(full, above, missing, _meant(above, missing, rest, declared))


def _parts(full: str, names: Collection[str]) -> tuple[str, str, str]:
    """Return the declared part of a path, that with one more name, and what is left."""
    above, rest = ROOT, full.split(".")[1:]
    while f"{above}.{rest[0]}" in names:
        above = f"{above}.{rest.pop(0)}"
    return above, f"{above}.{rest[0]}", ".".join(rest[1:])


def _ancestors(full: str) -> set[str]:
    parts = full.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def _meant(above: str, missing: str, rest: str, declared: Declared) -> str | None:
    siblings = {
        name.rpartition(".")[2]
        for name in declared.names
        if name.rpartition(".")[0] == above
    }
    found = slip(missing.rpartition(".")[2], siblings)
    if not found:
        return None
    full = ".".join(filter(None, (above, found, rest)))
    return full if full in declared.names else f"{above}.{found}"
