# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who holds a slot: open leases, broken ones, leases of others."""

from unittest.mock import patch

from odoo.tests import BaseCase

from odoo.addons.queue_job.jobrunner.dispatch.dispatcher import Answer
from odoo.addons.queue_job.jobrunner.dispatch.lease_registry import LeaseBook
from odoo.addons.queue_job.jobrunner.recovery.liveness import LOOK_INTERVAL
from odoo.addons.queue_job.jobrunner.recovery.reaper import LINGER, Caretaker
from odoo.addons.queue_job.jobrunner.schedule.channel_manager import ChannelManager
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
    """Answers the caretaker's look; nobody waits for parents here."""

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
        assert query == queries.LOOK
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
        self.book = LeaseBook(
            "db", b"key", self.dispatcher, self.manager, lambda answer: None, "term 1"
        )
        self.database = FakeDatabase()
        self.caretaker = Caretaker(self.database, self.manager, self.book)
        for sweep, found in (("_sweep_releases", None), ("_sweep_keys", False)):
            self.startPatcher(patch.object(Caretaker, sweep, return_value=found))
        self.lease_id = self.book.new_id()
        self.book.grant(ROW, self.lease_id, 1, ["root"])

    def taken(self):
        return CAPACITY - self.manager.free_slots()

    def answer(self, **values):
        self.assertTrue(self.book.close(Answer(self.dispatcher.sent[-1], **values)))

    def look(self, now, *rows):
        self.database.in_flight = [{**ROW, **row} for row in rows]
        return self.caretaker.look(now)

    def terms(self):
        executed = self.database.executed
        return [params for query, params in executed if query is queries.NEW_TERM]

    def test_a_report_frees_the_slot(self):
        self.assertEqual(self.taken(), 1)
        self.answer(report={"outcomes": []})
        self.assertEqual(self.taken(), 0)
        self.look(0.0)
        self.assertFalse(self.terms())

    def test_nobody_took_the_request(self):
        self.answer(unreachable=True)
        self.assertEqual(self.taken(), 0)

    def test_a_broken_lease_keeps_its_slot_while_a_job_of_it_runs(self):
        """Also between two looks, and no further job can be claimed for it."""
        self.answer(error="connection reset")
        self.assertEqual(self.taken(), 1)
        wait, _freed = self.look(100.0, {"lease_id": self.lease_id})
        self.assertLessEqual(wait, LINGER)
        self.assertEqual(self.terms(), [{"old": "term 1", "new": self.book.term}])
        for seconds in (LINGER, 1.0, 60.0):
            self.look(100.0 + seconds, {"lease_id": self.lease_id})
            self.assertEqual(self.taken(), 1)
        _wait, freed = self.look(200.0)
        self.assertEqual((self.taken(), freed), (0, True))

    def test_a_claim_that_was_under_way_is_seen(self):
        """Nothing in flight at the first look may mean: between two jobs."""
        self.answer(error="connection reset")
        self.look(100.0)
        self.assertEqual(self.taken(), 1)
        self.look(100.0 + LINGER, {"lease_id": self.lease_id, "id": 2, "uuid": "2"})
        self.assertEqual(self.taken(), 1)
        self.look(103.0)
        self.assertEqual(self.taken(), 0)

    def test_a_dead_worker_gives_the_slot_back_soon(self):
        self.answer(error="connection reset")
        self.look(100.0)
        _wait, freed = self.look(100.0 + LINGER)
        self.assertEqual((self.taken(), freed), (0, True))

    def test_a_request_that_is_stuck_takes_no_further_jobs(self):
        with self.assertLogs(
            "odoo.addons.queue_job.jobrunner.recovery.reaper", "WARNING"
        ):
            self.look(100.0)
            self.look(100.0 + LOOK_INTERVAL)
        now = 100.0 + LOOK_INTERVAL + LINGER
        self.look(now)
        self.assertEqual((self.taken(), len(self.terms())), (1, 1))
        self.look(now + LINGER)
        self.assertEqual(self.taken(), 0)
        self.assertFalse(self.book.close(Answer(self.dispatcher.sent[-1])))

    def test_a_lease_that_is_between_two_jobs_goes_on(self):
        self.database.living = [self.lease_id]
        for number in range(3):
            self.look(100.0 + number * LOOK_INTERVAL)
        self.assertEqual((self.taken(), self.terms()), (1, []))

    def test_a_lease_of_another_runner_counts_once(self):
        rows = ({"lease_id": 7}, {"lease_id": 7, "id": 2, "state": "enqueued"})
        self.look(100.0, *rows, {"lease_id": self.lease_id, "id": 3})
        self.assertEqual(self.taken(), 2)

    def test_later_leases_are_of_the_new_term(self):
        self.answer(error="connection reset")
        self.look(100.0)
        self.book.grant(ROW, self.book.new_id(), 2, ["root"])
        runners = [lease.runner for lease in self.dispatcher.sent]
        self.assertEqual(runners, ["term 1", self.book.term])
