# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A problem of a declaration."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """Something declared that is not there, or can't work."""

    #: What it is about: `method`, `channel`, `retry_on` and so on.
    kind: str
    #: Who declares it, say the name of a job function.
    subject: str
    #: What is wrong, what is known, and what to give instead.
    text: str
    #: Another addon, which is loaded later, may still define it.
    is_early: bool = False

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"
