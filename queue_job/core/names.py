# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which known name was meant by one that is not known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: How alike two names are, from 0 to 1, of which one is taken for the other.
ALIKE = 0.75


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or None.

    Names that differ in nothing but a number are two names, not a mistake.

    >>> nearest("action_sned", ["action_send", "unlink"])
    'action_send'
    >>> nearest("Import", ["import"])
    'import'
    >>> nearest("shop_12", ["shop_11"]), nearest("a", ["b"])
    (None, None)
    """
    lowered = {each.lower(): each for each in known if _words(each) != _words(name)}
    same = lowered.get(name.lower())
    found = difflib.get_close_matches(name.lower(), lowered, 1, ALIKE)
    return same or (lowered[found[0]] if found else None)


def _words(name: str) -> str:
    return re.sub(r"\d+", "#", name)
