# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The helpers for usual ways to use jobs."""

from odoo.addons.queue_job.delay import delay_many
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import Job

from .helper_case import HelperCase


class TestTryOrDelay(HelperCase):
    def setUp(self):
        super().setUp()
        self.error = None

        def function(partner, name):
            partner.name = name
            if self.error:
                raise self.error
            return f"Hello {name}"

        self.startPatcher(self.job_method(function))

    def test_it_works_now(self):
        result = self.partner.try_or_delay().testing("Ada")
        self.assertEqual(result, "Hello Ada")
        self.assertFalse(self.counter.count_created())

    def test_it_works_later(self):
        self.error = TimeoutError("Nobody answers")
        job = self.partner.try_or_delay(eta=600, priority=3).testing("Ada")
        self.assertIsInstance(job, Job)
        self.assertEqual(self.partner.name, "Nobody")
        self.assertTrue(job.eta)
        self.assertEqual(job.priority, 3)
        self.error = None
        self.drain_new()
        self.assertEqual(self.partner.name, "Ada")

    def test_retryable_errors_delay(self):
        self.error = RetryableJobError("Not now")
        self.assertIsInstance(self.partner.try_or_delay().testing("Ada"), Job)

    def test_named_exceptions_only(self):
        self.error = TimeoutError("Nobody answers")
        with self.assertRaises(TimeoutError):
            self.partner.try_or_delay(exceptions=KeyError).testing("Ada")
        self.assertFalse(self.counter.count_created())

    def test_unknown_options_are_refused(self):
        with self.assertRaisesRegex(TypeError, "'retries'"):
            self.partner.try_or_delay(retries=3)


class TestDelayMany(HelperCase):
    def test_jobs_in_their_order(self):
        names = [f"Name {number}" for number in range(20)]
        jobs = delay_many(self.partner.delayable().write({"name": n}) for n in names)
        self.assertEqual([job.args[0]["name"] for job in jobs], names)
        self.assertEqual(self.counter.count_created(), 20)

    def test_none(self):
        self.assertEqual(delay_many([]), [])


class TestSkipIfMissing(HelperCase):
    def test_deleted(self):
        partner = self.partner.copy()
        job = partner.with_delay(skip_if_missing=True).write({"name": "Gone"})
        partner.unlink()
        self.drain_new()
        record = job.db_record()
        self.assertEqual(record.state, "done")
        self.assertIn("deleted", record.result)

    def test_some_are_left(self):
        partners = self.partner + self.partner.copy()
        partners.with_delay(skip_if_missing=True).write({"name": "Left"})
        partners[1].unlink()
        drained = self.drain_new()
        self.assertEqual(drained.done.state, "done")
        self.assertEqual(self.partner.name, "Left")

    def test_a_method_of_the_model(self):
        model = self.env["res.partner"]
        model.with_delay(skip_if_missing=True).create([{"name": "Created"}])
        self.drain_new()
        self.assertTrue(model.search([("name", "=", "Created")]))


class TestRetryOn(HelperCase):
    def run_failing(self, retry_on, error, times, **values):
        declared = {
            "model_id": self.env["ir.model"]._get_id("res.partner"),
            "method": "testing",
            "retry_on": retry_on,
            **values,
        }
        attempts = []

        def function(partner):
            attempts.append(True)
            if len(attempts) <= times:
                raise error

        with self.job_method(function):
            self.env["queue.job.function"].create(declared)
            job = self.partner.with_delay(max_retries=3).testing()
            self.drained = self.drain_new()
        return job.db_record()

    def test_a_named_exception_is_tried_again(self):
        record = self.run_failing("ConnectionError", ConnectionResetError("Gone"), 2)
        self.assertEqual((record.state, record.retry), ("done", 3))
        waited = self.drained.elapsed.total_seconds()
        self.assertTrue(5 + 10 - 2 <= waited <= 10 + 20 + 2, waited)

    def test_another_one_is_not(self):
        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            record = self.run_failing("ConnectionError", ValueError("Wrong"), 2)
        self.assertEqual((record.state, record.retry), ("failed", 1))

    def test_attempts_come_to_an_end(self):
        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            record = self.run_failing("ValueError", ValueError("Wrong"), 9)
        self.assertEqual((record.state, record.retry), ("failed", 3))
        self.assertIn("Max. retries", record.exc_message)

    def test_what_the_server_asks_for(self):
        error = ConnectionError("Too many requests")
        error.retry_after = "1800"
        self.run_failing("ConnectionError", error, 1)
        self.assertGreater(self.drained.elapsed.total_seconds(), 1790)

    def test_the_retry_pattern(self):
        error = ConnectionError("Gone")
        pattern = {"edit_retry_pattern": "{1: 100}"}
        self.run_failing("ConnectionError", error, 1, **pattern)
        self.assertGreater(self.drained.elapsed.total_seconds(), 95)
        self.assertLess(self.drained.elapsed.total_seconds(), 105)
