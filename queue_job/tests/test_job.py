# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The job in memory."""

import types
import warnings
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest import mock

from odoo.tests import TransactionCase, new_test_user

from .. import job as job_module
from ..exception import FailedJobError, NoSuchJobError, RetryableJobError
from ..job import (
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    RETRY_INTERVAL,
    STARTED,
    WAIT_DEPENDENCIES,
    Job,
)


class TestJob(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Partner"})
        cls.config = cls.env["queue.job.function"].job_default_config()

    def job(self, *args, **options):
        return Job(self.partner.write, args=args or ({"name": "x"},), **options)

    def at(self, moment):
        """Stop the clock of the module."""
        if not isinstance(job_module.datetime, mock.Mock):
            clock = mock.patch.object(job_module, "datetime", autospec=True)
            clock.start()
            self.addCleanup(clock.stop)
        job_module.datetime.now.return_value = moment

    def raising(self, error, **options):
        """Return a job whose method raises."""
        self.patch(type(self.partner), "exists", mock.Mock(side_effect=error))
        job = self.job(**options)
        job.method_name = "exists"
        job._args = ()
        return job

    # -- construction --------------------------------------------------------------

    def test_defaults(self):
        job = self.job()
        self.assertEqual((job.priority, job.max_retries, job.retry), (10, 5, 0))
        self.assertEqual(job.state, PENDING)
        self.assertEqual(job.channel, "root")
        self.assertEqual(job.user_id, self.env.uid)
        self.assertEqual(job.company_id, self.env.company.id)
        self.assertEqual(job.job_function_name, "<res.partner>.write")
        self.assertEqual(repr(job), f"<Job {job.uuid}, priority:10>")
        self.assertIsNone(job.eta)
        self.assertIsNone(job.exec_time)

    def test_only_model_methods(self):
        for func in (TestJob.test_only_model_methods, 1, len, type(self.partner).write):
            with (
                self.subTest(func=func),
                self.assertRaisesRegex(TypeError, "Job accepts only methods of Models"),
            ):
                Job(func)

    def test_only_methods_that_do_their_work(self):
        def generator(self):
            yield

        async def coroutine(self):
            pass

        async def both(self):
            yield

        for method in (generator, coroutine, both, types.coroutine(generator)):
            method.__name__ = "exists"
            self.patch(type(self.partner), "exists", method)
            with (
                self.subTest(method=method),
                self.assertRaisesRegex(TypeError, "res.partner.exists is a generator"),
            ):
                Job(self.partner.exists)
            with self.assertRaisesRegex(TypeError, "without having run"):
                self.partner.with_delay().exists()

    def job_that_returns(self, function):
        def exists(records):
            return function()

        self.patch(type(self.partner), "exists", exists)
        return Job(self.partner.exists)

    def test_results_that_are_work_still_to_be_done(self):
        async def work():
            raise AssertionError

        async def items():
            yield

        @contextmanager
        def manager():
            yield

        class Future:
            def __await__(self):
                yield

        lazy = [work, items, manager, Future]
        lazy += [lambda: (n for n in [1]), lambda: map(print, [1])]
        for function in (*lazy, lambda: filter(print, [1])):
            job = self.job_that_returns(function)
            with (
                self.subTest(function=function),
                warnings.catch_warnings(),
                self.assertRaisesRegex(TypeError, "exists has returned a"),
            ):
                warnings.simplefilter("error")  # as of a coroutine nobody awaits
                job.perform()
            self.assertIsNone(job.result)
        for value in ([1], self.partner, {"a": 1}.items(), mock.MagicMock()):
            job = self.job_that_returns(lambda value=value: value)
            self.assertIs(job.perform(), value)

    def test_kinds_of_arguments(self):
        self.assertEqual(Job(self.partner.write, args=[1, 2]).args, (1, 2))
        with self.assertRaises(AssertionError):
            Job(self.partner.write, args="ab")
        with self.assertRaises(AssertionError):
            Job(self.partner.write, kwargs=[1])

    def test_infinite_retries(self):
        self.assertEqual(self.job(max_retries=0).max_retries, 0)

    def test_company(self):
        partner = self.partner.with_context(company_id=None)
        self.assertIsNone(Job(partner.write).company_id)
        partner = self.partner.with_context(company_id=7)
        self.assertEqual(Job(partner.write).company_id, 7)

    def test_description(self):
        self.assertEqual(self.job(description="Mine").description, "Mine")

        def documented(self):
            """
            First line.

            Second line.
            """

        def bare(self):
            pass

        for method, expected in [(documented, "First line."), (bare, None)]:
            method.__name__ = "exists"
            self.patch(type(self.partner), "exists", method)
            description = Job(self.partner.exists).description
            self.assertEqual(description, expected or "res.partner.exists")

    def test_eta(self):
        self.at(datetime(2026, 3, 1, 12))
        cases = [
            (None, None),
            (timedelta(hours=3), datetime(2026, 3, 1, 15)),
            (60, datetime(2026, 3, 1, 12, 1)),
            (datetime(2026, 5, 5), datetime(2026, 5, 5)),
        ]
        for eta, expected in cases:
            with self.subTest(eta=eta):
                self.assertEqual(self.job(eta=eta).eta, expected)

    def test_identity_key_is_lazy(self):
        function = mock.Mock(return_value="key")
        job = self.job(identity_key=function)
        function.assert_not_called()
        self.assertEqual((job.identity_key, job.identity_key), ("key", "key"))
        function.assert_called_once_with(job)

    def test_func_string(self):
        job = Job(self.partner.write, args=("é", 1), kwargs={"k": self.partner})
        self.assertEqual(
            job.func_string,
            f"res.partner({self.partner.id},).write('é', 1, k={self.partner!r})",
        )

    def test_arguments_are_copies(self):
        values = {"list": [1]}
        job = self.job(values)
        job.args[0]["list"].append(2)
        self.assertEqual(job.args, ({"list": [1]},))

    def test_equality(self):
        job = self.job()
        self.assertEqual(job, Job(self.partner.write, job_uuid=job.uuid))
        self.assertNotEqual(job, self.job())
        self.assertEqual(len({job, Job(self.partner.write, job_uuid=job.uuid)}), 1)

    # -- changes of state -----------------------------------------------------------

    def test_life(self):
        job = self.job()
        self.at(datetime(2026, 3, 1, 12))
        job.set_enqueued()
        self.assertEqual((job.state, job.date_enqueued.hour), (ENQUEUED, 12))
        self.at(datetime(2026, 3, 1, 13))
        with mock.patch("os.getpid", return_value=99):
            job.set_started()
        self.assertEqual((job.state, job.worker_pid), (STARTED, 99))
        self.at(datetime(2026, 3, 1, 13, 0, 5))
        job.set_done(result="ok")
        self.assertEqual((job.state, job.result, job.exec_time), (DONE, "ok", 5.0))
        job.set_pending()
        self.assertEqual((job.state, job.exec_time), (PENDING, None))
        self.assertIsNone(job.worker_pid)
        job.set_cancelled(result="no")
        self.assertEqual((job.state, job.result), (CANCELLED, "no"))
        self.assertTrue(job.date_cancelled)
        job.set_failed(exc_name="E", exc_message="m", exc_info=None)
        self.assertEqual((job.state, job.exc_name), (FAILED, "E"))

    def test_pending_keeps_the_attempts(self):
        job = self.job()
        job.retry = 3
        job.set_pending(reset_retry=False)
        self.assertEqual(job.retry, 3)
        job.set_pending()
        self.assertEqual(job.retry, 0)

    def test_dependencies(self):
        parent, child = self.job(), self.job()
        child.add_depends({parent})
        self.assertEqual(child.state, WAIT_DEPENDENCIES)
        self.assertEqual(parent.reverse_depends_on, {child})
        self.assertTrue(parent.should_check_dependents())
        self.assertFalse(child.should_check_dependents())
        child.set_pending()
        self.assertEqual(child.state, WAIT_DEPENDENCIES)
        parent.set_done()
        child.set_pending()
        self.assertEqual(child.state, PENDING)
        with self.assertRaisesRegex(ValueError, "job cannot depend on itself"):
            child.add_depends({child})
        with self.assertRaisesRegex(ValueError, "'soon' is not one of"):
            child.add_depends({parent}, condition="soon")

    def test_done_parents_do_not_stop(self):
        parent, child = self.job(), self.job()
        parent.set_done()
        child.add_depends({parent})
        self.assertEqual(child.state, PENDING)

    # -- running -----------------------------------------------------------------------

    def test_perform(self):
        job = self.job({"name": "performed"})
        self.assertIs(job.perform(), True)
        self.assertEqual((job.retry, job.result), (1, True))
        self.assertEqual(self.partner.name, "performed")
        self.assertEqual(job.func.__self__.env.context["job_uuid"], job.uuid)

    def test_retries(self):
        job = self.raising(RetryableJobError("later"), max_retries=3)
        for _attempt in range(2):
            with self.assertRaises(RetryableJobError):
                job.perform()
        with self.assertRaisesRegex(
            FailedJobError, r"Max. retries \(3\) reached: later"
        ) as failed:
            job.perform()
        self.assertIsInstance(failed.exception.__cause__, RetryableJobError)

    def test_retries_without_end(self):
        job = self.raising(RetryableJobError("later"), max_retries=0)
        for _attempt in range(20):
            with self.assertRaises(RetryableJobError):
                job.perform()

    def test_uncounted_attempt(self):
        job = self.raising(RetryableJobError("later", ignore_retry=True))
        with self.assertRaises(RetryableJobError):
            job.perform()
        self.assertEqual(job.retry, 0)

    def test_postpone(self):
        self.at(datetime(2026, 3, 1, 12))
        job = self.job()
        job.exc_name = job.exc_info = "old"
        job.postpone(result="later", seconds=10)
        self.assertEqual(job.eta, datetime(2026, 3, 1, 12, 0, 10))
        self.assertEqual(job.result, "later")
        self.assertIsNone(job.exc_name)
        job.postpone()
        self.assertEqual(
            job.eta, datetime(2026, 3, 1, 12) + timedelta(seconds=RETRY_INTERVAL)
        )

    def test_random_delay(self):
        job = self.job()
        with mock.patch.object(job_module, "randint", return_value=12) as randint:
            self.assertEqual(job._get_retry_seconds((10, 20)), 12)
        randint.assert_called_once_with(10, 20)

    def test_temporary_env(self):
        job = self.job(self.partner)
        with job.in_temporary_env() as env:
            self.assertIsNot(env.cr, self.env.cr)
            self.assertIs(job.env.cr, env.cr)
            self.assertIs(job.args[0].env.cr, env.cr)
        self.assertIs(job.env.cr, self.env.cr)
        self.assertIs(job.args[0].env.cr, self.env.cr)

    def test_on_fail(self):
        job = self.job()
        job._job_config = self.config._replace(on_fail_method_name="exists")
        with mock.patch.object(type(self.partner), "exists") as on_fail:
            job.on_fail({"exc_name": "E"})
        on_fail.assert_called_once_with(exc_name="E")

    # -- loading -------------------------------------------------------------------

    def test_load(self):
        user = new_test_user(self.env, "queue_job_loader")
        partner = self.partner.with_user(user).with_context(lang="en_US", gone=1)
        eta = datetime.now().replace(microsecond=0) + timedelta(hours=5)
        job = Job(
            partner.write,
            args=({"name": "x"}, self.env.user),
            kwargs={"k": [eta]},
            priority=15,
            eta=eta,
            description="D",
            channel="root.c",
            identity_key="i",
            max_retries=7,
        )
        job.store()
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual(loaded, job)
        for name in (
            "args",
            "kwargs",
            "priority",
            "eta",
            "description",
            "channel",
            "identity_key",
            "max_retries",
            "state",
            "date_created",
            "company_id",
            "user_id",
            "model_name",
            "method_name",
            "id",
        ):
            self.assertEqual(getattr(loaded, name), getattr(job, name), name)
        self.assertEqual(loaded.recordset.env.uid, user.id)
        self.assertEqual(loaded.recordset.env.context.get("lang"), "en_US")
        self.assertNotIn("gone", loaded.recordset.env.context)
        self.assertEqual(loaded.func.__func__, job.func.__func__)

    def test_load_many(self):
        jobs = [self.job(), self.job()]
        for job in jobs:
            job.store()
        uuids = [job.uuid for job in jobs]
        self.assertEqual(Job.load_many(self.env, [*uuids, "missing"]), set(jobs))
        self.assertEqual(
            Job.db_records_from_uuids(self.env, uuids).sorted("id").mapped("uuid"),
            uuids,
        )

    def test_load_missing(self):
        with self.assertRaisesRegex(
            NoSuchJobError, "Job missing does no longer exist in the storage."
        ):
            Job.load(self.env, "missing")

    def test_code_that_is_gone(self):
        job = self.job()
        job.store()
        self.env.cr.execute(
            """UPDATE queue_job SET model_name = 'gone', records = to_jsonb(
                 replace(records #>> '{}', 'res.partner', 'gone'))
               WHERE id = %s""",
            [job.id],
        )
        loaded = Job.load(self.env, job.uuid)
        loaded.set_cancelled(result="its model is gone")
        loaded.store()
        self.assertEqual(loaded.db_record().state, CANCELLED)
        with self.assertRaises(KeyError):
            loaded.perform()
