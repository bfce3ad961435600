# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What became of the jobs of a cell: from the table, the history, the effects, the
journal and the log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from setup.odoo_log import LogRecord
from tests.harness.database import Database
from tests.harness.journal import Attempt

UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

ROWS = """
SELECT j.uuid, j.state, j.retry, coalesce(j.exc_name, '') AS exc_name,
       left(coalesce(j.exc_message, ''), 5000) AS exc_message,
       left(coalesce(j.result, ''), 5000) AS result,
       right(coalesce(j.exc_info, ''), 5000) AS exc_info,
       length(coalesce(j.exc_info, '')) + length(coalesce(j.exc_message, ''))
           AS length,
       ARRAY(SELECT a.outcome::text FROM queue_job_attempt a
              WHERE a.job_id = j.id ORDER BY a.id) AS outcomes
  FROM queue_job j WHERE j.uuid = ANY(%s)
"""
EFFECTS = """
SELECT job_uuid, name, details FROM test_queue_job_hostile WHERE job_uuid = ANY(%s)
"""
COLUMNS = (
    *("uuid", "state", "retry", "exc_name", "exc_message", "result", "exc_info"),
    *("length", "outcomes"),
)


@dataclass
class JobFacts:
    """One job; ``row`` is None when it is gone."""

    uuid: str
    role: str
    row: dict[str, Any] | None = None
    effects: Counter = field(default_factory=Counter)
    details: dict[str, Any] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    log: list[LogRecord] = field(default_factory=list)
    #: Processes that it started and that still run.
    processes: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.row["state"] if self.row else "gone"

    def __str__(self) -> str:
        row = self.row or {}
        name, message = row.get("exc_name", ""), row.get("exc_message", "")
        result = f", result {row['result'][:60]!r}" if row.get("result") else ""
        error = f", {name}: {message[:100]!r}" if name or message else ""
        effects = ", ".join(f"{k}×{v}" for k, v in sorted(self.effects.items()))
        return (
            f"{self.role} {self.uuid}: {self.state}, {len(self.attempts)} starts,"
            f" history {row.get('outcomes')}, effects [{effects}]{error}{result}"
        )


def collect(
    database: Database,
    roles: Mapping[str, str],
    attempts: Iterable[Attempt],
    log: Iterable[LogRecord],
) -> tuple[dict[str, JobFacts], list[LogRecord]]:
    """The facts of each job, and the alarming records that name none of them.

    :param roles: uuid -> role of the job
    """
    facts = {uuid: JobFacts(uuid, role) for uuid, role in roles.items()}
    uuids = list(roles)
    for values in database.rows(ROWS, uuids):
        row = dict(zip(COLUMNS, values, strict=True))
        facts[row["uuid"]].row = row
    for uuid, name, details in database.rows(EFFECTS, uuids):
        facts[uuid].effects[name] += 1
        facts[uuid].details = details or facts[uuid].details
    for attempt in attempts:
        if attempt.uuid in facts:
            facts[attempt.uuid].attempts.append(attempt)
    return facts, _share_log(facts, log)


def _share_log(facts, log) -> list[LogRecord]:
    nobodys = []
    for record in log:
        if not record.alarming:
            continue
        # the first line is ours; a traceback may hold anything
        first = f"{record.message[:20_000].splitlines()[0]}"
        named = [uuid for uuid in UUID.findall(first) if uuid in facts]
        for uuid in dict.fromkeys(named):
            facts[uuid].log.append(record)
        if not named:
            nobodys.append(record)
    return nobodys
