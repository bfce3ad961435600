# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What calls, groups and chains are made of, and what is refused there."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ..core import texts
from ..core.names import nearest

_logger = logging.getLogger(__name__)


def method_of(records: Any, name: str) -> Any:
    """Return the method of this name.

    :raise AttributeError: there is none; the message says which one may be meant
    """
    try:
        return getattr(records, name)
    except AttributeError as error:
        meant = None if name.startswith("__") else nearest(name, dir(records))
        if not meant:
            raise
        text = f"{records!r} has no method {name}. Did you mean {meant}?"
        raise AttributeError(text) from error


def check_size(size: Any) -> None:
    """Check the size of the parts of a split.

    :raise ValueError: it is no number of records
    """
    if type(size) is not int or size < 1:
        raise ValueError(
            f"split({size!r}): give the number of records of each part, 1 or more"
        )


def check_members(name: str, members: tuple) -> None:
    """Check that what is joined are calls.

    :param name: of the function that joins them
    :raise TypeError: one of them is a list, a job, or something else
    """
    for member in members:
        if not hasattr(type(member), "_tail"):
            raise TypeError(
                f"{name}() takes the calls one by one, each made by delayable(), "
                f"group() or chain(): {name}(a.delayable().f(), b.delayable().g()), or "
                f"{name}(*calls) for a list. This is a {type(member).__name__}: "
                f"{texts.shown(member)}"
            )


def add_to_nothing(node: Any, delayables: Iterable, condition: str) -> None:
    """Add what follows an empty group or chain: nothing has to be done before it."""
    for child in delayables:
        if condition == "failed":
            _logger.info("not enqueued, an empty group cannot fail: %s", child)
        else:
            node._graph.add_vertex(child)


def are_nothing(node: Any) -> bool:
    """Whether a group or chain has members from no records only."""
    if not node._members:
        return node._may_be_empty
    return all(member._is_nothing() for member in node._members)
