# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""trap_jobs, mock_with_delay and JobMixin as the tests of other addons use them."""

from unittest import mock

from odoo.tests import TransactionCase

from odoo.addons.queue_job.delay import Delayable
from odoo.addons.queue_job.job import identity_exact
from odoo.addons.queue_job.tests.common import JobMixin, mock_with_delay, trap_jobs

OPTIONS = {
    "channel": "root.test",
    "description": "Test",
    "eta": 15,
    "identity_key": identity_exact,
    "max_retries": 1,
    "priority": 15,
}


class TestHelpers(JobMixin, TransactionCase):
    def setUp(self):
        super().setUp()
        self.model = self.env["test.queue.job"]

    def test_button_with_delay(self):
        with trap_jobs() as trap:
            self.model.button_that_uses_with_delay()
        trap.assert_jobs_count(1)
        trap.assert_jobs_count(1, only=self.model.testing_method)
        trap.assert_enqueued_job(
            self.model.testing_method, args=(1,), kwargs={"foo": 2}, properties=OPTIONS
        )

    def test_button_with_chain(self):
        with trap_jobs() as trap:
            self.model.button_that_uses_delayable_chain()
        trap.assert_jobs_count(3)
        trap.assert_jobs_count(2, only=self.model.testing_method)
        trap.assert_jobs_count(1, only=self.model.no_description)
        trap.assert_enqueued_job(
            self.model.testing_method, args=(1,), kwargs={"foo": 2}, properties=OPTIONS
        )
        trap.assert_enqueued_job(
            self.model.testing_method, args=("x",), kwargs={"foo": "y"}
        )
        trap.assert_enqueued_job(self.model.no_description)
        first, second, third = trap.enqueued_jobs
        self.assertEqual(second.depends_on, {first})
        self.assertEqual(third.depends_on, {second})
        trap.perform_enqueued_jobs()
        self.assertEqual(first.result, ((1,), {"foo": 2}))

    def test_order_of_properties_in_the_message(self):
        with trap_jobs() as trap:
            self.model.button_that_uses_with_delay()
        expected = (
            r"Job <test\.queue\.job\(\)>\.testing_method\(\) with properties "
            r"\(channel=root\.test, .*\) was not enqueued\.\n"
            r"Actual enqueued jobs:\n"
            r" \* <test\.queue\.job\(\)>\.testing_method\(1, foo=2\) with properties "
            r"\(priority=15, max_retries=1, eta=15, description=Test, "
            r"channel=root\.test, identity_key=<function identity_exact at .*>\)"
        )
        with self.assertRaisesRegex(AssertionError, expected):
            trap.assert_enqueued_job(self.model.testing_method, properties=OPTIONS)

    def test_performed_in_the_context_of_a_job(self):
        with trap_jobs() as trap:
            model = self.model.with_context(lang="en_US", something=1)
            job = model.with_delay().testing_method(return_context=True)
            trap.perform_enqueued_jobs()
        self.assertEqual(dict(job.result), {"lang": "en_US", "job_uuid": job.uuid})

    def test_mixin(self):
        counter = self.job_counter()
        self.model.with_delay().create_ir_logging("one")
        self.model.with_delay().create_ir_logging("two")
        self.assertEqual(counter.count_created(), 2)
        self.perform_jobs(counter)
        logs = self.env["ir.logging"].search([("func", "=", "create_ir_logging")])
        self.assertCountEqual(logs.mapped("message"), ["one", "two"])

    def test_drain(self):
        counter = self.job_counter()
        self.model.button_that_uses_delayable_chain()
        result = self.drain(counter)
        self.assertEqual(len(result.done), 3)
        self.assertEqual(result.done.mapped("additional_info"), ["JUST_TESTING"] * 3)

    def test_mock_with_delay(self):
        with mock_with_delay() as (delayable_cls, delayable):
            self.model.button_that_uses_with_delay()
        self.assertEqual(delayable_cls.call_count, 1)
        args, kwargs = delayable_cls.call_args
        self.assertEqual(args, (self.model,))
        self.assertEqual(kwargs, OPTIONS)
        self.assertEqual(delayable.testing_method.call_args, mock.call(1, foo=2))

    def test_split(self):
        records = self.model.create([{"name": str(n)} for n in range(10)])
        with trap_jobs() as trap:
            records.delayable().testing_method("x").split(3).delay()
        trap.assert_jobs_count(4)
        trap.assert_jobs_count(1, only=records[:3].testing_method)
        trap.assert_jobs_count(1, only=records[9:].testing_method)

    def test_no_delay_in_context(self):
        counter = self.job_counter()
        model = self.model.with_context(queue_job__no_delay=True)
        job = model.with_delay().testing_method(1)
        self.assertEqual(job.result, ((1,), {}))
        self.assertEqual(counter.count_created(), 0)

    def test_forgotten_delay_warns(self):
        with self.assertLogs("odoo.addons.queue_job.delay", "WARNING") as logs:
            Delayable(self.model).testing_method(1)
        self.assertIn(
            "Delayable Delayable(test.queue.job().testing_method((1,), {})) was "
            "prepared but never delayed",
            logs.output[0],
        )
