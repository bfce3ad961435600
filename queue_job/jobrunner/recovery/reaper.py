# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Looks after what is in flight: the dead, the orphans, the overdue, the foreign.

What they are is judged by :mod:`.rescue`; here it is acted upon. One WARNING line for
each job that is found dead or overdue, one INFO line when claimed jobs are returned.
"""

import logging
import uuid

from ...claim.claims import INT_MAX
from ...core import events
from ...core.retry import Cause, Retry, decide
from ...keys import admission
from ...monitoring.statistics import COUNT_DEAD
from ...storage import dependencies, odd_rows
from ..dispatch.dispatch_round import notify
from ..dispatch.lease_registry import LeaseBook, slot_of
from ..schedule.channel_manager import ChannelManager
from ..session import queries
from ..session.database import Database
from ..session.worker_limit import NO_LIMIT, WorkerLimit
from .liveness import LOOK_INTERVAL, REACTION, SECOND_LOOK, Watch, next_deadline
from .worker_processes import end_sibling

_logger = logging.getLogger(__name__)

#: Seconds between the end of a term and the look that knows what is left of its
#: leases: a claim that was under way is committed by then, and PostgreSQL has heard of
#: the death of a client.
LINGER = 0.2

#: Jobs that wait for their parents and are looked at by one step of the sweep.
SWEEP_PAGE = 500


class Caretaker:
    """Looks after one database.

    :param database: its session
    :param manager: its channels, which must know what runs outside our leases
    :param leases: the open leases
    :param limit: the time limit of the workers
    """

    def __init__(
        self,
        database: Database,
        manager: ChannelManager,
        leases: LeaseBook,
        limit: WorkerLimit = NO_LIMIT,
    ):
        self.database = database
        self.manager = manager
        self.leases = leases
        self.limit = limit
        self.in_flight = 0
        self._watch = Watch()
        self._foreign: set[int | str] = set()
        self._stuck: set[tuple[str, int]] = set()
        self._doubtful: dict[int, float] = {}
        self._idle_leases: dict[int, float] = {}
        self._sweep_after = 0
        self._odd_before = INT_MAX
        self._swept_key: admission.Key | None = None

    def look(self, now: float) -> tuple[float, bool]:
        """Look at everything in flight, and act.

        :param now: monotonic time in seconds
        :return: seconds until the next look, and whether slots or jobs came free
        """
        self._doubt(now)
        rows = self.database.rows(queries.LOOK, {"limit": self.limit.job_seconds})
        self.in_flight = len(rows)
        # whoever settles a dead job also holds its lock: not to be judged again
        judged = [row for row in rows if not self.leases.is_burial(row["lease_id"])]
        findings = self._watch.examine(
            judged, now, self.leases.ids(), set(self._doubtful)
        )
        freed = self._count_foreign(findings.foreign)
        self._doubt_idle_leases(rows, now)
        self._end_overdue(findings)
        freed |= self._return_orphans(findings.orphans)
        freed |= self._return_stranded(findings.stranded)
        for row in findings.dead:
            self._rescue(row)
        self._end_stuck(findings.stuck)
        self._sweep_releases()
        self._sweep_odd_rows()
        freed |= self._sweep_keys()
        return self._next_look(rows), freed or bool(findings.dead)

    def _doubt(self, now) -> None:
        """What do leases do whose connection broke? They take no further jobs, and
        keep their slots until that is certain."""
        self._doubtful = {
            each: since
            for each, since in self._doubtful.items()
            if now - since < LINGER * 0.95
        }
        broken = self.leases.take_broken()
        if broken:
            self.begin_term()
            self._doubtful.update(dict.fromkeys(broken, now))

    def begin_term(self) -> None:
        """From now on, leases that were granted until now take no further jobs."""
        old, self.leases.term = self.leases.term, uuid.uuid4().hex
        self.database.execute(queries.NEW_TERM, {"old": old, "new": self.leases.term})

    def _sweep_releases(self) -> None:
        """Release the children of parents whose worker died just after their end.

        A page at each look; the doorbell rings for what is released.
        """
        with self.database.cursor() as cursor:
            released, self._sweep_after = dependencies.repair_releases(
                cursor, self._sweep_after, SWEEP_PAGE
            )
        if released:
            _logger.info(
                "%s: %s jobs released whose parents had ended",
                self.database.db_name,
                len(released),
            )

    def _sweep_odd_rows(self) -> None:
        """Put right what cannot be worked with, in a page of the table."""
        page = {"before": self._odd_before}
        first = self.database.value(odd_rows.FIRST_OF_PAGE, page)
        self._odd_before = INT_MAX if first is None else first
        rows = []
        if first is not None:
            rows = self.database.rows(odd_rows.PUT_RIGHT, {**page, "first": first})
        for row in rows:
            _logger.warning(
                "%s: job %s %s: odd value in its row: %s",
                self.database.db_name,
                row["uuid"],
                "failed" if row["fails"] else "put right",
                row["found"],
            )
        failed = [row["id"] for row in rows if row["fails"]]
        if failed:
            with self.database.cursor() as cursor:
                events.tell_ids(cursor, events.FAILED, failed, self.database.db_name)

    def _sweep_keys(self) -> bool:
        """Let through what is held although there is a place in its key, a page."""
        with self.database.cursor() as cursor:
            opened, self._swept_key = admission.sweep(cursor, self._swept_key)
        if opened:
            _logger.info(
                "%s: %s jobs let through that were held by their key without a reason",
                self.database.db_name,
                len(opened),
            )
        return bool(opened)

    def _next_look(self, rows) -> float:
        wait = SECOND_LOOK if self._watch.suspicious else LOOK_INTERVAL
        if self._watch.hurried:
            wait = REACTION
        if self._doubtful or self.leases.broken:
            wait = LINGER
        deadline = next_deadline(rows)
        if deadline is not None:
            wait = min(wait, deadline + 0.05)
        return max(wait, 0.1)

    def _count_foreign(self, rows) -> bool:
        """Leases that aren't ours hold slots as well: one each, for a lease runs one
        job after the other, whatever it has claimed. So do doubtful ones."""
        foreign = [row for row in rows if row["lease_id"] not in self.leases]
        foreign.sort(key=lambda row: row["state"] == "started")
        present = {row["lease_id"] or row["uuid"]: row for row in foreign}
        for key, row in present.items():
            named = {**row, "uuid": slot_of(key)}
            notify(self.manager, self.database.db_name, named, "started")
        holders = set(present) | set(self._doubtful)
        gone = self._foreign - holders
        for key in gone:
            self.leases.give_back_slot(key)
        self._foreign = holders
        return bool(gone)

    def _doubt_idle_leases(self, rows, now) -> None:
        """Leases with nothing in flight in two looks: their request is stuck."""
        idle = self.leases.ids() - {row["lease_id"] for row in rows}
        since = {each: self._idle_leases.get(each, now) for each in idle}
        stuck = {each for each in idle if now - since[each] >= LOOK_INTERVAL}
        if stuck:  # or between two jobs at both looks, by chance
            living = self._living_leases()
            idle, stuck = idle - living, stuck - living
        for lease_id in stuck:
            _logger.warning(
                "%s: lease %s has nothing in flight, but its request goes on; its slot"
                " is given back",
                self.database.db_name,
                lease_id,
            )
            self.leases.doubt(lease_id)
        self._idle_leases = {each: since[each] for each in idle - stuck}

    def _living_leases(self) -> set[int]:
        return {row["lease_id"] for row in self.database.rows(queries.LIVE_LEASES)}

    def _end_overdue(self, findings) -> None:
        for row in findings.overdue:
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
        for row in findings.to_end:
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
            killed = end_sibling(row["worker_host"], row["worker_pid"])
            _logger.warning(
                "%s: job %s has lost its session, but its code goes on in worker"
                " %s:%s; %s",
                self.database.db_name,
                row["uuid"],
                row["worker_host"],
                row["worker_pid"],
                "the worker is killed"
                if killed
                else "its slot is kept until that ends or its server is restarted",
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

    def _return_orphans(self, rows) -> bool:
        if not rows:
            return False
        count = self.database.execute(
            queries.RETURN_ORPHANS,
            {"ids": [row["id"] for row in rows], "leases": list(self.leases.ids())},
        )
        if count:
            _logger.info(
                "%s: %s claimed jobs returned unstarted", self.database.db_name, count
            )
        return True

    def _return_stranded(self, rows) -> bool:
        if not rows:
            return False
        ids, leases = zip(*((row["id"], row["lease_id"]) for row in rows), strict=True)
        count = self.database.execute(
            queries.RETURN_STRANDED, {"ids": [*ids], "leases": [*leases]}
        )
        if count:
            _logger.info(
                "%s: %s claimed jobs returned that a long one kept waiting",
                self.database.db_name,
                count,
            )
        return count > 0

    # -- the dead --------------------------------------------------------------------

    def _rescue(self, row) -> None:
        """A dead attempt counts like any other; one function judges them all."""
        cause = Cause(row["signal"] or "dead")
        decision = decide(cause, row["retry"] + 1, row["max_retries"])
        if isinstance(decision, Retry):
            rescued = self._retry(row)
        else:
            rescued = self._bury(row, cause)
        if rescued and cause is Cause.DEAD:
            self.database.execute(COUNT_DEAD, {"id": row["id"]})

    def _retry(self, row) -> bool:
        worker = f"{row['worker_host'] or '?'}:{row['worker_pid'] or '?'}"
        message = f"The worker {worker} died while it ran the job"
        number = self.database.value(
            queries.RETRY_DEAD,
            {
                "id": row["id"],
                "token": row["claim_token"],
                "date_started": row["date_started"],
                "host": row["worker_host"],
                "pid": row["worker_pid"],
                "message": message,
            },
        )
        if number is not None:
            _logger.warning(
                "%s: re-queued dead job with uuid: %s (attempt %s, worker %s)",
                self.database.db_name,
                row["uuid"],
                number,
                worker,
            )
            with self.database.cursor() as cursor:
                for name in (events.DEAD, events.RETRIED):
                    events.tell_ids(
                        cursor, name, [row["id"]], self.database.db_name, message
                    )
        return number is not None

    def _bury(self, row, cause) -> bool:
        """Have a worker settle the failure, with its hooks and messages."""
        lease_id = self.leases.new_id()
        token = self.database.value(
            queries.CLAIM_FOR_BURIAL,
            {"id": row["id"], "token": row["claim_token"], "lease": lease_id},
        )
        if token is not None:
            _logger.warning(
                "%s: job %s ends without its worker: %s",
                self.database.db_name,
                row["uuid"],
                cause.value,
            )
            self.leases.grant_burial(row, lease_id, token, cause.value)
        return token is not None
