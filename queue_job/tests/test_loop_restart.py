# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The threads of the runner go on after an error in any of their functions.

A run without an error shows which functions there are. Then each of them gets an error,
in a run of its own, and the thread has to be back within five seconds.
"""

import socket
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from odoo.tests import BaseCase, TransactionCase, tagged
from odoo.tools import mute_logger

from .. import jobrunner
from ..jobrunner import keep_running, leader_loop, runner
from ..jobrunner.dispatch.dispatcher import Answer
from ..jobrunner.leader_loop import DatabaseLoop
from ..jobrunner.leadership import Leadership
from ..jobrunner.runner import QueueJobRunner
from ..jobrunner.session import queries, reconnect
from ..jobrunner.session.config import RunnerConfig
from ..jobrunner.session.leader_lock import MasterElectionLost
from .test_leadership import FakeDatabase, FakeRunner

HERE = str(Path(jobrunner.__file__).parent)

#: Seconds within which a thread is back.
BACK = 5.0

#: The pause of the first try is not waited for in each of many runs.
SHORT = 0.01
SAVED = keep_running.FIRST

#: Steps of the loop in a run, and after an error.
STEPS = 4

LOGGERS = (
    "odoo.addons.queue_job.jobrunner.keep_running",
    "odoo.addons.queue_job.jobrunner.leadership",
    "odoo.addons.queue_job.jobrunner.runner",
    "odoo.addons.queue_job.jobrunner.session.reconnect",
)


class Injected(Exception):
    """The error of these tests."""


def is_ours(code):
    """Whether it is a function of the runner that may be called by its thread."""
    return code.co_filename.startswith(HERE) and not code.co_name.startswith("<")


def functions_of(run):
    """The code of each function of the runner that is called, in order."""
    found = {}

    def note(frame, event, _argument):
        if event == "call" and is_ours(frame.f_code):
            found.setdefault(frame.f_code)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return list(found)


def inject(code, run, on_error):
    """Run with an error in the first call of a function; the next ones are good."""

    def strike(frame, event, _argument):
        if event == "call" and frame.f_code is code:
            sys.setprofile(None)
            on_error()
            raise Injected(code.co_qualname if hasattr(code, "co_qualname") else "")

    sys.setprofile(strike)
    try:
        run()
    finally:
        sys.setprofile(None)


class LoopDatabase(FakeDatabase):
    """Waits for two sockets instead of two sessions."""

    has_notifications = False

    def __init__(self, cr):
        super().__init__(cr)
        self.has_queue_job = self.is_current = True
        self.conn, self.leader_conn = socket.socketpair()

    def close(self):
        self.conn.close()
        self.leader_conn.close()


class FakeLock:
    """Another runner leads, until the second try."""

    def __init__(self, _db_name):
        self.tries = 0

    def acquire(self):
        self.tries += 1
        if self.tries == 1:
            raise MasterElectionLost("another one leads")

    def close(self):
        """There is no session."""


@tagged("post_install", "-at_install")
class TestLoop(TransactionCase):
    def setUp(self):
        super().setUp()
        # hundreds of runs would look at the dead rows of all tests before
        self.env.cr.execute("TRUNCATE queue_job CASCADE")
        self.partner = self.env["res.partner"].create({"name": "Ada"})
        for where, name, value in (
            (keep_running, "FIRST", SHORT),
            (reconnect, "FIRST", SHORT),
            (leader_loop, "ELECTION_INTERVAL", SHORT),
            (leader_loop, "Database", self.connect),
            (leader_loop, "LeaderLock", FakeLock),
            (leader_loop, "Leadership", self.leadership()),
        ):
            patcher = patch.object(where, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def connect(self, _db_name, lock=None):
        if lock is None:
            raise MasterElectionLost("stand by first")
        return LoopDatabase(self.env.cr)

    def leadership(test):
        class Counted(Leadership):
            """Counts its steps, gets answers, and is stopped after a few of them."""

            def step(self):
                self.inbox.wake()
                self.scan_now()
                super().step()
                test.steps.append(time.monotonic())
                for lease in test.runner.sent[test.answered :]:
                    test.answered += 1
                    self.inbox.put(Answer(lease, report={"seconds": 0.0}))
                after = [when for when in test.steps if when > test.struck]
                if len(after) == STEPS:
                    test.loop.stop()

        return Counted

    def run_loop(self):
        """A life of the loop: it stands by, leads, grants leases, and is stopped."""
        self.loop.run()

    def prepare(self):
        queries.candidates.cache_clear()  # or only the first run would call it
        self.env.cr.execute("DELETE FROM queue_job")
        self.partner.with_delay().write({"ref": "1"})
        self.env.flush_all()
        self.runner = FakeRunner()
        self.steps, self.answered, self.struck = [], 0, 0.0
        self.loop = DatabaseLoop("db", self.runner)

    def strike(self):
        self.struck = time.monotonic()
        self.stopped_before = self.loop._inbox.is_stopped

    @mute_logger(*LOGGERS)
    def test_an_error_in_any_function(self):
        self.prepare()
        codes = functions_of(self.run_loop)
        names = {code.co_name for code in codes}
        expected = {"_connect", "_stand_by", "_lock", "_lead", "begin", "_heartbeat"}
        expected |= {"_dispatch", "_claim", "_close_lease", "scan", "readable", "sleep"}
        self.assertLess(expected, names, "the run shows the whole loop")
        for code in codes:
            if code.co_name in ("run", "keep_running"):
                continue  # what nobody can catch: the next test
            with self.subTest(file=code.co_filename[len(HERE) :], name=code.co_name):
                self.prepare()
                try:
                    inject(code, self.run_loop, self.strike)
                except Injected:
                    self.assertTrue(self.stopped_before, "it ends anyway")
                self.assertTrue(self.struck, "the error was raised")
                self.assert_is_back()

    def assert_is_back(self):
        if self.stopped_before:
            return
        self.assertEqual(self.runner.shared_slots.held("db"), 0)
        after = [when for when in self.steps if when > self.struck]
        self.assertGreaterEqual(len(after), STEPS)
        self.assertLess(after[0] - self.struck + SAVED, BACK)


class FakeLoop:
    """A loop whose thread may be dead."""

    def __init__(self, db_name, _runner):
        self.db_name, self.calls = db_name, Counter()
        self.alive = True

    def is_alive(self):
        return self.alive

    def __getattr__(self, name):
        return lambda *_args: self.calls.update([name])


class TestRunner(BaseCase):
    def setUp(self):
        super().setUp()
        for where, name, value in (
            (keep_running, "FIRST", SHORT),
            (runner, "DatabaseLoop", FakeLoop),
            (runner, "DISCOVERY_INTERVAL", SHORT),
            (runner, "ERROR_RECOVERY_DELAY", SHORT),
            (runner, "WATCHDOG_INTERVAL", SHORT),
        ):
            patcher = patch.object(where, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.struck, self.rounds = 0.0, []

    def make(self):
        self.runner = QueueJobRunner(config=RunnerConfig())
        self.rounds = []

    def count(self):
        """Note a round of the thread, and stop it after some."""
        self.rounds.append(time.monotonic())
        after = [when for when in self.rounds if when > self.struck]
        if len(after) == STEPS:
            self.runner.stop()

    def serve(self):
        with patch.object(self.runner, "get_db_names", self.names):
            keep_running.keep_running(
                "the job runner", self.runner._find_databases, self.runner._stop_event
            )

    def names(self):
        self.count()
        return ["a", "b"]

    def watch(self):
        loop = SimpleNamespace(break_if_stuck=self.count, stop=lambda: None)
        self.runner.loops = {"a": loop}
        keep_running.keep_running(
            "the watchdog", self.runner._watch_connections, self.runner._stop_event
        )

    def strike(self):
        self.struck = time.monotonic()

    @mute_logger(*LOGGERS)
    def test_an_error_in_any_function(self):
        for run, expected in (
            (
                self.serve,
                {"_find_databases", "initialize_databases", "sleep", "_drop_dead"},
            ),
            (self.watch, {"_watch_connections"}),
        ):
            self.struck = 0.0
            self.make()
            codes = functions_of(run)
            self.assertLess(expected, {code.co_name for code in codes})
            for code in codes:
                if code.co_name in ("keep_running", "stop"):
                    continue  # around it, and after it
                with self.subTest(run=run.__name__, name=code.co_name):
                    self.struck = 0.0
                    self.make()
                    inject(code, run, self.strike)
                    after = [when for when in self.rounds if when > self.struck]
                    self.assertTrue(self.struck)
                    self.assertGreaterEqual(len(after), STEPS)
                    self.assertLess(after[0] - self.struck + SAVED, BACK)

    def test_a_dead_thread_is_replaced(self):
        self.make()
        with patch.object(self.runner, "get_db_names", lambda: ["a"]):
            self.runner.initialize_databases()
            dead = self.runner.loops["a"]
            dead.alive = False
            with self.assertLogs(runner.__name__, "ERROR") as logs:
                self.runner.initialize_databases()
        self.assertIn("a: the thread of its loop is dead", logs.output[0])
        self.assertIsNot(self.runner.loops["a"], dead)
        self.assertEqual(self.runner.loops["a"].calls, {"start": 1})

    def test_a_thread_that_cannot_start_is_tried_again(self):
        self.make()
        error = RuntimeError("can't start new thread")
        with patch.object(self.runner, "get_db_names", lambda: ["a"]):
            with patch.object(FakeLoop, "start", side_effect=error, create=True):
                with self.assertRaises(RuntimeError):
                    self.runner.initialize_databases()
            self.runner.initialize_databases()
        self.assertEqual(self.runner.loops["a"].calls, {"start": 1})
