# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which known name was meant by one that is not known."""

from __future__ import annotations

import difflib
import os
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


#: Letters of a word in which a slip can be told from another word.
WORD = 4


def slip(name: str, known: Iterable[str]) -> str | None:
    """Return the known name of which one word has one wrong letter here, or None.

    Such a name is a mistake; any other that is merely alike may be there on purpose.

    >>> slip("imporrt", ["import"]), slip("sale_improt", ["sale_import"])
    ('import', 'sale_import')
    >>> slip("Import", ["import"])
    'import'
    >>> slip("import_fr", ["import_de"]), slip("shop_a", ["shop_b"])
    (None, None)
    >>> slip("year2025", ["year2024"]), slip("sale", ["sale"])
    (None, None)
    """
    return next((each for each in sorted(known) if _is_slip(name, each)), None)


def _is_slip(name: str, meant: str) -> bool:
    words, others = re.split(r"[\W_]", name.lower()), re.split(r"[\W_]", meant.lower())
    if len(words) != len(others) or _words(name) == _words(meant):
        return False
    pairs = [pair for pair in zip(words, others, strict=True) if len(set(pair)) > 1]
    if len(pairs) != 1:
        return not pairs and name != meant
    return min(map(len, pairs[0])) >= WORD and _is_one_letter_off(*pairs[0])


def _is_one_letter_off(word: str, other: str) -> bool:
    """Whether one letter is missing, added or another, or two are swapped."""
    shorter, longer = sorted((word, other), key=len)
    same = len(os.path.commonprefix([shorter, longer]))
    short, long = shorter[same:], longer[same:]
    if len(longer) > len(shorter):
        return short == long[1:]
    swapped = short[:2] == long[1::-1] and short[2:] == long[2:]
    return swapped or short[1:] == long[1:]


def _words(name: str) -> str:
    return re.sub(r"\d+", "#", name)
