# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job in memory and its row: what is stored, and what comes back."""

from datetime import datetime, timedelta
from unittest import mock

from odoo.tests import new_test_user

from odoo.addons.queue_job.exception import NoSuchJobError
from odoo.addons.queue_job.job import (
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    RETRY_INTERVAL,
    STARTED,
    Job,
    identity_exact,
)

from .common import JobCommonCase


class TestJobStore(JobCommonCase):
    def reload(self, job):
        job.store()
        self.env.flush_all()
        return Job.load(self.env, job.uuid)

    def test_new_job_comes_back(self):
        eta = datetime(2050, 1, 2, 3, 4, 5)
        job = Job(
            self.method,
            args=("o", "k"),
            kwargs={"bool": True, "list": [1, 2], "user": self.env.user},
            priority=15,
            eta=eta,
            job_uuid="the-uuid",
            max_retries=9,
            description="My description",
            channel="root.sub",
            identity_key="key",
        )
        loaded = self.reload(job)
        self.assertEqual(loaded, job)
        self.assertEqual(loaded.uuid, "the-uuid")
        self.assertEqual(loaded.func.__func__, job.func.__func__)
        self.assertEqual(loaded.recordset, job.recordset)
        self.assertEqual(loaded.args, ("o", "k"))
        self.assertEqual(loaded.kwargs, job.kwargs)
        self.assertEqual(loaded.model_name, "test.queue.job")
        self.assertEqual(loaded.method_name, "testing_method")
        self.assertEqual(loaded.priority, 15)
        self.assertEqual(loaded.eta, eta)
        self.assertEqual(loaded.max_retries, 9)
        self.assertEqual(loaded.description, "My description")
        self.assertEqual(loaded.channel, "root.sub")
        self.assertEqual(loaded.identity_key, "key")
        self.assertEqual(loaded.state, PENDING)
        self.assertEqual(loaded.retry, 0)
        self.assertEqual(loaded.company_id, self.env.company.id)
        self.assertEqual(loaded.user_id, self.env.uid)
        for name in ("date_enqueued", "date_started", "date_done", "date_cancelled"):
            self.assertIsNone(getattr(loaded, name))
        self.assertIsNone(loaded.exec_time)
        self.assertIsNone(loaded.graph_uuid)

    def test_row_of_a_new_job(self):
        job = Job(self.method, args=(1,), kwargs={"foo": 2})
        job.store()
        record = job.db_record()
        self.assertEqual(record.name, "Method used for tests")
        self.assertEqual(record.channel_method_name, "<test.queue.job>.testing_method")
        self.assertEqual(
            record.func_string, "test.queue.job().testing_method(1, foo=2)"
        )
        self.assertEqual(
            record.job_function_id,
            self.env.ref("test_queue_job.job_function_test_queue_job_testing_method"),
        )
        self.assertEqual(record.state, PENDING)
        self.assertEqual(record.channel, "root")
        self.assertEqual(record.args, [1])
        self.assertEqual(record.kwargs, {"foo": 2})
        self.assertEqual(record.records, self.env["test.queue.job"])
        self.assertEqual(record.user_id, self.env.user)
        self.assertEqual(record.company_id, self.env.company)

    def test_description_without_docstring(self):
        job = Job(self.env["test.queue.job"].no_description)
        self.assertEqual(job.description, "test.queue.job.no_description")

    def test_unknown_uuid(self):
        with self.assertRaisesRegex(
            NoSuchJobError, "Job 1 does no longer exist in the storage."
        ):
            Job.load(self.env, "1")

    def test_load_many(self):
        jobs = {Job(self.method), Job(self.method)}
        for job in jobs:
            job.store()
        uuids = [job.uuid for job in jobs]
        self.assertEqual(Job.load_many(self.env, [*uuids, "unknown"]), jobs)

    def test_states_come_back(self):
        job = Job(self.method)
        job.store()
        job.set_enqueued()
        loaded = self.reload(job)
        self.assertEqual(loaded.state, ENQUEUED)
        self.assertTrue(loaded.date_enqueued)
        job.set_started()
        loaded = self.reload(job)
        self.assertEqual(loaded.state, STARTED)
        self.assertTrue(loaded.date_started)
        self.assertTrue(loaded.worker_pid)
        job.set_done(result="fine")
        loaded = self.reload(job)
        self.assertEqual(loaded.state, DONE)
        self.assertEqual(loaded.result, "fine")
        self.assertGreaterEqual(loaded.exec_time, 0)

    def test_cancelled_comes_back(self):
        job = Job(self.method)
        job.store()
        job.set_cancelled(result="not needed")
        loaded = self.reload(job)
        self.assertEqual(loaded.state, CANCELLED)
        self.assertEqual(loaded.result, "not needed")
        self.assertTrue(loaded.date_cancelled)

    def test_failure_is_on_the_row_and_survives_another_store(self):
        job = Job(self.method)
        job.store()
        job.set_enqueued()
        job.store()
        job.set_started()
        job.store()
        failure = {"exc_name": "E", "exc_message": "broken", "exc_info": "Traceback"}
        job.set_failed(**failure)
        loaded = self.reload(job)
        loaded.priority = 3
        loaded.store()
        record = loaded.db_record()
        self.assertEqual(record.state, FAILED)
        self.assertEqual(record.read(failure)[0], {"id": record.id, **failure})

    def test_postpone_and_pending_again(self):
        job = Job(self.method)
        job.store()
        now = datetime(2015, 3, 15, 16, 41, 0)
        with mock.patch(
            "odoo.addons.queue_job.job.datetime", autospec=True
        ) as mocked_datetime:
            mocked_datetime.now.return_value = now
            job.postpone(result="later", seconds=60)
        job.set_pending(reset_retry=False)
        self.assertEqual(job.eta, now + timedelta(seconds=60))
        loaded = self.reload(job)
        self.assertEqual(loaded.eta, now + timedelta(seconds=60))
        self.assertEqual(loaded.result, "later")

    def test_plain_user_may_enqueue(self):
        user = new_test_user(self.env, "plain", groups="base.group_user")
        job = self.method.__self__.with_user(user).with_delay().testing_method()
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual(loaded.env.uid, user.id)
        self.assertFalse(loaded.env.su)
        self.assertEqual(job.db_record().user_id, user)

    def test_superuser_mode_is_kept(self):
        job = self.env["test.queue.job"].sudo().with_delay().testing_method()
        self.assertTrue(Job.load(self.env, job.uuid).env.su)

    def test_context_of_the_job_is_the_allowed_part(self):
        record = self.env["test.queue.job"].create({"name": "x"})
        record = record.with_context(
            lang="en_US", active_test=False, other=object(), tz="UTC"
        )
        job = record.with_delay().testing_method(record)
        loaded = Job.load(self.env, job.uuid)
        expected = {"lang": "en_US", "tz": "UTC"}
        self.assertEqual(dict(loaded.recordset.env.context), expected)
        self.assertEqual(dict(loaded.args[0].env.context), expected)
        self.assertEqual(loaded.func.__self__.env.context["job_uuid"], job.uuid)

    def test_company_from_context(self):
        company = self.env["res.company"].create({"name": "Other"})
        method = self.method.__self__.with_context(company_id=company.id)
        job = method.with_delay().testing_method()
        self.assertEqual(job.company_id, company.id)
        self.assertEqual(job.db_record().company_id, company)
        none = self.method.__self__.with_context(company_id=None).with_delay()
        self.assertFalse(none.testing_method().db_record().company_id)

    def test_store_values_of_the_model(self):
        job = Job(self.method)
        job.store()
        self.assertEqual(job.db_record().additional_info, "JUST_TESTING")
        job.set_failed(exc_info="failed test", exc_name="FailedTest")
        job.store()
        info = job.db_record().additional_info
        self.assertEqual(info, "JUST_TESTING_BUT_FAILED")

    def test_store_values_of_the_method(self):
        hook = mock.Mock(return_value={"additional_info": "method", "state": "done"})
        name = "_job_store_values_for_testing_method"
        with mock.patch.object(type(self.method.__self__), name, hook, create=True):
            job = Job(self.method)
            job.store()
        hook.assert_called_with(job)
        self.assertEqual(job.db_record().additional_info, "method")
        self.assertEqual(job.db_record().state, PENDING)

    def test_identity_key_finds_the_waiting_twin(self):
        def delay(argument):
            delayable = self.method.__self__.with_delay(identity_key=identity_exact)
            return delayable.testing_method(argument).uuid

        self.assertEqual(delay(1), delay(1))
        self.assertNotEqual(delay(1), delay(2))

    def test_identity_key_is_free_once_the_job_started(self):
        job = self.method.__self__.with_delay(identity_key="k").testing_method()
        for step in (job.set_enqueued, job.set_started):
            step()
            job.store()
        twin = self.method.__self__.with_delay(identity_key="k").testing_method()
        self.assertNotEqual(twin.uuid, job.uuid)


class TestRetryPattern(JobCommonCase):
    def seconds(self, method, retries):
        job = Job(method)
        result = []
        for retry in retries:
            job.retry = retry
            result.append(job._get_retry_seconds())
        return result

    def test_pattern(self):
        method = self.env["test.queue.job"].job_with_retry_pattern
        self.assertEqual(self.seconds(method, range(1, 7)), [60, 180, 10, 10, 300, 300])

    def test_pattern_without_a_first_value(self):
        method = self.env["test.queue.job"].job_with_retry_pattern__no_zero
        expected = [RETRY_INTERVAL, RETRY_INTERVAL, 180, 180]
        self.assertEqual(self.seconds(method, range(1, 5)), expected)

    def test_no_pattern(self):
        self.assertEqual(self.seconds(self.method, [1, 9]), [RETRY_INTERVAL] * 2)

    def test_seconds_of_the_error_win(self):
        job = Job(self.env["test.queue.job"].job_with_retry_pattern)
        job.retry = 1
        self.assertEqual(job._get_retry_seconds(seconds=5), 5)
        self.assertIn(job._get_retry_seconds(seconds=(3, 4)), (3, 4))


class TestChannelOfFunction(JobCommonCase):
    def test_channels(self):
        model = self.env["test.queue.channel"]
        for method, channel in (
            (model.job_a, "root"),
            (model.job_b, "root"),
            (model.job_sub_channel, "root.sub.subsub"),
        ):
            with self.subTest(method=method.__name__):
                job = Job(method)
                job.store()
                self.assertEqual(job.channel, channel)
                self.assertEqual(job.db_record().channel, channel)

    def test_channel_of_the_call_wins(self):
        job = Job(self.env["test.queue.channel"].job_sub_channel, channel="root.sub")
        self.assertEqual(job.channel, "root.sub")
