# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The reaper: acts on what the liveness scans find in flight.

:mod:`.liveness` judges what is dead, an orphan, overdue or external; here that has its
consequences. It also suspects leases whose connection broke or whose request hangs. One
WARNING line for each job that is dead or overdue, one INFO line when claimed jobs are
returned.
"""

import logging
import uuid

from ...core.states import STARTED
from ..channels import ChannelManager
from ..dispatch.lease_registry import LeaseRegistry, slot_of
from ..schedule.channel_queue import JobFacts
from ..session import queries
from ..session.database import Database
from ..session.worker_limit import NO_LIMIT, WorkerLimit
from .dead_jobs import DeadJobs
from .liveness import (
    CANCEL_GRACE,
    SCAN_INTERVAL,
    SECOND_SCAN,
    Findings,
    LivenessMonitor,
    next_deadline,
)
from .sweeps import Sweeps
from .worker_processes import end_sibling

_logger = logging.getLogger(__name__)

#: Seconds between the end of a leadership epoch and the scan that knows what is left of
#: its leases: a claim that was under way is committed by then, and PostgreSQL has
#: noticed the death of a client.
EPOCH_GRACE = 0.2

#: What becomes of the slot of a stuck job; by whether its worker runs other jobs.
KEPT = {
    False: "its slot is kept until that ends or its server is restarted",
    True: "its slot is kept until the other jobs of the worker have ended",
}


class Reaper:
    """Recovers what got stuck in one database.

    :param database: the runner's session
    :param manager: the channels, which must know what runs outside of the open leases
    :param leases: the open leases
    :param limit: the time limit of the workers
    """

    def __init__(
        self,
        database: Database,
        manager: ChannelManager,
        leases: LeaseRegistry,
        limit: WorkerLimit = NO_LIMIT,
    ):
        self.database = database
        self.manager = manager
        self.leases = leases
        self.limit = limit
        #: How many jobs were enqueued or started at the last scan.
        self.in_flight = 0
        self._liveness = LivenessMonitor()
        self._dead_jobs = DeadJobs(database, leases)
        self._sweeps = Sweeps(database)
        self._external: set[int | str] = set()
        self._stuck: set[tuple[str, int]] = set()
        self._suspects: dict[int, float] = {}
        self._idle_leases: dict[int, float] = {}

    def scan(self, now: float) -> tuple[float, bool]:
        """Scan everything in flight, and act on it.

        :param now: monotonic time in seconds
        :return: seconds until the next scan, and whether slots or jobs came free
        """
        self._suspect_broken_leases(now)
        rows = self.database.rows(queries.IN_FLIGHT, {"limit": self.limit.job_seconds})
        self.in_flight = len(rows)
        findings = self._judge(rows, now)
        returned = self._return_orphans(findings.orphans)
        # one that its worker has just started, after all, is not returned
        kept = [row for row in findings.orphans if row["id"] not in returned]
        freed = self._count_external([*findings.external, *kept]) or bool(returned)
        self._suspect_idle_leases(rows, now)
        freed |= self.leases.release_starts(rows)
        freed |= self._recover(findings, rows)
        freed |= self._sweeps.run()
        return self._next_scan(rows), freed

    def _judge(self, rows, now) -> Findings:
        # the worker that settles a dead job holds its lock: it is not judged again
        judged = [
            row for row in rows if not self.leases.is_finalization(row["lease_id"])
        ]
        return self._liveness.scan(judged, now, self.leases.ids(), set(self._suspects))

    def _recover(self, findings: Findings, rows) -> bool:
        """End, return or run again what was found.

        :param rows: all that is in flight
        :return: whether jobs may start now
        """
        self._signal_overdue(findings.overdue)
        self._end_sessions(findings.to_end)
        freed = self._return_behind_long_job(findings.behind_long_job)
        if findings.dead:
            self._dead_jobs.recover(findings.dead, rows)
        self._end_stuck(findings.stuck)
        return freed or bool(findings.dead)

    def _next_scan(self, rows) -> float:
        wait = SECOND_SCAN if self._liveness.suspicious else SCAN_INTERVAL
        if self._liveness.hurried:
            wait = CANCEL_GRACE
        if self._suspects or self.leases.suspects:
            wait = EPOCH_GRACE
        deadline = next_deadline(rows)
        if deadline is not None:
            wait = min(wait, deadline + 0.05)
        return max(wait, 0.1)

    # -- leases ------------------------------------------------------------------------

    def _suspect_broken_leases(self, now) -> None:
        """Let leases whose connection broke claim no further jobs.

        They keep their slots until it is certain that nothing of them runs.
        """
        self._suspects = {
            each: since
            for each, since in self._suspects.items()
            if now - since < EPOCH_GRACE * 0.95
        }
        broken = self.leases.take_suspects()
        if broken:
            self.begin_epoch()
            self._suspects.update(dict.fromkeys(broken, now))

    def begin_epoch(self) -> None:
        """Begin a leadership epoch: the leases of the old one claim no further jobs."""
        old, self.leases.epoch = self.leases.epoch, uuid.uuid4().hex
        self.database.execute(queries.NEW_EPOCH, {"old": old, "new": self.leases.epoch})

    def _count_external(self, rows) -> bool:
        """Count the slots of leases that aren't open here, and of suspect ones.

        One slot each: a lease runs one job after the other, whatever it has claimed.

        :return: whether one of them is free now
        """
        external = [row for row in rows if row["lease_id"] not in self.leases]
        external.sort(key=lambda row: row["state"] == STARTED)
        present = {row["lease_id"] or row["uuid"]: row for row in external}
        for key, row in present.items():
            named = {**row, "uuid": slot_of(key)}
            self.manager.update(JobFacts.of_row(self.database.db_name, named, STARTED))
        holders = set(present) | set(self._suspects)
        gone = self._external - holders
        for key in gone:
            self.leases.give_back_slot(key)
        self._external = holders
        return bool(gone)

    def _suspect_idle_leases(self, rows, now) -> None:
        """Suspect leases with nothing in flight in two scans: their request hangs."""
        idle = self.leases.ids() - {row["lease_id"] for row in rows}
        since = {each: self._idle_leases.get(each, now) for each in idle}
        hanging = {each for each in idle if now - since[each] >= SCAN_INTERVAL}
        if hanging:  # or between two jobs at both scans, by chance
            living = self._living_leases()
            idle, hanging = idle - living, hanging - living
        for lease_id in hanging:
            _logger.warning(
                "%s: lease %s has nothing in flight, but its request goes on; its slot"
                " is given back",
                self.database.db_name,
                lease_id,
            )
            self.leases.suspect(lease_id)
        self._idle_leases = {each: since[each] for each in idle - hanging}

    def _living_leases(self) -> set[int]:
        return {row["lease_id"] for row in self.database.rows(queries.LIVE_LEASES)}

    # -- jobs --------------------------------------------------------------------------

    def _signal_overdue(self, rows) -> None:
        for row in rows:
            message = self._timeout_message(row)
            self.database.execute(
                queries.SIGNAL_TIMEOUT,
                {"id": row["id"], "token": row["claim_token"], "message": message},
            )
            _logger.warning(
                "%s: job %s: %s; its session is ended",
                self.database.db_name,
                row["uuid"],
                message,
            )

    def _end_sessions(self, rows) -> None:
        for row in rows:
            self.database.execute(
                queries.END_SESSION,
                {
                    "id": row["id"],
                    "token": row["claim_token"],
                    "pid": row["backend_pid"],
                    "force": row["force"],
                },
            )

    def _end_stuck(self, rows) -> None:
        """Kill the workers whose jobs keep them from ending, where that can be done.

        A worker ends itself, unless its code never lets another thread run.
        """
        stuck = {(row["uuid"], row["claim_token"]) for row in rows}
        for row in rows:
            if (row["uuid"], row["claim_token"]) in self._stuck:
                continue
            # a worker with threads ends itself when its other jobs have ended
            shared = self.leases.is_in_threads(row["lease_id"])
            killed = not shared and end_sibling(row["worker_host"], row["worker_pid"])
            _logger.warning(
                "%s: job %s has lost its session, but its code goes on in worker"
                " %s:%s; %s",
                self.database.db_name,
                row["uuid"],
                row["worker_host"],
                row["worker_pid"],
                "the worker is killed" if killed else KEPT[shared],
            )
        self._stuck = stuck

    def _timeout_message(self, row) -> str:
        if row["own_timeout"]:
            return (
                f"The job ran longer than its timeout of {row['own_timeout']} seconds"
            )
        return (
            f"The job ran for {row['timeout']:.0f} seconds, just short of"
            f" {self.limit.setting}, which would have killed its worker; raise"
            " limit_time_real, or split the job"
        )

    def _return_orphans(self, rows) -> set[int]:
        """Return claimed jobs that no lease holds; those which are returned, by id."""
        if not rows:
            return set()
        ids = {"ids": [row["id"] for row in rows], "leases": list(self.leases.ids())}
        returned = self.database.rows(queries.RETURN_ORPHANS, ids)
        if returned:
            _logger.info(
                "%s: %s claimed jobs returned unstarted",
                self.database.db_name,
                len(returned),
            )
        return {row["id"] for row in returned}

    def _return_behind_long_job(self, rows) -> bool:
        if not rows:
            return False
        ids, leases = zip(*((row["id"], row["lease_id"]) for row in rows), strict=True)
        count = self.database.execute(
            queries.RETURN_BEHIND_LONG_JOB, {"ids": [*ids], "leases": [*leases]}
        )
        if count:
            _logger.info(
                "%s: %s claimed jobs returned that a long one kept waiting",
                self.database.db_name,
                count,
            )
        return count > 0
