# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A wait begins when a job may run: not while its parents, or its failure, hold it."""

from datetime import datetime, timedelta

from ..job import Job
from ..jobrunner.recovery.stuck_jobs import requeue_stuck
from ..monitoring import dashboard_queries
from .job_case import JobCase


class TestWaitBegins(JobCase):
    def assert_just_runnable(self, job):
        """The job was created long ago, and may run since a moment."""
        job.invalidate_recordset()
        self.assertEqual(job.state, "pending")
        self.assertAlmostEqual(
            job.date_runnable, datetime.now(), delta=timedelta(seconds=20)
        )

    def test_requeue(self):
        job = self.job("failed")
        job.requeue()
        self.assert_just_runnable(job)
        self.assertTrue(job.date_runnable.microsecond)

    def test_the_last_parent_is_done(self):
        parent, child = self.chain("started", "wait_dependencies")
        self.assertFalse(child.date_runnable)
        record = Job.load(self.env, parent.uuid)
        record.set_done()
        record.store()
        record.enqueue_waiting()
        self.assert_just_runnable(child)

    def test_a_worker_died(self):
        job = self.job("started", date_started="2026-01-01 00:00:00")
        self.env.flush_all()
        requeue_stuck(self.jobs, 0, 1)
        self.assert_just_runnable(job)

    def test_postponed(self):
        job = self.job("started", date_started="2026-01-01 00:00:00")
        record = Job.load(self.env, job.uuid)
        record.set_pending(reset_retry=False)
        record.store()
        self.assert_just_runnable(job)

    def test_wait_of_the_form(self):
        job = self.job(
            "started",
            date_runnable="2026-01-01 00:10:00",
            date_started="2026-01-01 00:10:02",
        )
        self.assertEqual(job.wait_time, 2)

    def test_oldest_wait_of_a_channel(self):
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE state = 'pending'"
        )
        self.job("failed", channel="root.wait_begins").requeue()
        self.env.flush_all()
        self.env.cr.execute(dashboard_queries.WAITING, {"companies": None})
        waits = {
            channel: oldest for channel, oldest, _waiting in self.env.cr.fetchall()
        }
        self.assertLess(waits["root.wait_begins"], 20)
