# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads the report that pytest writes in JUnit's format."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """What a run of pytest found.

    ``failures`` maps the name of each test that failed, as ``module::test``, to the
    first line of what it said.
    """

    passed: int
    skipped: int
    failures: dict[str, str]


def read(path: Path) -> Report:
    """The report at ``path``.

    Raises ``OSError`` or ``ElementTree.ParseError`` where there is none.
    """
    cases = list(ElementTree.parse(path).iter("testcase"))
    failures = {_name(case): _reason(case) for case in cases if _bad(case) is not None}
    skipped = {_name(case) for case in cases if case.find("skipped") is not None}
    names = {_name(case) for case in cases}
    return Report(len(names - set(failures) - skipped), len(skipped), failures)


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _bad(case: ElementTree.Element) -> ElementTree.Element | None:
    failure = case.find("failure")
    return case.find("error") if failure is None else failure


def _reason(case: ElementTree.Element) -> str:
    lines = _bad(case).get("message", "").strip().splitlines()
    return lines[0] if lines else "no message"
