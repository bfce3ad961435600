# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which statements may leave something behind in their session, by their text.

A setting, a temporary table, a lock, a prepared statement and the like outlive the
transaction. A false alarm costs a job another session, so whatever isn't known to be
harmless counts. What a function of the database does behind a harmless name isn't
seen; it is discarded at the end of the lease.

This module imports nothing of Odoo, so that it can be tested without.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Statements that change nothing but data begin with one of these words.
_HARMLESS = re.compile(
    r"[\s(]*(select|insert|update|delete|with|savepoint|release|rollback|commit|begin|"
    r"lock|notify|table|values|merge|copy|fetch|close|explain|analyze)\b",
    re.IGNORECASE,
)
# What the worker prepares, for the jobs to come.
_OURS = re.compile(r"(PREPARE|EXECUTE) queue_job_\d")
# What leaves something behind all the same: some functions, and SELECT INTO.
_SUSPECT_WORDS = ("set_config", "advisory", "setseed", "set_limit", "dblink")
_INTO_TEMPORARY = re.compile(r"\binto\s+(local\s+|global\s+)?temp", re.IGNORECASE)

#: How the UPDATE of the ORM's flush begins and ends, and what stands between; a
#: statement of another shape is executed at once.
_FLUSH = (' UPDATE "', 'AS "__tmp"("id", ', '"id" = "__tmp"."id"')

#: Characters of a statement beyond which the result isn't kept: its values are in it.
LONG = 4096


def leaves_something(query: str) -> bool:
    """Whether a statement may leave something behind in its session.

    :param query: its text, with or without its values

    >>> leaves_something("SELECT id FROM res_partner WHERE id = %s")
    False
    >>> leaves_something("SET search_path TO nowhere")
    True
    >>> leaves_something("SELECT set_config('a.b', 'c', false)")
    True
    """
    return _judge(query) if len(query) > LONG else _remembered(query)


def _judge(query: str) -> bool:
    if _OURS.match(query):
        return False
    if not _HARMLESS.match(query) or ";" in query:
        return True
    text = query.lower()
    if any(word in text for word in _SUSPECT_WORDS):
        return True
    return "temp" in text and _INTO_TEMPORARY.search(text) is not None


_remembered = lru_cache(maxsize=512)(_judge)


def is_flush(text: str) -> bool:
    """Whether a statement is the UPDATE by which the ORM flushes a model.

    :param text: the statement, with placeholders
    """
    beginning, middle, end = _FLUSH
    return text.startswith(beginning) and middle in text and text.rstrip().endswith(end)
