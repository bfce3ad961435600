# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""JobsTestCase, used as another addon uses it."""

import threading
from datetime import datetime, timedelta
from unittest import mock

from odoo.tools import mute_logger

from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.exception import RetryableJobError

from .common import JobsTestCase

LOGGERS = ("odoo.addons.queue_job.controllers.main", "odoo.http")


class TestJobsTestCase(JobsTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Nobody"})

    def job_method(self, function):
        function.__name__ = "testing"
        return mock.patch.object(type(self.partner), "testing", function, create=True)

    def test_a_job_runs_on_the_server(self):
        threads = []

        def testing(partner):
            threads.append(threading.current_thread().name)
            partner.name = "Ada"

        with self.job_method(testing):
            job = self.partner.with_delay().testing()
            result = self.run_jobs()
        self.assertRegex(threads[0], r"^odoo\.service\.http\.request")
        self.assertEqual(self.partner.name, "Ada")
        self.assertEqual(result.done, job.db_record())

    def test_time_passes_when_the_test_says_so(self):
        job = self.partner.with_delay(eta=7 * 86400).write({"name": "Ada"})
        self.assertEqual(self.run_jobs().waiting, job.db_record())
        began = self.now
        self.travel(days=6)
        self.assertFalse(self.run_jobs().attempts)
        self.travel_to(began + timedelta(days=7, minutes=1))
        self.assertTrue(self.run_jobs().done)
        self.assertEqual(self.partner.name, "Ada")
        self.assertGreater(job.db_record().date_done, began + timedelta(days=7))

    def test_retries(self):
        moments = []

        def testing(partner):
            moments.append(datetime.now())
            if len(moments) < 3:
                raise RetryableJobError("not yet", seconds=3600)

        with self.job_method(testing):
            self.partner.with_delay().testing()
            self.assertTrue(self.run_jobs().waiting)
            result = self.run_jobs(follow_due_dates=True)
        self.assertEqual(len(result.done), 1)
        self.assertAlmostEqual(result.elapsed / timedelta(hours=1), 2, 1)

    def test_what_a_job_enqueues_and_what_waits_for_it(self):
        names = []

        def testing(partner, name):
            names.append(name)
            if name == "a":
                partner.with_delay(priority=99).testing("of a")

        with self.job_method(testing):
            call = self.partner.delayable
            chain(call().testing("a"), call().testing("b")).delay()
            self.run_jobs()
        self.assertEqual(names, ["a", "b", "of a"])

    def test_a_failure(self):
        with mute_logger(*LOGGERS):
            self.partner.with_delay().write({"no_such_field": 1})
            self.assertEqual(len(self.run_jobs().failed), 1)
            self.partner.with_delay().write({"no_such_field": 1})
            with self.assertRaisesRegex(AssertionError, "failed:\nTraceback"):
                self.run_jobs(raise_failures=True)

    def test_the_time_is_real_again(self):
        self.assertLess(self.now - datetime.now(), timedelta(seconds=5))
        self.travel(days=1)
        self.doCleanups()
        self.assertLess(datetime.now() - self.env.cr.now(), timedelta(hours=1))
