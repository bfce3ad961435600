# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The worker's side: acquiring a job, running it, and each way it may end."""

from contextlib import contextmanager
from unittest import mock

from odoo import SUPERUSER_ID
from odoo.exceptions import UserError
from odoo.tests import HttpCase, TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job.controllers.main import RunJobController, _prevent_commit
from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError
from odoo.addons.queue_job.job import DONE, FAILED, PENDING, STARTED, Job

from .common import JobCommonCase

LOGGER = "odoo.addons.queue_job.controllers.main"


@contextmanager
def commit_counted(cr):
    """Replace commit, which a test must not call, by a mock."""
    with mock.patch.object(cr, "commit", mock.Mock()) as commit:
        yield commit


class TestAcquire(JobCommonCase):
    def test_enqueued_job(self):
        with commit_counted(self.env.cr) as commit:
            job = RunJobController._acquire_job(self.env, "test_enqueued_job")
        self.assertEqual(commit.call_count, 1)
        self.assertEqual(job.uuid, "test_enqueued_job")
        self.assertEqual(job.state, STARTED)
        record = job.db_record()
        self.assertEqual(record.state, STARTED)
        locks = self.env["queue.job.lock"].search([("queue_job_id", "=", record.id)])
        self.assertEqual(len(locks), 1)

    def test_job_that_is_not_enqueued(self):
        pending = self._create_job().uuid
        for uuid in ("test_started_job", pending, "unknown"):
            with (
                self.subTest(uuid=uuid),
                commit_counted(self.env.cr) as commit,
                self.assertLogs(LOGGER, "WARNING") as logs,
            ):
                self.assertIsNone(RunJobController._acquire_job(self.env, uuid))
                self.assertIn(
                    f"was requested to run job {uuid}, but it does not exist",
                    logs.output[0],
                )
            commit.assert_not_called()


class TestRun(JobCommonCase):
    """_runjob, on a job that a worker has acquired."""

    def started(self, method, *args, **kwargs):
        options = {key: kwargs.pop(key) for key in ("max_retries",) if key in kwargs}
        job = Job(method, args=args, kwargs=kwargs, **options)
        job.store()
        for step in (job.set_enqueued, job.set_started):
            step()
            job.store()
        self.env.flush_all()
        return Job.load(self.env, job.uuid)

    @contextmanager
    def same_transaction(self):
        """Settle errors in the test's transaction instead of on another cursor."""

        @contextmanager
        def in_temporary_env(job):
            yield job.env

        with mock.patch(
            "odoo.addons.queue_job.job.Job.in_temporary_env", in_temporary_env
        ):
            yield

    def run_failing(self, job, expected):
        """Run a job that raises; return its row."""
        # Not assertRaises, which would undo what is written about the failure.
        error = None
        with self.same_transaction(), mute_logger(LOGGER):
            try:
                RunJobController._runjob(self.env, job)
            except expected as raised:
                error = raised
        self.assertTrue(error)
        self.env.invalidate_all()
        return job.db_record()

    @contextmanager
    def job_method(self, function, name="testing"):
        """Give the test model another job method for a while."""
        function.__name__ = name
        model = type(self.method.__self__)
        with mock.patch.object(model, name, function, create=True):
            yield

    def test_done(self):
        job = self.started(self.method, "a", b="c")
        self.assertIsNone(RunJobController._runjob(self.env, job))
        record = job.db_record()
        self.assertEqual(record.state, DONE)
        self.assertEqual(record.result, "(('a',), {'b': 'c'})")
        self.assertEqual(record.retry, 1)
        self.assertTrue(record.date_done)

    def test_failed(self):
        job = self.started(self.env["test.queue.job"].create_ir_logging)
        record = self.run_failing(job, TypeError)
        self.assertEqual(record.state, FAILED)
        self.assertEqual(record.exc_name, "TypeError")
        self.assertIn("create_ir_logging", record.exc_message)
        self.assertIn("Traceback (most recent call last)", record.exc_info)
        self.assertEqual(record.additional_info, "JUST_TESTING_BUT_FAILED")

    def test_a_failure_that_cannot_be_told(self):
        """Messages may break; a job that stayed started would run again and again."""
        job = self.started(self.env["test.queue.job"].create_ir_logging)
        jobs = type(self.env["queue.job"])
        broken = mock.patch.object(
            jobs, "_message_post_on_failure", side_effect=OSError
        )
        with broken, mute_logger("odoo.addons.queue_job.settle.settlement"):
            record = self.run_failing(job, TypeError)
        self.assertEqual((record.state, record.exc_name), (FAILED, "TypeError"))
        self.assertEqual(len(record.attempt_ids), 1)

    def test_work_of_a_failed_job_is_undone(self):
        def testing(record):
            record.create_ir_logging("lost")
            self.env.flush_all()
            raise UserError("Sorry")

        with self.job_method(testing):
            job = self.started(self.env["test.queue.job"].testing)
            record = self.run_failing(job, UserError)
        self.assertEqual(record.exc_name, "odoo.exceptions.UserError")
        self.assertFalse(self.env["ir.logging"].search([("message", "=", "lost")]))

    def test_failure_is_logged_with_the_uuid(self):
        job = self.started(self.env["test.queue.job"].create_ir_logging)
        with self.same_transaction(), self.assertLogs(LOGGER, "ERROR") as logs:
            with self.assertRaises(TypeError):
                RunJobController._runjob(self.env, job)
        self.assertEqual(len(logs.output), 1)
        self.assertIn(job.uuid, logs.output[0])
        self.assertIn("Traceback", logs.output[0])

    def test_retry(self):
        job = self.started(self.method, raise_retry=True)
        with self.same_transaction():
            self.assertIsNone(RunJobController._runjob(self.env, job))
        self.env.invalidate_all()
        record = job.db_record()
        self.assertEqual(record.state, PENDING)
        self.assertEqual(record.retry, 1)
        self.assertEqual(record.result, "Must be retried later")
        self.assertGreater(record.eta, record.date_created)

    def test_last_retry_fails(self):
        job = self.started(self.method, raise_retry=True, max_retries=1)
        record = self.run_failing(job, (FailedJobError, RetryableJobError))
        self.assertEqual(record.state, FAILED)
        self.assertIn("Max. retries (1) reached", record.exc_message)

    def test_on_fail_method(self):
        hook = mock.Mock()

        def no_description(record):
            raise UserError("Sorry")

        with (
            self.job_method(no_description, "no_description"),
            self.job_method(lambda record, **failure: hook(**failure), "tell"),
        ):
            self.env["queue.job.function"].create(
                {"name": "<test.queue.job>.no_description", "on_fail_method": "tell"}
            )
            job = self.started(self.env["test.queue.job"].no_description)
            self.run_failing(job, UserError)
        self.assertEqual(hook.call_count, 1)
        failure = hook.call_args.kwargs
        self.assertCountEqual(failure, ["exc_info", "exc_name", "exc_message"])
        self.assertEqual(failure["exc_message"], "Sorry")

    def test_prevent_commit(self):
        with _prevent_commit(self.env.cr):
            with self.assertRaisesRegex(RuntimeError, "Commit is forbidden"):
                self.env.cr.commit()


class TestFailureValues(TransactionCase):
    def test_names_and_messages(self):
        for error, name, message in (
            (Exception("zero", "one"), "Exception", "zero"),
            (ValueError(), "ValueError", ""),
            (UserError("Sorry"), "odoo.exceptions.UserError", "Sorry"),
            (
                FailedJobError("x"),
                "odoo.addons.queue_job.exception.FailedJobError",
                "x",
            ),
        ):
            with self.subTest(error=error):
                self.assertEqual(
                    RunJobController._get_failure_values(None, "trace", error),
                    {"exc_info": "trace", "exc_name": name, "exc_message": message},
                )


class TestDoor(HttpCase):
    """GET /queue_job/runjob"""

    def test_unknown_job(self):
        url = f"/queue_job/runjob?db={self.env.cr.dbname}&job_uuid=stub"
        with mute_logger(LOGGER):
            response = self.url_open(url)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.text, "")

    def test_superuser_is_the_default_user(self):
        uids = []

        def acquire(cls, env, job_uuid):
            uids.append(env.transaction.default_env.uid)

        with mock.patch.object(RunJobController, "_acquire_job", classmethod(acquire)):
            self.url_open("/queue_job/runjob?job_uuid=stub")
        self.assertEqual(uids, [SUPERUSER_ID])

    def test_job_runs(self):
        job = Job(self.env["test.queue.job"].create_ir_logging, args=("by HTTP",))
        job.store()
        job.set_enqueued()
        job.store()
        self.env.flush_all()
        response = self.url_open(f"/queue_job/runjob?job_uuid={job.uuid}")
        self.assertEqual(response.status_code, 200)
        self.env.invalidate_all()
        self.assertEqual(job.db_record().state, DONE)
        log = self.env["ir.logging"].search([("message", "=", "by HTTP")])
        self.assertEqual(len(log), 1)
