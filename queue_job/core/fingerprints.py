# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
r"""Which failures are of one kind: the same function, exception and wording.

The wording is the message without what differs from one job to the next: what stands in
quotation marks, numbers and words with a digit in them (ids, dates, amounts, hashes),
addresses of mails and pages, paths of files. `GAP` stands in its place, once for a list
of them.

>>> wording("Order 'SO/42' of res.partner(7, 8) is locked\nsince 2026-01-01 10:00:00")
'Order … of res.partner(…) is locked since …'

A job keeps the fingerprint, a short hash, in the column `failure_kind`. Whoever changes
the rules here changes the fingerprints of all failures: a migration has to empty those
of the jobs that failed before, and they are made anew.

This module imports nothing of Odoo.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2s

GAP = "…"

#: Characters of a message that are looked at, and of its wording that are kept.
LOOKED_AT = 1_000
LONGEST = 250

#: Characters from which on a quotation that never ends is one: the text was cut.
_CUT = 200

_QUOTES = [tuple(pair) for pair in ("''", '""', "``", "“”", "„“", "‘’", "«»", "»«")]
_HEX = "[0-9a-fA-F]"

# What differs, and the characters without which a text has none of it. None begins
# within a word, so that a long word is read once, not once from each of its characters.
_DIFFERS = [
    *(
        (
            opens,
            rf"(?<!\w){opens}(?:[^{closes}]*{closes}(?!\w)|[^{closes}]{{{_CUT},}}\Z)",
        )
        for opens, closes in _QUOTES
    ),
    ("://", r"(?<!\w)[a-z][a-z+]*://[^\s'\"<>]+"),
    ("@", r"(?<![\w.+-])[\w.+-]+@\w[\w.-]*"),
    ("/", r"(?<![\w/.])(?:~|\.\.?)?(?:/[\w.@+-]+){2,}/?"),
    ("\\", r"(?<![\w\\.])(?:[A-Za-z]:)?(?:\\[\w.@+-]+){2,}"),
    ("-", rf"(?<!\w){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?!\w)"),
    ("", r"\b[^\W\d]*\d\w*"),
]
_PATTERNS = [(needed, re.compile(pattern)) for needed, pattern in _DIFFERS]
_LIST = re.compile(rf"[-+]?{GAP}(?:[\s,;:/|.+*=%_-]*{GAP})*(?:,(?=[)\]}}]))?")
_SPACE = re.compile(r"\s+")


def fingerprint(function: str, exc_name: str | None, message: str | None) -> str:
    """Return what all failures of one kind have in common, as a short hash.

    :param function: name of the job function, as in `<res.partner>.write`
    :param exc_name: name of the exception
    :param message: its text
    :return: 16 hexadecimal digits
    """
    return _hash(function, exc_name or "", wording(message))


def wording(message: str | None) -> str:
    """Return a message without what differs from one job to the next.

    :param message: the text of an exception; None is an empty one
    :return: one line of at most `LONGEST` characters
    """
    return _wording((message or "")[:LOOKED_AT])


@lru_cache(maxsize=256)
def _hash(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "backslashreplace")
    return blake2s(text, digest_size=8).hexdigest()


@lru_cache(maxsize=256)
def _wording(text: str) -> str:
    for needed, pattern in _PATTERNS:
        if needed in text:
            text = pattern.sub(GAP, text)
    return _SPACE.sub(" ", _LIST.sub(GAP, text)).strip()[:LONGEST]
