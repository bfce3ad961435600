# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One leadership of a database: from the leader lock to the loss of the connection.

It waits for a notification (``LISTEN queue_job``), for the end of a lease, for a due
date or for the slow poll, and then runs a dispatch round
(:mod:`.dispatch.dispatch_round`). On a timer, and when the connection of a lease
breaks, it scans what is in flight (:mod:`.recovery.reaper`).

Nothing is carried over from one leadership to the next but the statistics and the slots
in their grace period.
"""

import json
import logging
import os
import socket
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ..claim import claims
from ..claim import lease as lease_protocol
from ..monitoring import series
from ..monitoring.statistics import ADD, FLUSH_INTERVAL, Statistics
from .channels import ChannelManager
from .dispatch.dispatch_round import DispatchRound
from .dispatch.dispatcher import Answer
from .dispatch.lease_registry import LeaseRegistry
from .dispatch.recent_starts import count_recent_starts
from .dispatch.refusals import Refusals
from .inbox import Inbox
from .readable import readable
from .recovery.reaper import EPOCH_GRACE, Reaper
from .schedule.slot_grace import SlotGrace
from .session import queries
from .session.change_feed import WATCH, ChangeFeed
from .session.database import Database, MasterElectionLost
from .session.identity import NO_KEY, DatabaseIdentity
from .session.live_channels import LiveChannels
from .session.notify_monitor import PING, NotifyMonitor

if TYPE_CHECKING:
    from .runner import QueueJobRunner

_logger = logging.getLogger(__name__)

#: Seconds between two heartbeats.
HEARTBEAT_INTERVAL = 5.0

#: Seconds; the longest time until a due date is looked up again.
LONGEST_WAIT = 3600.0

#: Seconds until jobs are chosen again that could not be claimed: somebody writes their
#: rows, or the database was drained in that moment.
UNCLAIMED_PAUSE = 1.0


@dataclass
class Timers:
    """When what is to be done next, in monotonic seconds.

    :param flush: write the statistics
    :param scan: scan what is in flight
    :param not_before: no dispatch round is run before
    :param poll: run a dispatch round without a notification
    :param heartbeat: write the runner's row
    :param due: a future-dated job is due
    :param room: a throttle ends, or another database has not used the room left to it
    """

    flush: float
    scan: float
    not_before: float
    poll: float = 0.0
    heartbeat: float = 0.0
    due: float | None = None
    room: float | None = None

    def may_start_more(self, now: float) -> bool:
        """Whether jobs may start by now although there was no notification."""
        return any(when and now >= when for when in (self.due, self.room))

    def next(self, *others: float | None) -> float:
        """The first of these times and some others.

        :param others: monotonic seconds, None for never
        """
        times = [self.poll, self.scan, self.heartbeat, self.flush]
        times += filter(None, (self.due, self.room, *others))
        return min(times)


def new_channels(runner: "QueueJobRunner", db_name: str) -> ChannelManager:
    """The channels of a database as the configuration describes them.

    :param runner: whose configuration it is
    :param db_name: name of the database
    """
    manager = ChannelManager(
        runner.shared_slots,
        db_name,
        runner.root_capacity,
        runner.config.maxima_of(db_name),
        runner.pool_sizes,
    )
    if runner.config.channels:
        manager.simple_configure(runner.config.channels)
    return manager


class Leadership:
    """Leads one database for as long as its connection lasts.

    :param database: the session that holds the leader lock
    :param runner: its configuration, its dispatcher and its shared slots
    :param inbox: receives the answers of the leases
    :param statistics: counts what the leases report
    :param slot_grace: the slots of the leadership before
    """

    def __init__(
        self,
        database: Database,
        runner: "QueueJobRunner",
        inbox: Inbox,
        statistics: Statistics,
        slot_grace: SlotGrace,
    ):
        self.database = database
        self.db_name = database.db_name
        self.runner = runner
        self.inbox = inbox
        self.statistics = statistics
        self.slot_grace = slot_grace
        self.manager = new_channels(runner, self.db_name)
        self.leases = LeaseRegistry(
            self.db_name,
            NO_KEY,
            runner.dispatcher,
            self.manager,
            inbox.put,
            uuid.uuid4().hex,
            runner.thread_dispatcher,
        )
        self.live_channels = LiveChannels(database, self.manager)
        self.identity = DatabaseIdentity(database)
        self.notify_monitor = NotifyMonitor(database)
        self.change_feed = ChangeFeed(database)
        self.reaper = Reaper(database, self.manager, self.leases, runner.worker_limit)
        self._round = DispatchRound(database, self.manager, self.leases)
        self._refusals = Refusals(self.db_name)
        now = time.monotonic()
        self._timers = Timers(flush=now + FLUSH_INTERVAL, scan=now, not_before=now)
        self._round_is_wanted = True
        self._has_scanned = False  # what others run has no slot before the first scan
        self._obstacle = ""

    def begin(self) -> None:
        """Take over from the runner that led before, and read the settings.

        :raise psycopg2.Error: the connection was lost
        """
        if self.database.execute(queries.TAKE_OVER):
            # leases of the other may just have claimed: the first scan must see it
            now = time.monotonic()
            self._timers.scan = self._timers.not_before = now + EPOCH_GRACE
        self.leases.key = self.identity.confirm()
        self.notify_monitor.check_trigger()
        known = self.database.rows(series.KNOWN)
        self.statistics.series.learn((row["function"], row["channel"]) for row in known)
        self.live_channels.put_in_force()

    def step(self) -> None:
        """Do what is to be done now, then wait until something happens.

        :raise MasterElectionLost: another runner leads the database
        :raise psycopg2.Error: the connection was lost
        """
        self._read_notifications()
        for answer in self.inbox.answers():
            self._close_lease(answer)
        self._run_timers()
        self._dispatch()
        self._wait()

    def resign(self) -> None:
        """Give up the lead: running leases claim no further jobs, waiting ones none.

        :raise psycopg2.Error: the connection was lost
        """
        self._write_statistics()
        self.database.execute(queries.RESIGN, {"uuid": self.leases.epoch})
        self.database.execute(
            claims.RETURN_UNSTARTED, {"leases": list(self.leases.ids())}
        )

    def close(self) -> None:
        """Close what the leadership has opened; the database stays open."""
        self.change_feed.close()

    def scan_now(self) -> None:
        """Scan what is in flight in the next step; any thread may call this."""
        self._timers.scan = 0.0

    # -- what has happened -----------------------------------------------------------

    def _read_notifications(self):
        payloads = self.database.notifications()
        self.notify_monitor.receive(payloads)
        if "channels" in payloads:
            self.live_channels.put_in_force()
        if WATCH in payloads:
            self.change_feed.subscribe(time.monotonic())
        if any(not payload.startswith((PING, WATCH)) for payload in payloads):
            self._note_change()

    def _note_change(self):
        self._round_is_wanted = True
        self.change_feed.changed()

    def _close_lease(self, answer: Answer):
        if not self.leases.close(answer):
            return
        self._note_change()
        now = time.monotonic()
        if answer.report is None:
            self._note_refusal(answer, now)
            return
        self._refusals.clear()
        self._timers.not_before = min(self._timers.not_before, now)
        self.statistics.add(answer.outcomes)

    def _note_refusal(self, answer: Answer, now: float):
        """A lease has ended without a report: pause, and look after its jobs."""
        timers = self._timers
        if self._was_run(answer):
            self._refusals.clear()
        else:
            pause = self._refusals.add(answer, now)
            timers.not_before = max(timers.not_before, now + pause)
        if answer.status == HTTPStatus.FORBIDDEN:
            self.leases.key = self.identity.refresh()  # the secret may have changed
        if answer.unreachable or answer.status:
            # not sooner: a scan may send further leases
            timers.scan = min(timers.scan, timers.not_before)
            return
        timers.scan = 0.0
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

    # -- what is due -------------------------------------------------------------------

    def _run_timers(self):
        now = time.monotonic()
        timers = self._timers
        if self.notify_monitor.check(now):
            timers.poll = 0.0
        if self.live_channels.end_pauses(now):
            self._note_change()
        if now >= timers.heartbeat:
            timers.heartbeat = now + HEARTBEAT_INTERVAL
            self._heartbeat(now)
        if now >= timers.flush:
            timers.flush = now + FLUSH_INTERVAL
            self._write_statistics()
        if now >= timers.scan:
            self._scan(now)
        self.change_feed.send(now)

    def _scan(self, now):
        wait, freed = self.reaper.scan(now)
        self._has_scanned = True
        self._timers.scan = now + wait
        self.slot_grace.release()  # what still runs is counted again by now
        self._round_is_wanted |= freed

    def _write_statistics(self):
        for sums in self.statistics.take():
            self.database.execute(ADD, sums)

    def _heartbeat(self, now):
        self.database.confirm_leadership()
        if self.identity.obstacle:
            self.leases.key = self.identity.refresh()
        self.database.execute(queries.FORGET_OLD_RUNNERS)
        total_capacity, total_running = self.manager.total
        leads = self.database.value(
            queries.HEARTBEAT,
            {
                "uuid": self.leases.epoch,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "listening": self.notify_monitor.delivers,
                "root_capacity": self.manager.get_channel_by_name("root").capacity,
                "running": self.reaper.in_flight,
                "total_capacity": total_capacity,
                "total_running": total_running,
                "shared_load": json.dumps(self.manager.shared_load()),
                "note": self._obstacle or self._refusals.note(now) or None,
            },
        )
        if not leads:
            raise MasterElectionLost(f"{self.db_name}: another runner took over")

    # -- dispatch ----------------------------------------------------------------------

    def _dispatch(self):
        """Run a dispatch round, if there is a reason to and nothing against it."""
        now = time.monotonic()
        if not self._is_round_due(now):
            return
        self._round_is_wanted = False
        obstacle, seconds = self._round.promote_and_admit()
        self._note_obstacle(self.identity.obstacle or obstacle)
        if self._obstacle:
            return
        self.leases.longest = self._longest_lease()
        due = None if seconds is None else now + min(seconds, LONGEST_WAIT)
        self._timers.due = due
        count_recent_starts(self.database, self.manager)
        for claim in self._round.run():
            self.change_feed.changed()
            if claim["timeout"]:
                soon = time.monotonic() + claim["timeout"] + 0.1
                self._timers.scan = min(self._timers.scan, soon)
        if self._round.is_unfinished:
            soon = time.monotonic() + UNCLAIMED_PAUSE
            self._timers.due = soon if due is None else min(due, soon)
        self._timers.room = self._when_room_comes(now)

    def _note_obstacle(self, obstacle: str):
        if obstacle != self._obstacle:
            self._timers.heartbeat = 0.0  # which tells the users of it
        self._obstacle = obstacle

    def _is_round_due(self, now) -> bool:
        if now >= self._timers.poll:
            self._timers.poll = now + self.notify_monitor.poll_interval
            self._round_is_wanted = True
        self._round_is_wanted |= self._timers.may_start_more(now)
        is_allowed = self._has_scanned and now >= self._timers.not_before
        return self._round_is_wanted and is_allowed

    def _longest_lease(self) -> float:
        """Seconds that a lease may last."""
        if len(self.runner.loops) == 1:  # no other database is kept waiting
            longest = lease_protocol.LONGEST_SECONDS
        else:
            longest = lease_protocol.LEASE_SECONDS
        return self.runner.worker_limit.lease_seconds(longest)

    def _when_room_comes(self, now) -> float | None:
        """When a throttle ends, or room that was left to another database."""
        times = [
            self.manager.get_wakeup_time(),
            self.runner.shared_slots.ask_again(self.db_name),
        ]
        times = [when for when in times if when]
        return now + max(0.0, min(times) - time.time()) if times else None

    def _wait(self):
        """Sleep until something happens; a stop and an answer wake it at once."""
        if self.database.has_notifications:
            return
        now = time.monotonic()
        postponed = self._round_is_wanted and now < self._timers.not_before
        until = self._timers.next(
            self.change_feed.due(now),
            self.notify_monitor.deadline,
            self.live_channels.next_end,
            self._timers.not_before if postponed else None,
        )
        timeout = max(0.0, until - now)
        sessions = [self.database.conn, self.database.leader_conn]
        ready = readable([*sessions, self.inbox], timeout)
        if self.database.leader_conn in ready:
            self.database.confirm_leadership()
        if self.inbox in ready:
            self.inbox.clear()
            self._round_is_wanted = True
