# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Liveness scans: which of the jobs in flight are dead. Nothing is written here.

The runner reads all jobs that are enqueued or started (``queries.IN_FLIGHT``) every two
seconds, and when the connection of a lease breaks, and hands the rows to a
:class:`LivenessMonitor`. A job that runs holds an advisory lock in its own session, so

- a *started* job whose lock no session holds, in two scans a second apart, is **dead**,
  unless the request of its lease is open. One scan isn't enough: its worker may be
  about to settle it on another session;
- a started job that was told to stop and has lost its session is dead at once, if the
  connection of its lease broke. If its request isn't ours (a classic one, or one of
  another runner), its worker has the same time as with an open one to end its code;
- while the request of its lease is open, the worker of a job without a session lives:
  it interrupts the job's code (:mod:`...sessions.interrupts`) and settles the job
  itself. If it hasn't after `STUCK_AFTER`, the job is **stuck**: its code keeps the
  worker from doing so;
- an *enqueued* job that belongs to no open lease is an **orphan** of a runner that
  died: at once when its lease is suspect, else a second after its claim. If its worker
  comes late all the same, it finds its claim void;
- an *enqueued* job of an open lease that has been running another job for a second is
  **behind a long job**: a worker claims short jobs in batches, and one was not short;
- a job in flight of a lease that isn't open here holds an **external slot** until it is
  known to be dead or an orphan: it runs, or may begin to, and its slot must be counted;
- a started job that has used up its time is **overdue**.
"""

from dataclasses import dataclass, field
from typing import Any

#: A row of ``queries.IN_FLIGHT``, and what it is recognized by in the next scan.
Row = dict[str, Any]
Key = tuple[int, int, str]

#: Seconds between two scans before a job is declared dead.
SECOND_SCAN = 1.0

#: Seconds between two scans when all is well.
SCAN_INTERVAL = 2.0

#: Seconds for a worker to notice that its job is cancelled, and to settle that.
CANCEL_GRACE = 0.4

#: Seconds after which a worker should have ended the code of a job without a session,
#: or itself; a little more than the worker allows.
STUCK_AFTER = 8.0

#: Seconds for a session to react to a cancelled query before it is terminated.
TERMINATE_AFTER = 1.0

#: Seconds for a worker to write the end of a job that was told to stop, with all that
#: the job's function and other addons do then.
SETTLE_GRACE = 10.0


@dataclass
class Findings:
    """What a scan has found; lists of rows of ``queries.IN_FLIGHT``."""

    dead: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)
    behind_long_job: list[Row] = field(default_factory=list)
    external: list[Row] = field(default_factory=list)
    stuck: list[Row] = field(default_factory=list)
    overdue: list[Row] = field(default_factory=list)
    to_end: list[Row] = field(default_factory=list)


class FirstSeen:
    """Since when something has been found in each scan.

    What one scan does not note is forgotten.
    """

    def __init__(self) -> None:
        self._before: dict[Key, float] = {}
        self._noted: dict[Key, float] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def age(self, key: Key, now: float) -> float:
        """For how many seconds it has been found; 0 if the last scan did not note it.

        :param now: monotonic time in seconds
        """
        return now - self._before.get(key, now)

    def note(self, key: Key, now: float) -> float:
        """Remember it until the next scan.

        :param now: monotonic time in seconds
        :return: its :meth:`age`
        """
        self._noted[key] = self._before.get(key, now)
        return now - self._noted[key]

    def end_scan(self) -> None:
        """Forget what was not noted since the last call."""
        self._before, self._noted = self._noted, {}


class LivenessMonitor:
    """Judges what is in flight, and remembers from scan to scan what was suspicious."""

    def __init__(self) -> None:
        self.suspects = FirstSeen()
        self.told = FirstSeen()
        self.ending = FirstSeen()
        #: Leases with jobs in flight that became suspect at some time.
        self.suspect_leases: set[int] = set()
        #: A worker was given a moment: scan again when it is over.
        self.hurried = False

    @property
    def suspicious(self) -> bool:
        """Whether something needs a second scan soon."""
        return bool(self.suspects or self.told or self.ending)

    def scan(
        self,
        rows: list[Row],
        now: float,
        open_leases: set[int],
        suspect_leases: set[int],
    ) -> Findings:
        """Judge all that is in flight.

        :param rows: all rows of ``queries.IN_FLIGHT``
        :param now: monotonic time in seconds
        :param open_leases: ids of the leases whose requests are open
        :param suspect_leases: ids of leases that became suspect since the last scan
        """
        self.suspect_leases |= suspect_leases
        self.suspect_leases &= {row["lease_id"] for row in rows}
        scan = _Scan(self, rows, now, open_leases, suspect_leases)
        self.hurried = False
        for row in rows:
            scan.judge(row)
        for memory in (self.suspects, self.told, self.ending):
            memory.end_scan()
        return scan.findings


class _Scan:
    """One scan; see :meth:`LivenessMonitor.scan`."""

    def __init__(
        self,
        monitor: LivenessMonitor,
        rows: list[Row],
        now: float,
        open_leases: set[int],
        suspect_leases: set[int],
    ) -> None:
        self.monitor = monitor
        self.now = now
        self.open_leases = open_leases
        self.suspect_leases = suspect_leases
        self.busy_leases = _leases_of_long_jobs(rows)
        self.findings = Findings()

    def judge(self, row: Row) -> None:
        key = (row["id"], row["claim_token"], row["state"])
        is_open = row["lease_id"] in self.open_leases
        if row["state"] == "enqueued" and is_open:
            self._judge_waiting(row)
        elif row["state"] == "enqueued":
            self._judge_claimed(row, key)
        elif row["backend_pid"] is not None:
            self._judge_running(row, key)
        elif is_open:
            self._judge_ending(row, key)
        else:
            self._judge_lost(row, key)

    def _judge_waiting(self, row: Row) -> None:
        """An enqueued job of an open lease."""
        if _is_old(row) and row["lease_id"] in self.busy_leases:
            self.findings.behind_long_job.append(row)

    def _judge_claimed(self, row: Row, key: Key) -> None:
        """An enqueued job of another lease."""
        stale = _is_old(row) or self._was_suspect(key)
        if stale or row["lease_id"] in self.suspect_leases:
            self.findings.orphans.append(row)
        else:
            self._suspect(row, key)

    def _judge_lost(self, row: Row, key: Key) -> None:
        """A started job without a session, whose request isn't open."""
        if row["signal"] and row["lease_id"] not in self.monitor.suspect_leases:
            told_seconds = self.monitor.ending.note(key, self.now)
            found = self.findings.external
            if told_seconds >= STUCK_AFTER:
                found = self.findings.dead
            found.append(row)
        elif row["signal"] or self._was_suspect(key):
            self.findings.dead.append(row)
        else:
            self._suspect(row, key)

    def _judge_ending(self, row: Row, key: Key) -> None:
        """A started job without a session, whose worker has to end its code."""
        self.findings.external.append(row)
        if self.monitor.ending.note(key, self.now) >= STUCK_AFTER:
            self.findings.stuck.append(row)

    def _judge_running(self, row: Row, key: Key) -> None:
        """A started job that has a session."""
        self.findings.external.append(row)
        overdue = row["timeout"] and row["running_seconds"] >= row["timeout"]
        if overdue and not row["signal"]:
            self.findings.overdue.append(row)
        if row["signal"] or overdue:
            self._end(row, self.monitor.told.note(key, self.now))

    def _end(self, row: Row, told_seconds: float) -> None:
        """End the session of a job that was told to stop, unless its worker does."""
        if row["settling"] and told_seconds < SETTLE_GRACE:
            return
        if row["signal"] == "cancel" and told_seconds < CANCEL_GRACE * 0.95:
            self.monitor.hurried = True
            return
        row["force"] = told_seconds >= TERMINATE_AFTER
        self.findings.to_end.append(row)

    def _suspect(self, row: Row, key: Key) -> None:
        self.monitor.suspects.note(key, self.now)
        self.findings.external.append(row)

    def _was_suspect(self, key: Key) -> bool:
        return self.monitor.suspects.age(key, self.now) >= SECOND_SCAN * 0.95


def _is_old(row: Row) -> bool:
    return bool(row["enqueued_seconds"] >= SECOND_SCAN)


def _leases_of_long_jobs(rows: list[Row]) -> set[int]:
    return {
        row["lease_id"]
        for row in rows
        if row["state"] == "started" and row["running_seconds"] >= SECOND_SCAN
    }


def next_deadline(rows: list[Row]) -> float | None:
    """Seconds until the first running job has used up its time, None without one.

    :param rows: all rows of ``queries.IN_FLIGHT``
    """
    left = [
        row["timeout"] - row["running_seconds"]
        for row in rows
        if row["state"] == "started" and row["timeout"]
    ]
    return max(0.0, min(left)) if left else None
