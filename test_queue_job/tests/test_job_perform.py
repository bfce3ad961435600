# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Performing a job: result, attempts, arguments, cursors."""

from odoo.tests import HttpCase

from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError
from odoo.addons.queue_job.job import Job

from .common import JobCommonCase


class TestPerform(JobCommonCase):
    def test_result(self):
        job = Job(self.method, args=("o", "k"), kwargs={"c": "!"})
        self.assertEqual(job.perform(), (("o", "k"), {"c": "!"}))
        self.assertEqual(job.result, (("o", "k"), {"c": "!"}))
        self.assertEqual(job.retry, 1)

    def test_stored_job(self):
        job = Job(self.env["test.queue.job"].create_ir_logging, args=("hello",))
        job.store()
        Job.load(self.env, job.uuid).perform()
        log = self.env["ir.logging"].search([("func", "=", "create_ir_logging")])
        self.assertEqual(log.message, "hello")
        self.assertEqual(log.level, "info")

    def test_attempts_are_limited(self):
        job = Job(self.method, kwargs={"raise_retry": True}, max_retries=3)
        for attempt in (1, 2):
            with self.assertRaisesRegex(RetryableJobError, "Must be retried later"):
                job.perform()
            self.assertEqual(job.retry, attempt)
        with self.assertRaisesRegex(FailedJobError, r"Max. retries \(3\) reached"):
            job.perform()
        self.assertEqual(job.retry, 3)

    def test_no_limit(self):
        job = Job(self.method, kwargs={"raise_retry": True}, max_retries=0)
        for _attempt in range(9):
            with self.assertRaises(RetryableJobError):
                job.perform()

    def test_context_says_that_a_job_runs(self):
        method = self.method.__self__.with_context(lang="en_US").testing_method
        job = Job(method, kwargs={"return_context": True})
        job.store()
        context = Job.load(self.env, job.uuid).perform()
        self.assertEqual(dict(context), {"lang": "en_US", "job_uuid": job.uuid})

    def test_arguments_cannot_be_altered(self):
        job = Job(
            self.env["test.queue.job"].job_alter_mutable,
            args=([1],),
            kwargs={"mutable_kwarg": {"a": 1}},
        )
        job.store()
        job = Job.load(self.env, job.uuid)
        self.assertEqual(job.perform(), ([1, 2], {"a": 1, "b": 2}))
        self.assertEqual(job.args, ([1],))
        self.assertEqual(job.kwargs, {"mutable_kwarg": {"a": 1}})
        job.set_done()
        job.store()
        job = Job.load(self.env, job.uuid)
        self.assertEqual(job.args, ([1],))


class TestOwnCursor(HttpCase):
    """A function with allow_commit runs on a cursor of its own."""

    def test_records_are_moved_to_the_cursor(self):
        model = self.env["test.queue.job"]
        records = model.create([{"name": name} for name in "abc"])
        job = Job(
            model.job_commit_with_arg_records,
            args=(records[0], [records[1]], {"key": records[2]}, "token"),
        )
        job.store()
        self.env.flush_all()
        job = Job.load(self.env, job.uuid)
        self.assertEqual(job.perform(), "token")
        self.assertIs(job.env.cr, self.env.cr)
        self.assertIs(job.args[0].env.cr, self.env.cr)

    def test_temporary_environment(self):
        user = self.env.ref("base.user_admin")
        method = self.env["test.queue.job"].with_user(user).testing_method
        job = Job(method)
        with job.in_temporary_env() as env:
            self.assertIsNot(env.cr, self.env.cr)
            self.assertIs(job.env.cr, env.cr)
            self.assertEqual(job.env.uid, user.id)
            self.assertFalse(job.env.su)
        self.assertIs(job.env.cr, self.env.cr)
