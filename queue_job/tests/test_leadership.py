# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One leadership of a database, step by step, and the loop around it."""

import select
import time
from contextlib import closing, contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import psycopg2

from odoo.tests import BaseCase, TransactionCase, tagged

from ..core.states import DONE, ENQUEUED, PENDING
from ..jobrunner import leader_loop
from ..jobrunner.dispatch.dispatcher import Answer
from ..jobrunner.inbox import Inbox
from ..jobrunner.leader_loop import INSTALL_INTERVAL, DatabaseLoop
from ..jobrunner.leadership import Leadership
from ..jobrunner.schedule.slot_grace import SlotGrace
from ..jobrunner.schedule.slots import SharedSlots
from ..jobrunner.schedule.worker_pools import PoolSizes
from ..jobrunner.session.config import RunnerConfig
from ..jobrunner.session.database import Database, MasterElectionLost, connect
from ..jobrunner.session.worker_limit import NO_LIMIT
from ..monitoring.statistics import Statistics

CAPACITY = 2


class TestNotifications(TransactionCase):
    """A notification that comes with the answer to a statement is not slept over."""

    def test_it_comes_with_the_answer_to_a_statement(self):
        database = Database.__new__(Database)
        with closing(connect(self.env.cr.dbname)) as database.conn:
            database.execute("LISTEN queue_job_with_an_answer")
            self.assertFalse(database.has_notifications)
            database.execute("NOTIFY queue_job_with_an_answer, 'jobs'")
            readable, _w, _x = select.select([database.conn], [], [], 0)
            self.assertFalse(readable)
            self.assertTrue(database.has_notifications)
            self.assertEqual(database.notifications(), {"jobs"})
            self.assertFalse(database.has_notifications)

    def test_the_leadership_does_not_wait_then(self):
        leadership = Leadership.__new__(Leadership)
        leadership.database = SimpleNamespace(has_notifications=True)
        leadership._wait()  # it has no other attribute that a sleep would need


class FakeDatabase:
    """The runner's session, in the transaction of the test."""

    has_notifications = True  # so that no step waits

    def __init__(self, cr):
        self.cr = cr
        self.db_name = cr.dbname
        self.conn = cr._cnx
        self.payloads = set()

    def notifications(self):
        payloads, self.payloads = self.payloads, set()
        return payloads

    def execute(self, query, params=None):
        self.cr.execute(query, params)
        return self.cr.rowcount

    def rows(self, query, params=None):
        self.cr.execute(query, params)
        return self.cr.dictfetchall()

    rows_again = rows

    def value(self, query, params=None):
        self.cr.execute(query, params)
        row = self.cr.fetchone()
        return row and row[0]

    @contextmanager
    def cursor(self):
        yield self.cr

    def confirm_leadership(self):
        """The test's session lives."""

    def ping(self, payload):
        self.payloads.add(payload)


class FakeRunner:
    def __init__(self):
        self.config = RunnerConfig(channels=f"root:{CAPACITY}")
        self.shared_slots = SharedSlots()
        self.root_capacity = 1
        self.pool_sizes = PoolSizes()
        self.thread_dispatcher = None
        self.worker_limit = NO_LIMIT
        self.loops = {}
        self.sent = []
        self.dispatcher = SimpleNamespace(send=self.send)
        self.led = []
        self.ready = self.led.append

    def send(self, lease, key, callback):
        self.sent.append(lease)


@tagged("post_install", "-at_install")  # no jobs start during an installation
class TestLeadership(TransactionCase):
    def setUp(self):
        super().setUp()
        # whatever the database holds is none of this test's business
        self.env.cr.execute("DELETE FROM queue_job")
        self.env.cr.execute("DELETE FROM queue_job_runner")
        self.partner = self.env["res.partner"].create({"name": "Ada"})
        self.runner = FakeRunner()
        self.inbox = Inbox()
        self.addCleanup(self.inbox.close)
        self.database = FakeDatabase(self.env.cr)
        self.leadership = self.lead()

    def lead(self):
        leadership = Leadership(
            self.database, self.runner, self.inbox, Statistics(), SlotGrace()
        )
        leadership.begin()
        return leadership

    def delay(self, **options):
        job = self.partner.with_delay(**options).write({"ref": "1"}).db_record()
        self.env.flush_all()
        return job

    def step(self, *payloads):
        self.database.payloads.update(payloads)
        self.leadership.step()
        self.env.invalidate_all()

    def free(self):
        return self.leadership.manager.free_slots()

    def test_a_notification_starts_a_round(self):
        self.step()
        job = self.delay()
        self.step()
        self.assertEqual(job.state, PENDING, "nobody has sent a notification")
        self.step("jobs")
        self.assertEqual(job.state, ENQUEUED)
        (lease,) = self.runner.sent
        self.assertEqual((lease.job_id, lease.runner), (job.id, self.epoch()))
        self.assertEqual(self.free(), CAPACITY - 1)

    def epoch(self):
        self.env.cr.execute("SELECT uuid FROM queue_job_runner WHERE leader")
        ((uuid,),) = self.env.cr.fetchall()
        return uuid

    def test_a_report_frees_the_slot_and_starts_the_next_round(self):
        jobs = [self.delay() for _number in range(CAPACITY + 1)]
        self.step()
        self.assertEqual(len(self.runner.sent), CAPACITY)
        self.assertEqual(jobs[-1].state, PENDING)
        jobs[0].state = DONE
        self.env.flush_all()
        self.inbox.put(Answer(self.runner.sent[0], report={"outcomes": []}))
        self.step()
        self.assertEqual(len(self.runner.sent), CAPACITY + 1)
        self.assertEqual(jobs[-1].state, ENQUEUED)

    def test_no_round_while_no_worker_takes_the_leases(self):
        job = self.delay()
        self.step()
        self.inbox.put(Answer(self.runner.sent[0], unreachable=True, error="refused"))
        job.state = PENDING
        self.env.flush_all()
        self.step("jobs")
        self.assertEqual(len(self.runner.sent), 1, "the pause isn't over")
        self.assertEqual(self.free(), CAPACITY)

    def test_a_broken_lease_begins_an_epoch(self):
        self.delay()
        self.step()
        before = self.epoch()
        self.inbox.put(Answer(self.runner.sent[0], error="reset by peer"))
        logger = "odoo.addons.queue_job.jobrunner.leadership"
        with self.assertLogs(logger, "WARNING") as logs:
            self.step()
        self.assertIn("looking after its jobs", logs.output[0])
        self.assertNotEqual(self.epoch(), before)

    def test_a_copy_runs_no_jobs(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("queue_job.database_uuid", "of another database")
        self.env.flush_all()
        with self.assertLogs("odoo.addons.queue_job.jobrunner", "WARNING") as logs:
            self.leadership = self.lead()
        self.assertIn("is a copy", logs.output[0])
        job = self.delay()
        self.step()
        self.assertEqual((job.state, self.runner.sent), (PENDING, []))
        self.assertEqual(self.leadership.identity.obstacle, "copy")

    def test_nothing_starts_before_the_first_scan(self):
        """A step may take longer than the moment that is left to the last leader."""
        job = self.delay()
        leadership = self.leadership
        leadership._timers.scan = time.monotonic() + 60
        leadership._timers.not_before = 0.0
        self.step("jobs")
        self.assertEqual((job.state, self.runner.sent), (PENDING, []))
        leadership._timers.scan = 0.0
        self.step()
        self.assertEqual(job.state, ENQUEUED)

    def test_what_can_not_be_claimed_is_tried_again_later(self):
        """A drain that is committed between the look and the claim, say."""
        job = self.delay()
        self.step()
        job.state = PENDING
        self.env.flush_all()
        self.env.cr.execute("UPDATE queue_job_runner SET drained = TRUE")
        self.leadership._timers.heartbeat = time.monotonic() + 60
        self.step("jobs")  # and it ends
        self.assertEqual(job.state, PENDING)
        self.assertLess(self.leadership._timers.due - time.monotonic(), 1.1)
        self.leadership._timers.heartbeat = 0.0  # no parameter says that it is drained
        self.step("jobs")
        self.assertEqual(job.state, ENQUEUED)

    def test_a_dead_job_that_is_being_settled_stops_its_line(self):
        self.env["queue.job.channel"].create(
            {
                "name": "line",
                "parent_id": self.env.ref("queue_job.channel_root").id,
                "capacity": 1,
                "sequential": True,
            }
        )
        self.env.flush_all()
        self.leadership.live_channels.put_in_force()
        dead, following = (self.delay(channel="root.line") for _number in range(2))
        dead.state = "started"
        dead.lease_id = 4711
        self.env.flush_all()
        self.leadership.leases._finalizations.add(4711)
        self.step("jobs")
        self.assertEqual(following.state, PENDING)
        self.leadership.leases._finalizations.clear()
        dead.state = DONE
        self.env.flush_all()
        self.step("jobs")
        self.assertEqual(following.state, ENQUEUED)

    def test_an_orphan_that_starts_meanwhile_keeps_its_slot(self):
        job = self.delay()
        self.step()
        row = {"id": job.id, "lease_id": 99, "uuid": job.uuid, "state": ENQUEUED}
        row.update(channel="root", priority=10, date_created=0, claim_token=1)
        job.state = "started"
        self.env.flush_all()
        self.assertEqual(self.leadership.reaper._return_orphans([row]), set())

    def test_the_next_leader_takes_over(self):
        self.step()
        self.lead()
        self.leadership._timers.heartbeat = 0.0
        with self.assertRaises(MasterElectionLost):
            self.step()

    def test_who_resigns_gives_claims_back(self):
        job = self.delay()
        self.step()
        self.leadership.resign()
        self.env.invalidate_all()
        self.assertEqual(job.state, PENDING)
        self.env.cr.execute("SELECT count(*) FROM queue_job_runner")
        self.assertEqual(self.env.cr.fetchone(), (0,))


class FakeConnection:
    """What `Database` is for the loop."""

    def __init__(self, loop, is_current=True):
        self.loop = loop
        self.db_name = "db"
        self.has_queue_job = self.is_current = is_current
        self.closed = False

    def close(self):
        self.closed = True


class FakeLeadership:
    """Ends after its first step: the connection is lost, or the loop is stopped."""

    def __init__(self, database, runner, inbox, statistics, slot_grace):
        self.database = database
        self.inbox = inbox
        self.manager = object()
        self.calls = []
        runner.made.append(self)

    def begin(self):
        self.calls.append("begin")

    def step(self):
        self.calls.append("step")
        if len(self.database.loop.runner.made) == 1:
            raise psycopg2.OperationalError("gone")
        self.inbox.stop()

    def resign(self):
        self.calls.append("resign")

    def close(self):
        self.calls.append("close")


class TestLoop(BaseCase):
    def setUp(self):
        super().setUp()
        self.runner = FakeRunner()
        self.runner.made = []
        self.loop = DatabaseLoop("db", self.runner)
        self.connections = []
        self.waits = []
        self.startPatcher(patch.object(leader_loop, "Database", self.connect))
        self.startPatcher(patch.object(leader_loop, "Leadership", FakeLeadership))
        self.startPatcher(patch.object(self.loop._inbox, "sleep", self.waits.append))
        self.kept = []
        self.startPatcher(
            patch.object(
                self.loop._slot_grace, "hold", lambda manager, now: self.keep(manager)
            )
        )
        self.is_current = True

    def connect(self, _name, _lock=None):
        connection = FakeConnection(self.loop, self.is_current)
        self.connections.append(connection)
        return connection

    def keep(self, manager):
        self.kept.append(manager)
        if not self.is_current:
            self.loop.stop()

    def test_it_leads_again_after_an_error_until_it_is_stopped(self):
        logger = "odoo.addons.queue_job.jobrunner.session.reconnect"
        with self.assertLogs(logger, "WARNING"):
            self.loop.run()
        lost, stopped = self.runner.made
        self.assertEqual(lost.calls, ["begin", "step", "close"])
        self.assertEqual(stopped.calls, ["begin", "step", "resign", "close"])
        self.assertEqual(self.kept, [lost.manager, stopped.manager])
        self.assertEqual(self.waits, [0.5, 0.0])
        self.assertEqual(self.runner.led, ["db", "db"])
        self.assertTrue(all(each.closed for each in self.connections))

    def test_it_waits_for_the_installation(self):
        self.is_current = False
        self.loop.run()
        self.assertEqual(self.waits, [INSTALL_INTERVAL])
        self.assertEqual((self.runner.made, self.kept), ([], [None]))
        self.assertTrue(self.connections[0].closed)
