# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Base of the integration tests."""

from odoo.tests import common

from odoo.addons.queue_job.job import Job


class JobCommonCase(common.TransactionCase):
    """Shorthands to the models, and two ways to get the row of a job."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.queue_job = cls.env["queue.job"]
        cls.user = cls.env["res.users"]
        cls.method = cls.env["test.queue.job"].testing_method

    def _create_job(self):
        """Return the row of a new pending job."""
        job = Job(self.method)
        job.store()
        record = job.db_record()
        self.assertEqual(len(record), 1)
        return record

    def _get_demo_job(self, uuid):
        """Return the Job of a row created by this addon's data."""
        job = Job.load(self.env, uuid)
        self.assertEqual(job.uuid, uuid)
        return job
