# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who holds a slot: open leases, suspect ones, leases of others."""

import time
from unittest.mock import patch

from odoo.tests import BaseCase

from odoo.addons.queue_job.jobrunner.channels import ChannelManager
from odoo.addons.queue_job.jobrunner.dispatch.dispatcher import Answer
from odoo.addons.queue_job.jobrunner.dispatch.lease_registry import (
    TOO_OLD,
    LeaseRegistry,
)
from odoo.addons.queue_job.jobrunner.recovery import reaper
from odoo.addons.queue_job.jobrunner.recovery.liveness import SCAN_INTERVAL
from odoo.addons.queue_job.jobrunner.recovery.reaper import EPOCH_GRACE, Reaper
from odoo.addons.queue_job.jobrunner.recovery.sweeps import Sweeps
from odoo.addons.queue_job.jobrunner.schedule.worker_pools import PoolSizes
from odoo.addons.queue_job.jobrunner.session import queries
from odoo.addons.queue_job.storage import odd_rows

CAPACITY = 2
ROW = {
    "id": 1,
    "uuid": "job-1",
    "channel": "root",
    "priority": 10,
    "date_created": 0,
    "state": "started",
    "claim_token": 1,
    "retry": 0,
    "max_retries": 5,
    "timeout": 0,
    "running_seconds": 0.1,
    "enqueued_seconds": 0.1,
    "signal": None,
    "settling": False,
    "backend_pid": 99,
}


class FakeDispatcher:
    def __init__(self):
        self.sent = []

    def send(self, lease, key, callback):
        self.sent.append(lease)


class FakeDatabase:
    """Answers the reaper's scan; nobody waits for parents here."""

    db_name = "db"

    def __init__(self):
        self.in_flight = []
        self.living = []
        self.executed = []

    @property
    def conn(self):
        raise AssertionError("the sweep is not part of this test")

    def rows(self, query, params=None):
        if query == queries.LIVE_LEASES:
            return [{"lease_id": lease_id} for lease_id in self.living]
        assert query == queries.IN_FLIGHT
        return self.in_flight

    def value(self, query, params=None):
        assert query == odd_rows.FIRST_OF_PAGE

    def execute(self, query, params=None):
        self.executed.append((query, params))
        return 0


class TestSlots(BaseCase):
    def setUp(self):
        super().setUp()
        self.manager = ChannelManager()
        self.manager.simple_configure(f"root:{CAPACITY}")
        self.dispatcher = FakeDispatcher()
        self.leases = LeaseRegistry(
            "db", b"key", self.dispatcher, self.manager, lambda answer: None, "epoch 1"
        )
        self.database = FakeDatabase()
        self.reaper = Reaper(self.database, self.manager, self.leases)
        for sweep, found in (("_release_children", None), ("_admit", False)):
            self.startPatcher(patch.object(Sweeps, sweep, return_value=found))
        self.lease_id = self.leases.new_id()
        self.leases.grant(ROW, self.lease_id, 1, ["root"])

    def taken(self):
        return CAPACITY - self.manager.free_slots()

    def answer(self, **values):
        self.assertTrue(self.leases.close(Answer(self.dispatcher.sent[-1], **values)))

    def scan(self, now, *rows):
        self.database.in_flight = [{**ROW, **row} for row in rows]
        return self.reaper.scan(now)

    def epochs(self):
        executed = self.database.executed
        return [params for query, params in executed if query is queries.NEW_EPOCH]

    def test_a_report_frees_the_slot(self):
        self.assertEqual(self.taken(), 1)
        self.answer(report={"seconds": 0.0})
        self.assertEqual(self.taken(), 0)
        self.scan(0.0)
        self.assertFalse(self.epochs())

    def test_nobody_took_the_request(self):
        self.answer(unreachable=True)
        self.assertEqual(self.taken(), 0)

    def test_a_broken_lease_keeps_its_slot_while_a_job_of_it_runs(self):
        """Also between two scans, and no further job can be claimed for it."""
        self.answer(error="connection reset")
        self.assertEqual(self.taken(), 1)
        wait, _freed = self.scan(100.0, {"lease_id": self.lease_id})
        self.assertLessEqual(wait, EPOCH_GRACE)
        self.assertEqual(self.epochs(), [{"old": "epoch 1", "new": self.leases.epoch}])
        for seconds in (EPOCH_GRACE, 1.0, 60.0):
            self.scan(100.0 + seconds, {"lease_id": self.lease_id})
            self.assertEqual(self.taken(), 1)
        _wait, freed = self.scan(200.0)
        self.assertEqual((self.taken(), freed), (0, True))

    def test_a_claim_that_was_under_way_is_seen(self):
        """Nothing in flight in the first scan may mean: between two jobs."""
        self.answer(error="connection reset")
        self.scan(100.0)
        self.assertEqual(self.taken(), 1)
        self.scan(
            100.0 + EPOCH_GRACE, {"lease_id": self.lease_id, "id": 2, "uuid": "2"}
        )
        self.assertEqual(self.taken(), 1)
        self.scan(103.0)
        self.assertEqual(self.taken(), 0)

    def test_a_dead_worker_gives_the_slot_back_soon(self):
        self.answer(error="connection reset")
        self.scan(100.0)
        _wait, freed = self.scan(100.0 + EPOCH_GRACE)
        self.assertEqual((self.taken(), freed), (0, True))

    def test_a_request_that_is_stuck_takes_no_further_jobs(self):
        with self.assertLogs(
            "odoo.addons.queue_job.jobrunner.recovery.reaper", "WARNING"
        ):
            self.scan(100.0)
            self.scan(100.0 + SCAN_INTERVAL)
        now = 100.0 + SCAN_INTERVAL + EPOCH_GRACE
        self.scan(now)
        self.assertEqual((self.taken(), len(self.epochs())), (1, 1))
        self.scan(now + EPOCH_GRACE)
        self.assertEqual(self.taken(), 0)
        self.assertFalse(self.leases.close(Answer(self.dispatcher.sent[-1])))

    def test_a_lease_that_is_between_two_jobs_goes_on(self):
        self.database.living = [self.lease_id]
        for number in range(3):
            self.scan(100.0 + number * SCAN_INTERVAL)
        self.assertEqual((self.taken(), self.epochs()), (1, []))

    def test_a_lease_of_another_runner_counts_once(self):
        rows = ({"lease_id": 7}, {"lease_id": 7, "id": 2, "state": "enqueued"})
        self.scan(100.0, *rows, {"lease_id": self.lease_id, "id": 3})
        self.assertEqual(self.taken(), 2)

    def grant(self):
        """Grant a lease in a channel with a rate; return how many it may start."""
        row = {**ROW, "channel": "root.rated"}
        self.leases.grant(row, self.leases.new_id(), 2, ["root.rated"])
        return self.dispatcher.sent[-1].starts

    def report(self, count, seconds=0.05):
        outcomes = [
            {"at": number * seconds, "seconds": seconds} for number in range(count)
        ]
        seconds *= count
        self.answer(report={"seconds": seconds}, outcomes=outcomes)

    def rated_slots(self):
        self.manager.simple_configure(f"root:{CAPACITY},rated:0:rate=9/60")
        self.answer(report={"seconds": 0.0})
        channel = self.manager.get_channel_by_name("rated")
        return lambda: channel.free_slots("db", time.time())

    def test_a_lease_reserves_as_many_starts_as_its_jobs_are_short(self):
        left = self.rated_slots()
        self.assertEqual((self.grant(), left()), (1, 9))
        self.report(1, seconds=0.05)
        self.assertEqual((self.grant(), left()), (5, 5))
        self.report(2)
        self.assertEqual(left(), 8, "what it has not used is given back")
        self.grant()
        self.report(1, seconds=60.0)
        self.assertEqual(self.grant(), 1)

    def test_a_rate_is_kept_when_a_lease_is_lost(self):
        left = self.rated_slots()
        self.grant()
        self.report(1)
        self.grant()
        self.answer(error="connection reset")
        self.assertEqual(left(), 5)
        for now in (100.0, 100.0 + EPOCH_GRACE, 103.0):
            self.scan(now)
        self.assertEqual((self.taken(), left()), (0, 5), "all four count as used")

    def test_nobody_took_a_lease_with_reserved_starts(self):
        left = self.rated_slots()
        self.grant()
        self.report(1)
        self.grant()
        self.answer(unreachable=True)
        self.assertEqual(left(), 9)

    def test_what_a_lease_with_a_long_job_has_reserved_is_for_others(self):
        left = self.rated_slots()
        self.grant()
        self.report(1)
        self.grant()
        lease_id = self.dispatcher.sent[-1].id
        self.scan(100.0, {"lease_id": lease_id, "running_seconds": 3.0})
        self.assertEqual(left(), 5)
        _wait, freed = self.scan(
            102.0, {"lease_id": lease_id, "running_seconds": TOO_OLD + 0.1}
        )
        self.assertEqual((left(), freed), (9, True))
        names = [each.fullname for each, _rate in self.manager.uncounted_rates()]
        self.assertEqual(names, ["root.rated"])

    def test_later_leases_are_of_the_new_epoch(self):
        self.answer(error="connection reset")
        self.scan(100.0)
        self.leases.grant(ROW, self.leases.new_id(), 2, ["root"])
        runners = [lease.runner for lease in self.dispatcher.sent]
        self.assertEqual(runners, ["epoch 1", self.leases.epoch])


class TestThreads(BaseCase):
    """Leases of channels with threads, on a server that has some."""

    def setUp(self):
        super().setUp()
        self.dispatcher, self.database = FakeDispatcher(), FakeDatabase()
        sizes = PoolSizes(alone=CAPACITY, threads=CAPACITY)
        self.manager = ChannelManager(root_capacity=9, pool_sizes=sizes)
        self.manager.simple_configure("root:9,api:0:threads")
        self.threads = FakeDispatcher()
        self.leases = LeaseRegistry(
            "db",
            b"key",
            self.dispatcher,
            self.manager,
            lambda answer: None,
            "epoch 1",
            self.threads,
        )
        self.reaper = Reaper(self.database, self.manager, self.leases)

    def grant_in(self, channel):
        lease_id = self.leases.new_id()
        row = {**ROW, "channel": channel}
        self.leases.grant(row, lease_id, 1, [channel])
        return lease_id

    def test_each_lease_goes_to_its_pool(self):
        alone, api = self.grant_in("root.other"), self.grant_in("root.api.shop")
        self.assertEqual([lease.id for lease in self.dispatcher.sent], [alone])
        self.assertEqual([lease.id for lease in self.threads.sent], [api])
        self.assertTrue(self.leases.is_in_threads(api))
        self.leases.close(Answer(self.threads.sent[0], report={"seconds": 0}))
        self.assertFalse(self.leases.is_in_threads(api), "it is forgotten")

    def test_a_dead_job_is_settled_in_a_process_of_its_own(self):
        row = {**ROW, "channel": "root.api"}
        self.leases.grant_finalization(row, self.leases.new_id(), 1, "dead")
        self.assertEqual((len(self.dispatcher.sent), self.threads.sent), (1, []))

    def test_a_worker_that_runs_other_jobs_is_not_killed(self):
        for channel, killed in (("root.other", 1), ("root.api", 0)):
            row = {
                **ROW,
                "lease_id": self.grant_in(channel),
                "worker_host": "here",
                "worker_pid": 7,
            }
            with (
                self.subTest(channel=channel),
                patch.object(reaper, "end_sibling", return_value=True) as end,
                self.assertLogs(reaper.__name__, "WARNING") as logs,
            ):
                self.reaper._end_stuck([row])
                self.reaper._stuck.clear()
            self.assertEqual(end.call_count, killed)
            told = "the worker is killed" if killed else "other jobs of the worker"
            self.assertIn(told, logs.output[0])
