# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""drain: real rows, run to their end in the test's transaction."""

from datetime import datetime, timedelta

from odoo.tools import mute_logger

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.exception import RetryableJobError

from .helper_case import HelperCase

CONTROLLER_LOGGER = "odoo.addons.queue_job.controllers.main"


class TestDrain(HelperCase):
    def test_job_is_done(self):
        job = self.partner.with_delay().write({"name": "Ada"})
        result = self.drain_new()
        self.assertEqual(self.partner.name, "Ada")
        self.assertEqual(result.done, job.db_record())
        self.assertFalse(result.failed | result.cancelled | result.waiting)
        self.assertEqual(result.attempts, [job.uuid])
        self.assertEqual(result.elapsed, timedelta())
        self.assertEqual(job.db_record().retry, 1)
        self.assertTrue(job.db_record().date_done)

    def test_order(self):
        jobs = [
            self.partner.with_delay(priority=priority, eta=eta).write({})
            for priority, eta in ((20, None), (10, None), (1, 60), (99, 30))
        ]
        expected = [jobs[i].uuid for i in (1, 0, 3, 2)]
        self.assertEqual(self.drain_new().attempts, expected)

    def test_due_date_under_a_fake_clock(self):
        moments = []
        before = datetime.now()
        with self.job_method(lambda partner: moments.append(datetime.now())):
            self.partner.with_delay(eta=7200).testing()
            self.partner.with_delay(eta=3600).testing()
            result = self.drain_new()
        self.assertLess(datetime.now() - before, timedelta(minutes=5))
        hours = [round((moment - before) / timedelta(hours=1), 1) for moment in moments]
        self.assertEqual(hours, [1, 2])
        self.assertAlmostEqual(result.elapsed / timedelta(hours=1), 2, 1)

    def test_due_dates_not_followed(self):
        job = self.partner.with_delay(eta=3600).write({})
        self.partner.with_delay().write({})
        result = self.drain_new(follow_due_dates=False)
        self.assertEqual(len(result.done), 1)
        self.assertEqual(result.waiting, job.db_record())

    def test_retries(self):
        attempts = []

        def testing(partner):
            attempts.append(datetime.now())
            if len(attempts) < 3:
                raise RetryableJobError("not yet", seconds=600)

        with self.job_method(testing):
            job = self.partner.with_delay().testing()
            result = self.drain_new()
        self.assertEqual(result.done, job.db_record())
        self.assertEqual(result.done.retry, 3)
        self.assertAlmostEqual((attempts[2] - attempts[0]).total_seconds(), 1200, -2)

    @mute_logger(CONTROLLER_LOGGER)
    def test_retries_are_limited(self):
        def testing(partner):
            raise RetryableJobError("never")

        with self.job_method(testing):
            job = self.partner.with_delay(max_retries=2).testing()
            result = self.drain_new()
        self.assertEqual(result.attempts, [job.uuid] * 2)
        self.assertEqual(result.failed, job.db_record())

    @mute_logger(CONTROLLER_LOGGER)
    def test_failure_undoes_its_own_work_only(self):
        def testing(partner, ref):
            partner.ref = ref
            partner.flush_recordset()
            if ref == "bad":
                raise ValueError("no")

        with self.job_method(testing):
            good = self.partner.with_delay().testing("good")
            bad = self.partner.with_delay().testing("bad")
            result = self.drain_new()
        self.assertEqual(self.partner.ref, "good")
        self.assertEqual(result.done, good.db_record())
        self.assertEqual(result.failed, bad.db_record())
        self.assertEqual(result.failed.exc_name, "ValueError")
        self.assertEqual(result.failed.exc_message, "no")

    @mute_logger(CONTROLLER_LOGGER)
    def test_failures_are_raised_if_asked(self):
        job = self.partner.with_delay().write({"no_such_field": 1})
        with self.assertRaisesRegex(KeyError, "no_such_field"):
            self.drain_new(raise_failures=True)
        self.assertEqual(job.db_record().state, "failed")

    def test_work_committed_before_a_failure_stays(self):
        def testing(partner):
            partner.ref = "first"
            partner.env.cr.commit()
            partner.ref = "second"
            partner.flush_recordset()
            raise ValueError("no")

        with self.job_method(testing), mute_logger(CONTROLLER_LOGGER):
            self.partner.with_delay().testing()
            result = self.drain_new()
        self.assertEqual(self.partner.ref, "first")
        self.assertEqual(len(result.failed), 1)

    def test_dependents_run_after_their_parents(self):
        names = []
        with self.job_method(lambda partner, name: names.append(name)):
            job = self.partner.delayable
            chain(
                job().testing("a"),
                group(job().testing("b"), job(priority=1).testing("b")),
                job(priority=1).testing("c"),
            ).delay()
            result = self.drain_new()
        self.assertEqual(names, ["a", "b", "b", "c"])
        self.assertEqual(len(result.done), 4)

    def test_nested_on_done(self):
        names = []
        with self.job_method(lambda partner, name: names.append(name)):
            first, second, third = (
                self.partner.delayable(priority=9 - n).testing(n) for n in (1, 2, 3)
            )
            first.on_done(second.on_done(third)).delay()
            self.drain_new()
        self.assertEqual(names, [1, 2, 3])

    @mute_logger(CONTROLLER_LOGGER)
    def test_a_failure_stops_its_dependents_and_nobody_else(self):
        names, broken = [], [True]

        def testing(partner, name):
            if name == "broken" and broken:
                raise ValueError(name)
            names.append(name)

        with self.job_method(testing):
            job = self.partner.delayable
            group(
                chain(job().testing("broken"), job().testing("behind")),
                chain(job().testing("whole"), job().testing("after")),
            ).delay()
            result = self.drain_new()
            self.assertEqual(names, ["whole", "after"])
            self.assertEqual(result.waiting.state, "wait_dependencies")
            broken.clear()
            result.failed.requeue()
            self.drain_new()
        self.assertEqual(names, ["whole", "after", "broken", "behind"])

    def test_jobs_of_jobs_run(self):
        def testing(partner, depth):
            if depth:
                partner.with_delay().testing(depth - 1)

        with self.job_method(testing):
            self.partner.with_delay().testing(3)
            self.assertEqual(len(self.drain_new().done), 4)

    def test_endless_jobs_are_noticed(self):
        def testing(partner):
            partner.with_delay().testing()

        with self.job_method(testing):
            self.partner.with_delay().testing()
            with self.assertRaisesRegex(AssertionError, "still run after 5 attempts"):
                self.drain_new(limit=5)

    def test_ignored_jobs_stay(self):
        job = self.partner.with_delay().write({})
        self.drain(self.job_counter())
        self.assertEqual(job.db_record().state, "pending")
