# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's loop for one database.

It waits for the doorbell (``LISTEN queue_job``), for the end of a lease, for a due
date or for the slow poll; then it takes a :class:`~.turn.Turn`. On a timer, and when
a lease's connection breaks, it looks after what is in flight (:mod:`.caretaker`).

Each database has a thread, sessions and a back-off of its own, so that a broken
database stops no other. What is logged, each line with the database's name:

- INFO once: ``queue job runner ready for db <name>``
- WARNING: the database is lost, with the seconds until the next try; a lease's
  connection broke; no worker takes the leases (:mod:`.trouble`); the doorbell is
  missing or LISTEN doesn't deliver; the database is a copy or has no secret; and what
  the caretaker finds
"""

import logging
import os
import secrets
import select
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from http import HTTPStatus
from queue import Empty, SimpleQueue

import psycopg2

from ..claim import claims
from ..claim import lease as lease_protocol
from ..monitoring.statistics import ADD, FLUSH_INTERVAL, Statistics
from .dispatch.dispatch_round import Turn
from .dispatch.dispatcher import Answer
from .dispatch.lease_registry import LeaseBook
from .dispatch.refusals import Trouble
from .recovery.reaper import LINGER, Caretaker
from .schedule.channel_manager import ChannelManager, ChannelSettings
from .schedule.recent_starts import count_recent_starts
from .schedule.slot_grace import KeptSlots
from .session import queries
from .session.change_feed import WATCH, News
from .session.database import Database, MasterElectionLost
from .session.notify_monitor import PING, Hearing
from .session.reconnect import Backoff

_logger = logging.getLogger(__name__)

#: Seconds between two heartbeats.
HEARTBEAT_INTERVAL = 5.0

#: Seconds until the next try to lead a database that another runner leads.
ELECTION_INTERVAL = 1.0

#: Seconds until the next look at a database without the addon.
INSTALL_INTERVAL = 10.0

#: Signs leases that no worker takes, where the database has no secret.
NO_KEY = secrets.token_bytes(32)


class DatabaseLoop(threading.Thread):
    """Leads one database for as long as it can.

    :param db_name: name of the database
    :param runner: the :class:`~.runner.QueueJobRunner`: its configuration, its
        dispatcher and its shared slots
    """

    def __init__(self, db_name, runner):
        super().__init__(name=f"queue_job {db_name}", daemon=True)
        self.db_name = db_name
        self.runner = runner
        self._stopping = threading.Event()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._backoff = Backoff(db_name)
        self.database: Database | None = None
        self._next_look = 0.0
        self.manager: ChannelManager | None = None
        self._kept = KeptSlots()
        self._is_outdated = False
        self.statistics = Statistics()

    # -- called from other threads ---------------------------------------------------

    def wake(self) -> None:
        """Take a turn now."""
        with suppress(OSError):
            self._wake_w.send(b".")

    def stop(self) -> None:
        """Take no more turns; the thread ends promptly."""
        self._stopping.set()
        self.wake()

    def break_if_stuck(self) -> None:
        """Break a connection that does not answer."""
        if self.database is not None:
            self.database.break_if_stuck()

    def look_now(self) -> None:
        """Look after what is in flight now."""
        self._next_look = 0.0
        self.wake()

    def _hear(self, answer: Answer) -> None:
        self._answers.put(answer)
        self.wake()

    # -- the life of the thread ------------------------------------------------------

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait = self._lead()
            except MasterElectionLost:
                _logger.debug("%s: another runner leads", self.db_name)
                wait = ELECTION_INTERVAL
            except Exception as error:
                wait = self._backoff.after(error)
            self._kept.keep(self.manager, time.monotonic())
            self.manager = None
            self._sleep(wait)
        self.runner.shared_slots.give_up(self.db_name)
        self._wake_r.close()
        self._wake_w.close()

    def _sleep(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < deadline:
            select.select([self._wake_r], [], [], deadline - time.monotonic())
            self._clear_wake()

    def _clear_wake(self):
        with suppress(BlockingIOError):
            while self._wake_r.recv(4096):
                pass

    def _lead(self) -> float:
        """Lead the database until told to stop.

        :return: seconds until the next try
        """
        with closing(Database(self.db_name)) as database, News(database) as self._news:
            if not database.is_current:
                self._check_installation(database)
                return INSTALL_INTERVAL
            self._prepare(database)
            self.runner.ready(self.db_name)
            while not self._stopping.is_set():
                self._read_news()
                self._keep_watch()
                self._take_turn()
                self._wait()
                self._backoff.turned()
            with suppress(psycopg2.Error):
                self._resign()
        return 0.0

    def _check_installation(self, database):
        if database.has_queue_job and not self._is_outdated:
            _logger.warning(
                "%s: its tables are older than the code of queue_job; update the module"
                " (-u queue_job), until then no jobs run",
                self.db_name,
            )
        self._is_outdated = database.has_queue_job

    def _resign(self):
        """Leases that run take no further jobs, those that wait give theirs back."""
        self._write_statistics()
        self.database.execute(queries.FAREWELL, {"uuid": self.leases.term})
        self.database.execute(
            claims.RETURN_UNSTARTED, {"leases": list(self.leases.ids())}
        )

    # -- starting to lead ------------------------------------------------------------

    def _prepare(self, database):
        """Begin with an empty memory, as after each (re)connection."""
        self.database = database
        others = database.execute(queries.TAKE_OVER)
        self.manager = self._new_manager()
        self.leases = LeaseBook(
            self.db_name,
            NO_KEY,
            self.runner.dispatcher,
            self.manager,
            self._hear,
            uuid.uuid4().hex,
        )
        self._turn = Turn(database, self.manager, self.leases)
        self._hearing = Hearing(database)
        self._caretaker = Caretaker(
            database, self.manager, self.leases, self.runner.worker_limit
        )
        now = time.monotonic()
        self._next_poll = self._next_heartbeat = 0.0
        # leases of another may just have claimed: the first look must see it
        self._next_look = self._not_before = now + (LINGER if others else 0.0)
        self._next_flush = now + FLUSH_INTERVAL
        self._due_at = self._room_at = None
        self._trouble = Trouble(self.db_name)
        self._rung = True
        self._is_copy = self._has_secret = True
        self._check_identity(self._read_parameters())
        self._held_back = ""
        self._hearing.check_trigger()
        self._read_settings()

    def _new_manager(self):
        manager = ChannelManager(
            self.runner.shared_slots, self.db_name, self.runner.root_capacity
        )
        if self.runner.config.channels:
            manager.simple_configure(self.runner.config.channels)
        return manager

    def _read_parameters(self) -> dict[str, str]:
        """What the database says of itself, which may change."""
        rows = self.database.rows(queries.PARAMETERS)
        parameters = {row["key"]: row["value"] for row in rows}
        self._is_copy = self._is_other(parameters)
        key = lease_protocol.derive_key(parameters.get("database.secret"))
        if key is None and self._has_secret:
            _logger.warning(
                "%s: the system parameter database.secret is missing, its jobs do not"
                " run: nobody could tell a lease from a forged one; create it, with a"
                " long random value",
                self.db_name,
            )
        self._has_secret = key is not None
        self.leases.key = key or NO_KEY
        return parameters

    def _check_identity(self, parameters):
        """Is this a copy, whose jobs belong to another database?"""
        current = parameters.get("database.uuid")
        if not parameters.get("queue_job.database_uuid") and current:
            self.database.execute(queries.REMEMBER_UUID, (current,))
        if self._is_copy:
            _logger.warning(
                "%s: this database is a copy of another one, its jobs do not run; to"
                " run them, delete the system parameter queue_job.database_uuid",
                self.db_name,
            )

    @staticmethod
    def _is_other(parameters) -> bool:
        known = parameters.get("queue_job.database_uuid")
        return bool(known) and known != parameters.get("database.uuid")

    def _read_settings(self):
        rows = self.database.rows(queries.CHANNELS)
        self.manager.apply_settings(
            [
                ChannelSettings(
                    row["complete_name"],
                    row["capacity"],
                    bool(row["sequential"]),
                    row["throttle"] or 0,
                    bool(row["paused"]),
                    row["rate_limit"],
                    row["rate_period"],
                )
                for row in rows
            ]
        )
        count_recent_starts(self.database, self.manager)

    # -- news ------------------------------------------------------------------------

    def _read_news(self):
        payloads = self.database.notifications()
        self._hearing.hear(payloads)
        if "channels" in payloads:
            self._read_settings()
        if WATCH in payloads:
            self._news.watched(time.monotonic())
        if any(not payload.startswith((PING, WATCH)) for payload in payloads):
            self._rung = True
            self._news.changed()
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                break
            self._close_lease(answer)

    def _close_lease(self, answer: Answer):
        if not self.leases.close(answer):
            return
        self._rung = True
        self._news.changed()
        now = time.monotonic()
        if answer.report is not None:
            self._trouble.over()
            self._not_before = min(self._not_before, now)
            self.statistics.add(answer.outcomes)
            return
        if self._was_run(answer):
            self._trouble.over()
        else:
            pause = self._trouble.add(answer, now)
            self._not_before = max(self._not_before, now + pause)
        if answer.status == HTTPStatus.FORBIDDEN:
            self._read_parameters()  # the secret may be another by now
        if answer.unreachable or answer.status:
            # not sooner: a look may send further leases
            self._next_look = min(self._next_look, self._not_before)
        else:
            self._next_look = 0.0
            _logger.warning(
                "%s: the connection of lease %s broke (%s); looking after its jobs",
                self.db_name,
                answer.lease.id,
                answer.error,
            )

    def _was_run(self, answer: Answer) -> bool:
        """Whether a worker has begun to run a lease whose connection broke.

        Such a lease says nothing about the next one, which need not wait.
        """
        lease = answer.lease
        if answer.unreachable or answer.status or lease.kind != lease_protocol.RUN:
            return False
        claim = {"id": lease.job_id, "token": lease.claim_token}
        return bool(self.database.rows(queries.WAS_STARTED, claim))

    # -- what is due -----------------------------------------------------------------

    def _keep_watch(self):
        now = time.monotonic()
        if self._hearing.test(now):
            self._next_poll = 0.0
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_INTERVAL
            self._heartbeat(now)
        if now >= self._next_flush:
            self._next_flush = now + FLUSH_INTERVAL
            self._write_statistics()
        if now >= self._next_look:
            wait, freed = self._caretaker.look(now)
            self._next_look = now + wait
            self._kept.give_back()  # what still runs is counted again by now
            self._rung |= freed
        self._news.send(now)

    def _write_statistics(self):
        for sums in self.statistics.take():
            self.database.execute(ADD, sums)

    def _heartbeat(self, now):
        self.database.confirm_leadership()
        if self._is_copy or not self._has_secret:
            self._read_parameters()
        self.database.execute(queries.FORGET_OLD_RUNNERS)
        leads = self.database.value(
            queries.HEARTBEAT,
            {
                "uuid": self.leases.term,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "listening": self._hearing.delivers,
                "root_capacity": self.manager.get_channel_by_name("root").capacity,
                "running": self._caretaker.in_flight,
                "note": self._held_back or self._trouble.note(now) or None,
            },
        )
        if not leads:
            raise MasterElectionLost(f"{self.db_name}: another runner took over")

    def _take_turn(self):
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + self._hearing.poll_interval
            self._rung = True
        if any(when and now >= when for when in (self._due_at, self._room_at)):
            self._rung = True
        if not self._rung or now < self._not_before:
            return
        self._rung = False
        in_flux, seconds = self._turn.affairs()
        self._held_back = self._reason_to_hold_back(in_flux)
        if self._held_back:
            return
        if len(self.runner.loops) == 1:  # no other database may be kept waiting
            longest = lease_protocol.LONGEST_SECONDS
        else:
            longest = lease_protocol.LEASE_SECONDS
        self.leases.longest = self.runner.worker_limit.lease_seconds(longest)
        self._due_at = None if seconds is None else now + min(seconds, 3600.0)
        for claim in self._turn.take():
            self._news.changed()
            if claim["timeout"]:
                soon = time.monotonic() + claim["timeout"] + 0.1
                self._next_look = min(self._next_look, soon)
        self._room_at = self._when_room_comes(now)

    def _reason_to_hold_back(self, in_flux) -> str:
        """A note for the runner's row, see :mod:`..health`; empty without a reason."""
        if self._is_copy:
            return "copy"
        if not self._has_secret:
            return "secret"
        return "modules" if in_flux else ""

    def _when_room_comes(self, now) -> float | None:
        """When a throttle ends, or room that was left to another database."""
        times = [
            self.manager.get_wakeup_time(),
            self.runner.shared_slots.ask_again(self.db_name),
        ]
        times = [when for when in times if when]
        return now + max(0.0, min(times) - time.time()) if times else None

    def _wait(self):
        """Sleep until something happens; a stop and an answer wake at once."""
        if self.database.has_news:
            return
        now = time.monotonic()
        times = [
            self._next_poll,
            self._next_look,
            self._next_heartbeat,
            self._next_flush,
        ]
        times += filter(
            None,
            (self._due_at, self._room_at, self._news.due(now), self._hearing.deadline),
        )
        if self._rung and now < self._not_before:
            times.append(self._not_before)
        timeout = max(0.0, min(times) - now)
        sessions = [self.database.conn, self.database.leader_conn]
        ready, _w, _x = select.select([*sessions, self._wake_r], [], [], timeout)
        if self.database.leader_conn in ready:
            self.database.confirm_leadership()
        if self._wake_r in ready:
            self._clear_wake()
            self._rung = True
