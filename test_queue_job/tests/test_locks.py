# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The lock of a running job, seen by two database sessions.

The rows of the addon's data are used, because the other session must see them.
"""

from odoo.api import Environment
from odoo.tests import TransactionCase

from odoo.addons.queue_job.job import Job


class TestLock(TransactionCase):
    def setUp(self):
        super().setUp()
        # Real cursors: this class is not in registry test mode.
        self.cursors = [self.registry.cursor(), self.registry.cursor()]
        for cr in self.cursors:
            self.addCleanup(cr.close)
        self.envs = [Environment(cr, self.uid, {}) for cr in self.cursors]

    def load(self, number, uuid):
        return Job.load(self.envs[number], uuid)

    def with_lock_record(self, uuid):
        """Commit the lock row of a job, and remove it after the test."""
        cr = self.registry.cursor()
        job = Job.load(Environment(cr, self.uid, {}), uuid)
        job.add_lock_record()
        cr.commit()

        def remove():
            for other in self.cursors:
                other.rollback()
            cr.execute(
                "DELETE FROM queue_job_lock USING queue_job job"
                " WHERE queue_job_id = job.id AND job.uuid = %s",
                [uuid],
            )
            cr.commit()
            cr.close()

        self.addCleanup(remove)

    def test_lock_record_is_made_once(self):
        job = self.load(0, "test_started_job")
        job.add_lock_record()
        job.add_lock_record()
        count = "SELECT count(*) FROM queue_job_lock WHERE queue_job_id = %s"
        self.cursors[0].execute(count, [job.db_record().id])
        self.assertEqual(self.cursors[0].fetchone(), (1,))

    def test_lock_record_of_a_job_that_is_not_stored(self):
        Job(self.env["test.queue.job"].testing_method).add_lock_record()

    def test_started_job_is_locked(self):
        job = self.load(0, "test_started_job")
        job.add_lock_record()
        self.assertTrue(job.lock())

    def test_job_that_is_not_started_is_not_locked(self):
        job = self.load(0, "test_enqueued_job")
        job.add_lock_record()
        self.assertFalse(job.lock())

    def test_second_session_does_not_get_the_lock(self):
        self.with_lock_record("test_started_job")
        first = self.load(0, "test_started_job")
        second = self.load(1, "test_started_job")
        self.assertTrue(first.lock())
        self.assertFalse(second.lock())

    def test_lock_is_free_when_the_transaction_ends(self):
        self.with_lock_record("test_started_job")
        first = self.load(0, "test_started_job")
        second = self.load(1, "test_started_job")
        self.assertTrue(first.lock())
        self.cursors[0].rollback()
        self.assertTrue(second.lock())
