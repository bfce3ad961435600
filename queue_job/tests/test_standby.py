# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A runner that does not lead keeps one session, and takes over when it can."""

import os
import resource
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import psycopg2

from odoo.tests import BaseCase, get_db_name, tagged

from ..jobrunner import leader_loop
from ..jobrunner.inbox import Inbox
from ..jobrunner.leader_loop import ELECTION_INTERVAL, DatabaseLoop
from ..jobrunner.leadership import Leadership
from ..jobrunner.readable import readable
from ..jobrunner.session import connection
from ..jobrunner.session.database import Database
from ..jobrunner.session.leader_lock import LeaderLock, MasterElectionLost
from .test_leadership import FakeRunner

#: Seconds within which a standby takes over.
TAKE_OVER = 5.0

#: Descriptors which `select()` knows.
FD_SETSIZE = 1024

_ACTIVITY = "SELECT state, xact_start IS NULL FROM pg_stat_activity WHERE pid = %s"


class Led:
    """A leadership which only says that it has begun."""

    def __init__(self, database, runner, inbox, _statistics, _slot_grace):
        self.database, self.inbox, self.manager = database, inbox, None
        self.begun = runner.begun

    def begin(self):
        self.begun.set()

    def step(self):
        self.inbox.sleep(1)

    def resign(self):
        """Nobody has written anything."""

    def close(self):
        """Nor opened."""


@contextmanager
def many_descriptors():
    """All descriptors that `select()` knows are in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = max(soft, 2 * FD_SETSIZE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, max(hard, enough)))
    taken = [os.open(os.devnull, os.O_RDONLY) for _number in range(FD_SETSIZE)]
    try:
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@tagged("post_install", "-at_install")
class TestStandby(BaseCase):
    def setUp(self):
        super().setUp()
        self.db_name = get_db_name()
        self.opened = 0
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.stack.enter_context(
            patch.object(connection.psycopg2, "connect", self.count(psycopg2.connect))
        )

    def count(self, connect):
        def counted(*args, **options):
            if threading.current_thread() is not threading.main_thread():
                self.opened += 1
            return connect(*args, **options)

        return counted

    def lead(self):
        """Another runner leads."""
        lock = self.stack.enter_context(closing(LeaderLock(self.db_name)))
        lock.acquire()
        return lock

    def start(self):
        runner = FakeRunner()
        runner.begun = threading.Event()
        self.stack.enter_context(patch.object(leader_loop, "Leadership", Led))
        loop = DatabaseLoop(self.db_name, runner)
        self.stack.callback(loop.join, 10)
        self.stack.callback(loop.stop)
        loop.start()
        return loop, runner

    def activity(self, session):
        with closing(connection.connect(self.db_name)) as conn, conn.cursor() as cursor:
            cursor.execute(_ACTIVITY, (session.conn.get_backend_pid(),))
            return cursor.fetchone()

    def test_the_lock_is_tried_on_one_session_which_then_keeps_it(self):
        leader = self.lead()
        self.assertEqual(self.activity(leader), ("idle in transaction", False))
        with closing(LeaderLock(self.db_name)) as standby:
            pid = standby.conn.get_backend_pid()
            for _number in range(3):
                with self.assertRaises(MasterElectionLost):
                    standby.acquire()
                self.assertEqual(self.activity(standby), ("idle", True))
            leader.close()
            deadline = time.monotonic() + TAKE_OVER
            while time.monotonic() < deadline:  # its session ends in a moment
                try:
                    standby.acquire()
                    break
                except MasterElectionLost:
                    readable([], 0.02)
            with closing(Database(self.db_name, standby)) as database:
                database.confirm_leadership()
                self.assertEqual(database.leader_conn.get_backend_pid(), pid)
            self.assertTrue(standby.conn.closed)

    def test_it_opens_no_sessions_while_it_stands_by_and_takes_over_in_time(self):
        leader = self.lead()
        loop, runner = self.start()
        tries = 3
        self.assertFalse(runner.begun.wait((tries + 0.5) * ELECTION_INTERVAL))
        self.assertEqual(self.opened, 3, "two for the first try, one to stand by")
        self.assertFalse(runner.begun.wait(tries * ELECTION_INTERVAL))
        self.assertEqual(self.opened, 3, "none: there were two for each second")
        self.assertEqual(self.activity(loop._standby), ("idle", True))
        leader.close()
        begun = time.monotonic()
        self.assertTrue(runner.begun.wait(TAKE_OVER))
        self.assertLess(time.monotonic() - begun, TAKE_OVER)
        self.assertEqual(self.opened, 4, "one for its statements")
        self.assertIsNone(loop._standby)

    def test_a_standby_whose_session_ends_stands_by_again(self):
        leader = self.lead()
        loop, runner = self.start()
        deadline = time.monotonic() + TAKE_OVER
        while loop._standby is None and time.monotonic() < deadline:
            readable([], 0.02)
        pid = loop._standby.conn.get_backend_pid()
        logger = "odoo.addons.queue_job.jobrunner.session.reconnect"
        with self.assertLogs(logger, "WARNING"):
            with closing(connection.connect(self.db_name)) as conn:
                with conn.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
            while time.monotonic() < deadline:
                standby = loop._standby
                if standby and standby.conn.get_backend_pid() != pid:
                    break
                readable([], 0.02)
        self.assertNotEqual(loop._standby.conn.get_backend_pid(), pid)
        leader.close()
        self.assertTrue(runner.begun.wait(TAKE_OVER))

    def test_a_stop_ends_the_session(self):
        self.lead()
        loop, _runner = self.start()
        deadline = time.monotonic() + TAKE_OVER
        while loop._standby is None and time.monotonic() < deadline:
            readable([], 0.02)
        standby = loop._standby
        loop.stop()
        loop.join(TAKE_OVER)
        self.assertFalse(loop.is_alive())
        self.assertTrue(standby.conn.closed)


@tagged("post_install", "-at_install")
class TestManyDatabases(BaseCase):
    def test_descriptors_beyond_those_of_select(self):
        """As with some 250 databases: the loop waits, wakes up, and leads."""
        with many_descriptors(), closing(Database(get_db_name())) as database:
            self.assertGreaterEqual(database.conn.fileno(), FD_SETSIZE)
            self.assertGreaterEqual(database.leader_conn.fileno(), FD_SETSIZE)
            with closing(Inbox()) as inbox:
                self.assertGreaterEqual(inbox.fileno(), FD_SETSIZE)
                leadership = Leadership(
                    database, FakeRunner(), inbox, statistics=None, slot_grace=None
                )
                begun = time.monotonic()
                timers = leadership._timers
                timers.poll = timers.heartbeat = timers.flush = begun + 60
                timers.scan = begun + 60
                leadership._round_is_wanted = False
                threading.Timer(0.1, inbox.wake).start()
                leadership._wait()
                self.assertTrue(leadership._round_is_wanted, "it was woken")
                database.execute("NOTIFY queue_job, 'jobs'")
                leadership._wait()
                inbox.sleep(0.05)
                self.assertLess(time.monotonic() - begun, 30, "nothing was slept over")
