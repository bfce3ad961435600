# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads Odoo's log: records, what is alarming in them, and test results.

A record at WARNING or above is stray unless ``tests/tolerated_log.txt`` (for what
this environment always says) or the test that caused it expects it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import cache

RECORD = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<pid>\d+) (?P<level>[A-Z]+) "
    r"(?P<db>\S+) (?P<logger>[^\s:]+): (?P<message>.*)$"
)
ALARMING = ("WARNING", "ERROR", "CRITICAL")
TOLERATED = cache.REPOSITORY / "tests" / "tolerated_log.txt"
RESULT = re.compile(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests")
SKIPPED = re.compile(r"^skipped ", re.IGNORECASE)


@dataclass
class LogRecord:
    """One log record with the lines that follow it, such as a traceback."""

    level: str
    logger: str
    message: str

    @property
    def alarming(self) -> bool:
        return self.level in ALARMING

    def __str__(self) -> str:
        first = self.message.splitlines()
        ending = f" ... {first[-1]}" if len(first) > 1 else ""
        return f"{self.level} {self.logger}: {first[0]}{ending}"


@dataclass(frozen=True)
class Result:
    """What Odoo's test runner counted."""

    passed: int
    failed: int
    skipped: int


def parse(text: str) -> list[LogRecord]:
    records: list[LogRecord] = []
    for line in text.splitlines():
        match = RECORD.match(line)
        if match:
            records.append(LogRecord(match["level"], match["logger"], match["message"]))
        elif records:
            records[-1].message += f"\n{line}"
    return records


def stray(records: Iterable[LogRecord], expected: Iterable[str]) -> list[LogRecord]:
    """The alarming records that nobody expects."""
    patterns = [re.compile(pattern) for pattern in (*expected, *tolerated())]
    return [
        record
        for record in records
        if record.alarming
        and not any(pattern.search(_searchable(record)) for pattern in patterns)
    ]


def _searchable(record: LogRecord) -> str:
    return f"{record.level} {record.logger}: {record.message}"


def tolerated() -> list[str]:
    """The patterns of the list; a line that begins with # is a reason."""
    lines = TOLERATED.read_text().splitlines() if TOLERATED.exists() else []
    return [line for line in lines if line.strip() and not line.startswith("#")]


def result(text: str) -> Result | None:
    """The counts of Odoo's test runner; None if it did not come to its end."""
    found = RESULT.findall(text)
    if not found:
        return None
    failed = sum(int(failures) + int(errors) for failures, errors, _ in found)
    total = sum(int(count) for _, _, count in found)
    skipped = len([r for r in parse(text) if SKIPPED.match(r.message)])
    return Result(max(0, total - failed - skipped), failed, skipped)
