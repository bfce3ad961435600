# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's loop for one database.

It waits for the doorbell (``LISTEN queue_job``), for the end of a lease, for a due
date or for the slow poll, and then takes a turn: it reads the first candidates of
each channel, asks the channels which of them may run, claims these in one statement
and sends each to a worker as a lease. It keeps no backlog in memory.

Each database has a thread, sessions and a back-off of its own, so that a broken
database stops no other. What is logged, each line with the database's name:

- INFO once: ``queue job runner ready for db <name>``
- WARNING: the database is lost, with the seconds until the next try; a job is found
  dead; a lease is refused or its connection broke; the server can't be reached; the
  doorbell is missing or doesn't ring; the database is a copy
"""

import logging
import os
import random
import select
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from queue import Empty, SimpleQueue

import psycopg2

from .. import claims
from ..retry import Cause, Retry, decide
from . import lease as lease_protocol
from . import queries
from .channels import ChannelManager, ChannelSettings
from .database import Database, MasterElectionLost
from .dispatcher import Answer, Dispatcher
from .lease import Lease
from .rescue import LOOK_INTERVAL, SECOND_LOOK, Watch, next_deadline

_logger = logging.getLogger(__name__)

#: Seconds between two polls where the doorbell rings, and where it doesn't.
POLL_LISTENING = 5.0
POLL_DEAF = 0.5

#: Seconds between the pings by which the runner checks that LISTEN delivers, and
#: the seconds a ping may take.
PING_INTERVAL = 30.0
PING_PATIENCE = 2.0

#: Seconds between two heartbeats.
HEARTBEAT_INTERVAL = 5.0

#: Seconds until the next try to lead a database that another runner leads.
ELECTION_INTERVAL = 1.0

#: Seconds until the next look at a database without the addon.
INSTALL_INTERVAL = 10.0

#: First and last pause, in seconds, after an error.
BACKOFF = (0.5, 30.0)

#: Jobs claimed by one turn at most.
TURN_LIMIT = 64


class DatabaseLoop(threading.Thread):
    """Leads one database for as long as it can.

    :param db_name: name of the database
    :param runner: the :class:`~.runner.QueueJobRunner`, for its configuration, its
        dispatcher and its shared slots
    """

    def __init__(self, db_name, runner):
        super().__init__(name=f"queue_job {db_name}", daemon=True)
        self.db_name = db_name
        self.runner = runner
        self.running_count = 0
        self._stopping = threading.Event()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._uuid = uuid.uuid4().hex
        self._forget()

    def _forget(self):
        """Start with an empty memory, as after each (re)connection."""
        self.manager = ChannelManager(self.runner.shared_slots, self.db_name)
        if self.runner.config.channels:
            self.manager.simple_configure(self.runner.config.channels)
        self._leases: dict[int, tuple[Lease, str]] = {}
        self._broken: set[int] = set()
        self._foreign: set[str] = set()
        self._watch = Watch()
        self._next_look = self._next_poll = self._next_heartbeat = 0.0
        self._next_ping = 0.0
        self._ping_sent = None
        self._not_before = 0.0
        self._unreachable_since = None
        self._due_at = None
        self._room_at = None
        self._listening = True
        self._rung = True
        self._held_back = ""

    # -- called from other threads ---------------------------------------------------

    def wake(self) -> None:
        """Take a turn now."""
        with suppress(BlockingIOError, OSError):
            self._wake_w.send(b".")

    def stop(self) -> None:
        """Take no more turns; the thread ends promptly."""
        self._stopping.set()
        self.wake()

    def look_now(self) -> None:
        """Look after what is in flight now."""
        self._next_look = 0.0
        self.wake()

    def _hear(self, answer: Answer) -> None:
        self._answers.put(answer)
        self.wake()

    # -- the life of the thread ------------------------------------------------------

    def run(self) -> None:
        pause = BACKOFF[0]
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                wait = self._lead()
            except MasterElectionLost:
                _logger.debug("%s: another runner leads", self.db_name)
                wait = ELECTION_INTERVAL
            except Exception as error:
                if time.monotonic() - began > BACKOFF[1]:
                    pause = BACKOFF[0]
                self._log_loss(error, pause)
                wait, pause = pause, min(pause * 2, BACKOFF[1])
            finally:
                self._release_slots()
            self._sleep(wait)
        self._wake_r.close()
        self._wake_w.close()

    def _log_loss(self, error, pause):
        if isinstance(error, psycopg2.Error):
            text = str(error).strip().splitlines()[0] if str(error) else repr(error)
            _logger.warning(
                "%s: database lost: %s; next try in %.1f s", self.db_name, text, pause
            )
        else:
            _logger.exception(
                "%s: error in the runner; next try in %.1f s", self.db_name, pause
            )

    def _release_slots(self):
        """Give the shared slots back: what still runs is counted anew as foreign."""
        for _lease, job_uuid in self._leases.values():
            self.manager.remove_job(job_uuid)
        for job_uuid in self._foreign:
            self.manager.remove_job(job_uuid)
        self._forget()

    def _sleep(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            select.select([self._wake_r], [], [], left)
            self._clear_wake()

    def _clear_wake(self):
        with suppress(BlockingIOError):
            while self._wake_r.recv(4096):
                pass

    def _lead(self) -> float:
        """Lead the database until told to stop.

        :return: seconds until the next try
        """
        with closing(Database(self.db_name)) as database:
            if not database.has_queue_job:
                return INSTALL_INTERVAL
            self._prepare(database)
            self.runner.ready(self.db_name)
            while not self._stopping.is_set():
                self._read_news(database)
                self._keep_watch(database)
                self._turn(database)
                self._wait(database)
            self._farewell(database)
        return 0.0

    def _prepare(self, database):
        parameters = {
            row["key"]: row["value"] for row in database.rows(queries.PARAMETERS)
        }
        self._key = lease_protocol.derive_key(parameters["database.secret"])
        self._is_copy = self._check_identity(database, parameters)
        if not database.value(queries.HAS_DOORBELL):
            _logger.warning(
                "%s: the trigger queue_job_notify is missing, jobs are found by polling"
                " only; update the module (-u queue_job) to create it",
                self.db_name,
            )
        self._read_settings(database)

    def _check_identity(self, database, parameters) -> bool:
        """Whether this is a copy whose jobs belong to another database."""
        known = parameters.get("queue_job.database_uuid")
        current = parameters.get("database.uuid")
        if not known and current:
            database.execute(queries.REMEMBER_UUID, (current,))
        if not known or known == current:
            return False
        _logger.warning(
            "%s: this database is a copy of another one, its jobs do not run; to run"
            " them, delete the system parameter queue_job.database_uuid",
            self.db_name,
        )
        return True

    def _read_settings(self, database):
        rows = database.rows(queries.CHANNELS)
        self.manager.apply_settings(
            [
                ChannelSettings(
                    row["complete_name"],
                    row["capacity"],
                    bool(row["sequential"]),
                    row["throttle"] or 0,
                    bool(row["paused"]),
                )
                for row in rows
            ]
        )

    def _farewell(self, database):
        with suppress(psycopg2.Error):
            database.execute(queries.FAREWELL, {"uuid": self._uuid})

    # -- news ------------------------------------------------------------------------

    def _read_news(self, database):
        payloads = database.notifications()
        if any(payload.startswith("ping") for payload in payloads):
            self._pong(payloads)
        if "channels" in payloads:
            self._read_settings(database)
        if payloads - {f"ping {self._uuid}"}:
            self._rung = True
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                break
            self._settle_lease(answer)

    def _pong(self, payloads):
        if f"ping {self._uuid}" not in payloads:
            return
        self._ping_sent = None
        if not self._listening:
            self._listening = True
            _logger.info("%s: LISTEN delivers again", self.db_name)

    def _ping(self, database, now):
        if self._ping_sent is not None and now - self._ping_sent > PING_PATIENCE:
            self._ping_sent = None
            if self._listening:
                self._listening = False
                self._next_poll = 0.0
                _logger.warning(
                    "%s: LISTEN does not deliver (a transaction-pooling proxy?);"
                    " polling every %.1f s",
                    self.db_name,
                    POLL_DEAF,
                )
        if now >= self._next_ping:
            self._next_ping = now + PING_INTERVAL
            self._ping_sent = now
            database.execute("SELECT pg_notify('queue_job', %s)", (f"ping {self._uuid}",))

    def _settle_lease(self, answer: Answer):
        lease, job_uuid = self._leases.pop(answer.lease.id, (None, None))
        if lease is None:
            return
        self.manager.remove_job(job_uuid)
        self._rung = True
        if answer.report is not None:
            self._unreachable_since = None
            return
        self._broken.add(lease.id)
        self._next_look = 0.0
        self._back_off(answer)

    def _back_off(self, answer: Answer):
        """Don't hammer a server that doesn't take leases; say so, once a minute."""
        now = time.monotonic()
        if not answer.unreachable and not answer.status:
            _logger.warning(
                "%s: the connection of lease %s broke (%s); looking after its jobs",
                self.db_name,
                answer.lease.id,
                answer.error,
            )
            return
        first = self._unreachable_since is None
        if first:
            self._unreachable_since = now
            self._next_complaint = now + (3.0 if answer.unreachable else 0.0)
        lasting = now - self._unreachable_since
        self._not_before = now + min(0.05 * 2 ** min(lasting, 5), 1.0)
        if now >= self._next_complaint:
            self._next_complaint = now + 60.0
            _logger.warning(
                "%s: no worker takes the leases: %s; check that the server loads"
                " queue_job (server_wide_modules) and the host and port of the runner",
                self.db_name,
                answer.error,
            )

    # -- looking after what is in flight -------------------------------------------------

    def _keep_watch(self, database):
        now = time.monotonic()
        self._ping(database, now)
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_INTERVAL
            self._heartbeat(database)
        if now < self._next_look:
            return
        self._held_back = self._reason_to_hold_back(database)
        rows = database.rows(queries.LOOK)
        findings = self._watch.examine(
            rows, now, set(self._leases), self._broken
        )
        self._broken.clear()
        self._count_foreign(findings.foreign)
        self._end_overdue(database, findings)
        self._return_orphans(database, findings.orphans)
        for row in findings.dead:
            self._rescue(database, row)
        self._plan_next_look(rows, now)
        self.running_count = len(rows)

    def _reason_to_hold_back(self, database) -> str:
        if self._is_copy:
            return "copy"
        if database.value(queries.MODULES_IN_FLUX):
            return "modules"
        return ""

    def _plan_next_look(self, rows, now):
        wait = SECOND_LOOK if self._watch.suspicious else LOOK_INTERVAL
        deadline = next_deadline(rows)
        if deadline is not None:
            wait = min(wait, deadline + 0.05)
        self._next_look = now + max(wait, 0.1)

    def _heartbeat(self, database):
        database.confirm_leadership()
        database.execute(queries.FORGET_OLD_RUNNERS)
        database.execute(
            queries.HEARTBEAT,
            {
                "uuid": self._uuid,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "listening": self._listening,
                "root_capacity": self.manager.get_channel_by_name("root").capacity,
                "running": self.running_count,
                "note": self._held_back,
            },
        )

    def _count_foreign(self, rows):
        """Jobs that run outside our leases hold slots as well."""
        present = set()
        for row in rows:
            if row["lease_id"] in self._leases:
                continue
            present.add(row["uuid"])
            self._notify(row, "started")
        gone = self._foreign - present
        for job_uuid in gone:
            self.manager.remove_job(job_uuid)
        if gone:
            self._rung = True
        self._foreign = present

    def _notify(self, row, state, eta=None):
        self.manager.notify(
            self.db_name,
            row["channel"],
            row["uuid"],
            row["id"],
            row["date_created"],
            row["priority"],
            eta,
            state,
        )

    def _end_overdue(self, database, findings):
        for row in findings.overdue:
            message = f"Timeout: the job ran for more than {row['timeout']} seconds"
            database.execute(
                queries.SIGNAL_TIMEOUT,
                {"id": row["id"], "token": row["claim_token"], "message": message},
            )
            _logger.warning(
                "%s: job %s has used up its %s seconds, its session is ended",
                self.db_name,
                row["uuid"],
                row["timeout"],
            )
        for row in findings.to_end:
            database.execute(
                queries.END_SESSION,
                {"pid": row["backend_pid"], "force": row["force"]},
            )

    def _return_orphans(self, database, rows):
        if not rows:
            return
        count = database.execute(
            queries.RETURN_ORPHANS,
            {"ids": [row["id"] for row in rows], "leases": list(self._leases)},
        )
        self._rung = True
        if count:
            _logger.info("%s: %s claimed jobs returned unstarted", self.db_name, count)

    def _rescue(self, database, row):
        """A dead attempt counts like any other; one function judges them all."""
        cause = Cause(row["signal"] or "dead")
        decision = decide(cause, row["retry"] + 1, row["max_retries"])
        if isinstance(decision, Retry):
            self._retry_dead(database, row)
        else:
            self._bury(database, row, cause)
        self._rung = True

    def _retry_dead(self, database, row):
        worker = f"{row['worker_host'] or '?'}:{row['worker_pid'] or '?'}"
        number = database.value(
            queries.RETRY_DEAD,
            {
                "id": row["id"],
                "token": row["claim_token"],
                "date_started": row["date_started"],
                "host": row["worker_host"],
                "pid": row["worker_pid"],
                "message": f"The worker {worker} died while it ran the job",
            },
        )
        if number is not None:
            _logger.warning(
                "%s: re-queued dead job with uuid: %s (attempt %s, worker %s)",
                self.db_name,
                row["uuid"],
                number,
                worker,
            )

    def _bury(self, database, row, cause):
        """Have a worker settle the failure, with its hooks and messages."""
        lease_id = self._new_lease_id()
        token = database.value(
            queries.CLAIM_FOR_BURIAL,
            {"id": row["id"], "token": row["claim_token"], "lease": lease_id},
        )
        if token is None:
            return
        _logger.warning(
            "%s: job %s ends without its worker: %s", self.db_name, row["uuid"], cause.value
        )
        lease = Lease(
            lease_id,
            self.db_name,
            row["id"],
            token,
            row["channel"],
            exclusive=True,
            kind=lease_protocol.BURY,
            cause=cause.value,
            issued=time.time(),
        )
        self._send(lease, row["uuid"])

    def _new_lease_id(self) -> int:
        while True:
            lease_id = random.randrange(1, 2**31)
            if lease_id not in self._leases:
                return lease_id

    def _send(self, lease, job_uuid):
        self._leases[lease.id] = (lease, job_uuid)
        self.runner.dispatcher.send(lease, self._key, self._hear)

    # -- a turn ----------------------------------------------------------------------

    def _turn(self, database):
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + (POLL_LISTENING if self._listening else POLL_DEAF)
            self._rung = True
        if any(when and now >= when for when in (self._due_at, self._room_at)):
            self._rung = True
        if not self._rung or self._held_back or now < self._not_before:
            return
        self._rung = False
        self._promote_due(database, now)
        while self._take(database):
            pass
        self._room_at = self._when_room_comes(now)

    def _when_room_comes(self, now):
        """When a throttle ends, or room that was left to another database."""
        times = [
            self.manager.get_wakeup_time(),
            self.runner.shared_slots.ask_again(self.db_name),
        ]
        times = [when for when in times if when]
        return now + max(0.0, min(times) - time.time()) if times else None

    def _promote_due(self, database, now):
        seconds = database.value(queries.NEXT_DUE)
        while seconds is not None and seconds <= 0:
            database.execute(queries.PROMOTE)
            seconds = database.value(queries.NEXT_DUE)
        self._due_at = None if seconds is None else now + min(seconds, 3600.0)

    def _take(self, database) -> bool:
        """Start what may start now.

        :return: whether another round may start more
        """
        free = min(self.manager.free_slots(), TURN_LIMIT)
        if free <= 0:
            return False
        heads = self._read_heads(database, free)
        chosen = self._choose(database, heads)
        if not chosen:
            return False
        claimed = self._claim(database, chosen)
        return len(claimed) < len(chosen) or self.manager.free_slots() > 0

    def _read_heads(self, database, limit) -> dict[str, dict]:
        rows = database.rows(queries.HEADS, {"limit": limit})
        early = {row["channel"] for row in rows if row["too_early"]}
        for channel in early:
            database.execute(queries.DEMOTE, {"channel": channel})
        if early:
            rows = database.rows(queries.HEADS, {"limit": limit})
        return {row["uuid"]: row for row in rows if not row["too_early"]}

    def _choose(self, database, heads):
        self.manager.clear_candidates()
        for row in heads.values():
            self._notify(row, "pending")
        extra = self._notify_sequential(database, heads)
        jobs = self.manager.get_jobs_to_run(time.time())
        chosen = [heads[job.uuid] for job in jobs if job.uuid in heads]
        for job_uuid in extra:
            self.manager.remove_job(job_uuid)
        self.manager.clear_candidates()
        return chosen

    def _notify_sequential(self, database, heads) -> list[str]:
        """A sequential channel also waits for its failed and its future-dated jobs."""
        channels = {row["channel"] for row in heads.values() if row["channel"]}
        sequential = [c for c in channels if self.manager.is_sequential(c)]
        if not sequential:
            return []
        rows = database.rows(queries.SEQUENTIAL_HEADS, {"channels": sequential})
        now = time.time()
        for row in rows:
            eta = None if row["wait_seconds"] is None else now + row["wait_seconds"]
            self._notify(row, row["state"], eta)
        return [row["uuid"] for row in rows]

    def _claim(self, database, chosen):
        leases = {row["id"]: self._new_lease_id() for row in chosen}
        claimed = database.rows(
            claims.CLAIM, {"ids": list(leases), "leases": list(leases.values())}
        )
        tokens = {row["id"]: row for row in claimed}
        for row in chosen:
            if row["id"] in tokens:
                self._grant(row, tokens[row["id"]])
            else:
                self.manager.remove_job(row["uuid"])
        return claimed

    def _grant(self, row, claim):
        if claim["timeout"]:
            soon = time.monotonic() + claim["timeout"] + 0.1
            self._next_look = min(self._next_look, soon)
        lease = Lease(
            claim["lease_id"],
            self.db_name,
            row["id"],
            claim["claim_token"],
            row["channel"],
            exclusive=self.manager.is_exclusive(row["channel"]),
            issued=time.time(),
        )
        self._send(lease, row["uuid"])

    # -- waiting ---------------------------------------------------------------------

    def _wait(self, database):
        """Sleep until something happens; a stop and an answer wake at once."""
        if self._stopping.is_set() or not self._answers.empty():
            return
        now = time.monotonic()
        times = [self._next_poll, self._next_look, self._next_heartbeat]
        times += [when for when in (self._due_at, self._room_at) if when]
        if self._rung and now < self._not_before:
            times.append(self._not_before)
        timeout = max(0.0, min(times) - now)
        ready, _w, _x = select.select([database.conn, self._wake_r], [], [], timeout)
        if self._wake_r in ready:
            self._clear_wake()
            self._rung = True
