# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who is dead? Judgements over what is in flight; nothing is written here.

The runner looks at all jobs that are enqueued or started (``queries.LOOK``) when a
lease's connection breaks and every two seconds, and hands the rows to a
:class:`Watch`. A job that runs holds an advisory lock in its own transaction, so

- a *started* job whose lock nobody holds, in two looks a second apart, is **dead**,
  unless its request is open. One look isn't enough: its worker may be about to settle
  it on another session;
- a started job that was told to stop and has lost its session is dead at once, if the
  connection of its lease broke. If its request isn't ours (a classic one, or one of
  another runner), its worker has the same time as with an open one to end its code;
- while the request of its lease is open, the worker of a job without a session lives:
  it interrupts the job's code and settles the job itself (:mod:`..interrupts`). If it
  hasn't after `STUCK`, the job is **stuck**: its code keeps the worker from doing so;
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

#: Seconds after which a worker should have ended the code of a job without a session,
#: or itself; a little more than it gives them.
STUCK = 8.0

#: Seconds that a session has to react to a cancelled query before it is terminated.
PATIENCE = 1.0


#: Seconds that a worker has to write down the end of a job that was told to stop, with
#: all that the job's function and other addons hang on it.
SETTLING = 10.0


@dataclass
class Findings:
    """What a look has found; lists of rows of ``queries.LOOK``."""

    dead: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)
    stranded: list[Row] = field(default_factory=list)
    foreign: list[Row] = field(default_factory=list)
    stuck: list[Row] = field(default_factory=list)
    overdue: list[Row] = field(default_factory=list)
    to_end: list[Row] = field(default_factory=list)


class Watch:
    """Remembers what was suspicious at the last look."""

    def __init__(self) -> None:
        self._suspects: dict[Key, float] = {}
        self._told: dict[Key, float] = {}
        self._ending: dict[Key, float] = {}
        self._broken: set[int] = set()
        #: Somebody was given a moment: look again when it is over.
        self.hurried = False

    @property
    def suspicious(self) -> bool:
        """Something needs a second look soon."""
        return bool(self._suspects or self._told or self._ending)

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
        ending: dict[Key, float] = {}
        self._broken |= broken_leases
        self._broken &= {row["lease_id"] for row in rows}
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
            elif row["backend_pid"] is None and row["lease_id"] in own_leases:
                ending[key] = self._ending.get(key, now)
                findings.foreign.append(row)
                if now - ending[key] >= STUCK:
                    findings.stuck.append(row)
            elif row["backend_pid"] is None:
                if row["signal"] and row["lease_id"] not in self._broken:
                    ending[key] = self._ending.get(key, now)
                    if now - ending[key] < STUCK:
                        findings.foreign.append(row)
                        continue
                if row["signal"] or self._again(key, now):
                    findings.dead.append(row)
                else:
                    suspects[key] = self._suspects.get(key, now)
                    findings.foreign.append(row)
            else:
                self._examine_running(row, key, now, told, findings)
        self._suspects = suspects
        self._told, self._ending = told, ending
        return findings

    def _again(self, key: Key, now: float) -> bool:
        first = self._suspects.get(key)
        return first is not None and now - first >= SECOND_LOOK * 0.95

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
            if row["settling"] and now - told[key] < SETTLING:
                return
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
