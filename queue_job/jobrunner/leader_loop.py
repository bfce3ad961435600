# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's loop for one database: connect, lead, back off.

Each database has a thread, sessions and pauses of its own, so that a broken database
stops no other. What happens while it is led is the work of a :class:`~.Leadership`,
one for each connection. What is logged, each line with the database's name:

- INFO once: ``queue job runner ready for db <name>``
- WARNING: the database is lost, with the seconds until the next try; the connection of
  a lease broke; no worker takes the leases (:mod:`.dispatch.refusals`); the trigger is
  missing or LISTEN doesn't deliver; the database is a copy or has no secret; and what
  the reaper finds
- ERROR: an error ended the loop, with the traceback; it is started again
  (:mod:`.keep_running`)
"""

import logging
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import psycopg2

from ..monitoring.statistics import Statistics
from .inbox import Inbox
from .keep_running import keep_running
from .leadership import Leadership
from .schedule.slot_grace import SlotGrace
from .session.database import Database
from .session.leader_lock import LeaderLock, MasterElectionLost
from .session.reconnect import ReconnectBackoff

if TYPE_CHECKING:
    from .runner import QueueJobRunner

_logger = logging.getLogger(__name__)

#: Seconds until the next try to lead a database that another runner leads.
ELECTION_INTERVAL = 1.0

#: Seconds until the next try where the addon isn't installed.
INSTALL_INTERVAL = 10.0


class DatabaseLoop(threading.Thread):
    """Leads one database for as long as it can.

    :param db_name: name of the database
    :param runner: its configuration, its dispatcher and its shared slots
    """

    def __init__(self, db_name: str, runner: "QueueJobRunner"):
        super().__init__(name=f"queue_job {db_name}", daemon=True)
        self.db_name = db_name
        self.runner = runner
        self.statistics = Statistics()
        self._inbox = Inbox()
        self._backoff = ReconnectBackoff(db_name)
        self._slot_grace = SlotGrace()
        self._leadership: Leadership | None = None
        self._is_outdated = False
        self._standby: LeaderLock | None = None

    # -- called from other threads ---------------------------------------------------

    @property
    def leads(self) -> bool:
        """Whether it leads its database, or is about to."""
        return self._leadership is not None

    def wake(self) -> None:
        """Run a dispatch round now."""
        self._inbox.wake()

    def stop(self) -> None:
        """Run no more dispatch rounds; the thread ends promptly."""
        self._inbox.stop()

    def break_if_stuck(self) -> None:
        """Break a connection that does not answer."""
        leadership, standby = self._leadership, self._standby
        if leadership is not None:
            leadership.database.break_if_stuck()
        if standby is not None:
            standby.break_if_stuck()

    def scan_now(self) -> None:
        """Scan what is in flight now."""
        leadership = self._leadership
        if leadership is not None:
            leadership.scan_now()
        self.wake()

    # -- the life of the thread ------------------------------------------------------

    def run(self) -> None:
        """Lead the database, again after each error, until :meth:`stop`."""
        name = f"{self.db_name}: the loop of the job runner"
        keep_running(name, self._lead_again, self._inbox.stopping)
        self._end_standby()
        self.runner.shared_slots.give_up(self.db_name)
        self._inbox.close()

    def _lead_again(self) -> None:
        if self._leadership is not None:  # its slots could not be kept
            self._leadership, self._slot_grace = None, SlotGrace()
            self.runner.shared_slots.give_up(self.db_name)
        while not self._inbox.is_stopped:
            try:
                wait = self._connect()
            except MasterElectionLost:
                _logger.debug("%s: another runner leads", self.db_name)
                wait = self._stand_by()
            except Exception as error:
                stopped = self._inbox.is_stopped  # then there is no next try
                wait = 0.0 if stopped else self._backoff.after(error)
            self._end_leadership()
            self._inbox.sleep(wait)

    def _stand_by(self) -> float:
        """Keep one session, in which the lock is tried at intervals.

        :return: seconds until the next try
        """
        try:
            if self._standby is None:
                self._standby = LeaderLock(self.db_name)
        except Exception as error:
            return self._backoff.after(error)
        return ELECTION_INTERVAL

    def _end_standby(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.close()

    def _lock(self) -> LeaderLock | None:
        """The lock that was got while standing by, None without a standby session.

        :raise MasterElectionLost: another runner still leads
        """
        if self._standby is None:
            return None
        try:
            self._standby.acquire()
        except psycopg2.Error:
            self._end_standby()
            raise
        lock, self._standby = self._standby, None
        return lock

    def _connect(self) -> float:
        """Connect to the database, and lead it until told to stop.

        :return: seconds until the next try
        """
        with closing(Database(self.db_name, self._lock())) as database:
            if not database.is_current:
                self._check_installation(database)
                return INSTALL_INTERVAL
            if not self._inbox.is_stopped:  # while it connected
                self._lead(database)
        return 0.0

    def _check_installation(self, database):
        if database.has_queue_job and not self._is_outdated:
            _logger.warning(
                "%s: its tables are older than the code of queue_job; update the module"
                " (-u queue_job), until then no jobs run",
                self.db_name,
            )
        self._is_outdated = database.has_queue_job

    def _lead(self, database):
        """Lead with an empty memory, as after each (re)connection."""
        self._leadership = Leadership(
            database, self.runner, self._inbox, self.statistics, self._slot_grace
        )
        with closing(self._leadership) as leadership:
            leadership.begin()
            self.runner.ready(self.db_name)
            while not self._inbox.is_stopped:
                leadership.step()
                self._backoff.succeeded()
            with suppress(psycopg2.Error):
                leadership.resign()

    def _end_leadership(self):
        """Keep the slots of its jobs, which run on, for their grace period."""
        manager = self._leadership.manager if self._leadership else None
        self._slot_grace.hold(manager, time.monotonic())
        self._leadership = None
