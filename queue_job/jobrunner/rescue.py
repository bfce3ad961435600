# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who is dead? Judgements over what is in flight; nothing is written here.

The runner looks at all jobs that are enqueued or started (``queries.LOOK``) when a
lease's connection breaks and every two seconds, and hands the rows to a
:class:`Watch`. A job that runs holds an advisory lock in its own transaction, so

- a *started* job whose lock nobody holds, in two looks a second apart, is **dead**.
  One look isn't enough: the lock is taken just after the start is committed, and
  again just after a commit inside the job;
- a started job that was told to stop and has lost its session is dead at once, or
  after a moment if its request is open: its worker may be about to settle it;
- an *enqueued* job that belongs to no lease of ours is an **orphan** of a runner
  that died: at once when its lease is known to be broken, else a second after its
  claim. Should its worker come late all the same, it finds its claim void;
- an *enqueued* job of a lease of ours which runs another one for a second already is
  **stranded**: a worker claims short jobs by the handful, and one was not short;
- a job in flight of a lease that isn't ours is **foreign** until it is known to be
  dead or an orphan: it runs, or may begin to, and its slot must be counted;
- a started job that has used up its time is **overdue**.
"""

from dataclasses import dataclass, field
from typing import Any

#: A row of ``queries.LOOK``, and what it is recognised by at the next look.
Row = dict[str, Any]
Key = tuple[int, int, str]

#: Seconds between two looks before a job is declared dead.
SECOND_LOOK = 1.0

#: Seconds between looks when all is well.
LOOK_INTERVAL = 2.0

#: Seconds that a worker has to hear that its job is cancelled, and to settle that.
REACTION = 0.4

#: Seconds that a session has to react to a cancelled query before it is terminated.
PATIENCE = 1.0


@dataclass
class Findings:
    """What a look has found; lists of rows of ``queries.LOOK``."""

    dead: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)
    stranded: list[Row] = field(default_factory=list)
    foreign: list[Row] = field(default_factory=list)
    overdue: list[Row] = field(default_factory=list)
    to_end: list[Row] = field(default_factory=list)


class Watch:
    """Remembers what was suspicious at the last look."""

    def __init__(self) -> None:
        self._suspects: dict[Key, float] = {}
        self._told: dict[Key, float] = {}
        #: Somebody was given a moment: look again when it is over.
        self.hurried = False

    @property
    def suspicious(self) -> bool:
        """Something needs a second look soon."""
        return bool(self._suspects or self._told)

    def examine(
        self,
        rows: list[Row],
        now: float,
        own_leases: set[int],
        broken_leases: set[int],
    ) -> Findings:
        """Judge all that is in flight.

        :param rows: all rows of ``queries.LOOK``
        :param now: monotonic time in seconds
        :param own_leases: ids of the leases whose requests are open
        :param broken_leases: ids of leases whose connection broke since the last look
        """
        findings = Findings()
        self.hurried = False
        suspects: dict[Key, float] = {}
        told: dict[Key, float] = {}
        busy = _leases_of_long_jobs(rows)
        for row in rows:
            key = (row["id"], row["claim_token"], row["state"])
            if row["state"] == "enqueued":
                old = row["enqueued_seconds"] >= SECOND_LOOK
                if row["lease_id"] in own_leases:
                    if old and row["lease_id"] in busy:
                        findings.stranded.append(row)
                    continue
                stale = old or self._again(key, now)
                if stale or row["lease_id"] in broken_leases:
                    findings.orphans.append(row)
                else:
                    suspects[key] = self._suspects.get(key, now)
                    findings.foreign.append(row)
            elif row["backend_pid"] is None:
                if self._is_dead(row, key, now, own_leases):
                    findings.dead.append(row)
                else:
                    suspects[key] = self._suspects.get(key, now)
                    findings.foreign.append(row)
                    self.hurried |= bool(row["signal"])
            else:
                self._examine_running(row, key, now, told, findings)
        self._suspects = suspects
        self._told = told
        return findings

    def _is_dead(self, row: Row, key: Key, now: float, own_leases: set[int]) -> bool:
        if not row["signal"]:
            return self._again(key, now)
        return row["lease_id"] not in own_leases or self._again(key, now, REACTION)

    def _again(self, key: Key, now: float, seconds: float = SECOND_LOOK) -> bool:
        first = self._suspects.get(key)
        return first is not None and now - first >= seconds * 0.95

    def _examine_running(
        self,
        row: Row,
        key: Key,
        now: float,
        told: dict[Key, float],
        findings: Findings,
    ) -> None:
        findings.foreign.append(row)
        overdue = row["timeout"] and row["running_seconds"] >= row["timeout"]
        if overdue and not row["signal"]:
            findings.overdue.append(row)
        if row["signal"] or overdue:
            told[key] = self._told.get(key, now)
            if row["signal"] == "cancel" and now - told[key] < REACTION * 0.95:
                self.hurried = True
                return
            row["force"] = now - told[key] >= PATIENCE
            findings.to_end.append(row)


def _leases_of_long_jobs(rows: list[Row]) -> set[int]:
    return {
        row["lease_id"]
        for row in rows
        if row["state"] == "started" and row["running_seconds"] >= SECOND_LOOK
    }


def next_deadline(rows: list[Row]) -> float | None:
    """Seconds until the first running job has used up its time, None without one."""
    left = [
        row["timeout"] - row["running_seconds"]
        for row in rows
        if row["state"] == "started" and row["timeout"]
    ]
    return max(0.0, min(left)) if left else None
