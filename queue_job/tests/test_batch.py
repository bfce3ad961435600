# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A batch: how many jobs a lease claims at once, and which of them it starts."""

from unittest.mock import patch

from odoo.tests import BaseCase

from ..storage import row_mapper
from ..worker import batch
from ..worker.batch import BATCH_LIMIT, KEEP_SECONDS, LAST_JOBS, Batch, batch_size

CLAIMED = [(1, 11), (2, 12), (3, 13)]


class FakeControl:
    """A control session whose claims all hold."""

    def __init__(self):
        self.started = []
        self.returned = 0
        self.uncertain = []

    def fetch_batch(self, channels, limit):
        return CLAIMED[:limit]

    def start(self, job_id, token):
        self.started.append(job_id)
        return {"id": job_id}

    def start_statement(self, job_id, token):
        return "START", [job_id, token]

    def return_unstarted(self):
        self.returned += 1

    def return_started(self, job_id, token):
        self.uncertain.append((job_id, token))


class FakeSession:
    """The session of the jobs; `commit` starts the next job along with its COMMIT."""

    def __init__(self):
        self.started = None
        self.may_have_started = False

    @property
    def has_started(self):
        return self.started is not None

    def take_started(self):
        started = self.started
        self.forget_started()
        return started

    def forget_started(self):
        self.started, self.may_have_started = None, False

    def commit(self, batch, is_void=False):
        if batch.next_start() is not None:
            self.may_have_started = True
            self.started = [] if is_void else [("row",)]


class TestBatch(BaseCase):
    def setUp(self):
        super().setUp()
        self.now = 100.0
        self.startPatcher(patch.object(batch.time, "monotonic", lambda: self.now))
        self.control, self.session = FakeControl(), FakeSession()
        self.batch = Batch(self.control, self.session)

    def test_the_size_follows_the_last_jobs(self):
        def size(*seconds):
            return batch_size([{"seconds": each} for each in seconds])

        self.assertEqual(size(1.0), 1)
        self.assertEqual(size(0.01), 5)
        self.assertEqual(size(0.009), 10)
        self.assertEqual(size(0.002), 25)
        self.assertEqual(size(0.0), BATCH_LIMIT)
        self.assertEqual(size(60.0, *[0.02] * LAST_JOBS), 2)

    def test_each_job_is_started_in_its_order(self):
        self.assertTrue(self.batch.claim(["root"], 3))
        started = [values["id"] for values in self.batch.start_each()]
        self.assertEqual(started, [1, 2, 3])
        self.batch.give_back()
        self.assertFalse(self.control.returned)

    def test_nothing_to_claim(self):
        self.assertFalse(self.batch.claim(["root"], 0))

    def test_what_is_not_started_in_time_is_given_back(self):
        self.batch.claim(["root"], 3)
        for _values in self.batch.start_each():
            self.now += KEEP_SECONDS
            self.assertIsNone(self.batch.next_start())
        self.assertEqual(self.control.started, [1])
        self.batch.give_back()
        self.assertEqual(self.control.returned, 1)

    def test_a_commit_starts_the_next_job(self):
        unpack = patch.object(row_mapper, "unpack", lambda row: {"id": "by the commit"})
        self.batch.claim(["root"], 2)
        found = []
        with unpack:
            for values in self.batch.start_each():
                found.append(values["id"])
                self.session.commit(self.batch)
                self.now += KEEP_SECONDS  # it was started before that
        self.assertEqual(found, [1, "by the commit"])
        self.assertEqual(self.control.started, [1])

    def test_a_void_claim_is_passed_over(self):
        self.batch.claim(["root"], 3)
        found = []
        for values in self.batch.start_each():
            found.append(values["id"])
            if values["id"] == 1:
                self.session.commit(self.batch, is_void=True)
        self.assertEqual(found, [1, 3])

    def test_a_start_whose_answer_was_lost_is_taken_back(self):
        """The job may be started and begun by nobody: its claim is known here alone."""
        self.batch.claim(["root"], 3)
        starts = self.batch.start_each()
        next(starts)
        self.session.commit(self.batch)
        self.session.started = None
        next(starts)
        self.assertEqual(self.control.uncertain, [CLAIMED[1]])
        self.assertEqual(self.control.started, [1, 2])

    def test_at_the_end_of_a_lease_as_well(self):
        self.batch.claim(["root"], 3)
        next(self.batch.start_each())
        self.session.commit(self.batch)
        self.batch.give_back()
        self.assertEqual(self.control.uncertain, [CLAIMED[1]])
        self.assertEqual(self.control.returned, 1)
