# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Old jobs are deleted, stuck ones put back."""

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tools import config

from ..claim.claims import LIVENESS_LOCK
from ..jobrunner.recovery.stuck_jobs import stuck_minutes
from ..storage.retention import OLD_JOBS, _look
from .job_case import JobCase


def ago(**delta):
    return datetime.now() - timedelta(**delta)


class TestOldJobs(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.jobs.search([]).unlink()

    def kept(self, **values):
        job = self.job(**values)
        self.jobs._gc_old_jobs()
        return bool(job.exists())

    def test_done(self):
        self.assertTrue(self.kept(state="done", date_done=ago(days=29)))
        self.assertFalse(self.kept(state="done", date_done=ago(days=31)))

    def test_cancelled(self):
        self.assertTrue(self.kept(state="cancelled", date_cancelled=ago(days=29)))
        self.assertFalse(self.kept(state="cancelled", date_cancelled=ago(days=31)))

    def test_interval_of_the_channel(self):
        self.root.create(
            {"name": "long", "parent_id": self.root.id, "removal_interval": 60}
        )
        self.assertTrue(self.kept(channel="root.long", date_done=ago(days=59)))
        self.assertFalse(self.kept(channel="root.long", date_done=ago(days=61)))

    def test_unknown_channel_follows_root(self):
        for channel in ("root.unknown", False):
            self.assertTrue(self.kept(channel=channel, date_done=ago(days=29)))
            self.assertFalse(self.kept(channel=channel, date_done=ago(days=31)))

    def test_failed_jobs_stay_unless_asked(self):
        old = {"state": "failed", "date_started": ago(days=1000)}
        self.assertTrue(self.kept(**old))
        self.root.failed_removal_interval = 90
        self.assertFalse(self.kept(**old))
        self.assertTrue(self.kept(state="failed", date_started=ago(days=80)))

    def test_job_without_dates_or_channel_stays(self):
        self.assertTrue(self.kept(state="started", channel=False))

    def test_batches(self):
        for _ in range(3):
            self.job("done", date_done=ago(days=31))
        self.assertEqual(self.jobs._gc_old_jobs(limit=2), (2, True))
        self.assertEqual(self.jobs._gc_old_jobs(limit=2), (1, False))

    def test_one_look_is_enough_for_many_batches(self):
        for _ in range(5):
            self.job("done", date_done=ago(days=31))
        retention = "odoo.addons.queue_job.storage.retention"
        with patch(f"{retention}._look", side_effect=_look) as look:
            counts = [self.jobs._gc_old_jobs(limit=2) for _ in range(3)]
        self.assertEqual(counts, [(2, True), (2, True), (1, False)])
        self.assertEqual(look.call_count, 2)

    def test_what_was_found_is_judged_again(self):
        jobs = [self.job("done", date_done=ago(days=31)) for _ in range(5)]
        self.assertEqual(self.jobs._gc_old_jobs(limit=1), (1, True))
        jobs[1].requeue()
        jobs[2].write({"channel": "root.long"})
        self.root.create(
            {"name": "long", "parent_id": self.root.id, "removal_interval": 60}
        )
        while self.jobs._gc_old_jobs(limit=1)[0]:
            pass
        self.assertEqual(
            [bool(j.exists()) for j in jobs], [False, True, True, *2 * [False]]
        )

    def test_the_oldest_of_all_channels_go_first(self):
        ages = {"root.a": 40, "root.b": 50, "root.c": 32, False: 45}
        jobs = {
            days: self.job("done", channel=channel, date_done=ago(days=days))
            for channel, days in ages.items()
        }
        self.assertEqual(self.jobs._gc_old_jobs(limit=2), (2, True))
        left = {days for days, job in jobs.items() if job.exists()}
        self.assertEqual(left, {32, 40})

    def test_a_job_that_is_old_in_two_ways_is_deleted_once(self):
        self.job("done", date_done=ago(days=31), date_cancelled=ago(days=32))
        self.assertEqual(self.jobs._gc_old_jobs(), (1, False))

    def test_jobs_that_are_kept_are_not_read(self):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute("EXPLAIN " + OLD_JOBS, {"default_days": 30, "limit": 1000})
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)")
        self.assertNotIn("using queue_job_pkey", plan)
        self.assertIn("queue_job_channel_date_done_date_created_index", plan)
        self.assertIn("queue_job_channel_date_cancelled_idx", plan)


class TestStuckJobs(JobCase):
    def test_enqueued(self):
        stuck = self.job("enqueued", date_enqueued=ago(minutes=2), claim_token=3)
        fresh = self.job("enqueued", date_enqueued=ago(seconds=10))
        self.jobs.requeue_stuck_jobs(enqueued_delta=0)
        self.assertEqual(stuck.state, "enqueued")
        self.jobs.requeue_stuck_jobs()
        self.assertEqual(stuck.state, "pending")
        self.assertEqual((stuck.claim_token, stuck.retry), (4, 0))
        self.assertEqual(fresh.state, "enqueued")

    def test_started(self):
        stuck = self.job("started", date_started=ago(minutes=10), max_retries=5)
        self.jobs.requeue_stuck_jobs(started_delta=0)
        self.assertEqual(stuck.state, "started")
        self.jobs.requeue_stuck_jobs(started_delta=11)
        self.assertEqual(stuck.state, "started")
        self.jobs.requeue_stuck_jobs(started_delta=9)
        self.assertEqual((stuck.state, stuck.retry), ("pending", 1))

    def test_started_too_often(self):
        stuck = self.job(
            "started", date_started=ago(minutes=10), max_retries=2, retry=1
        )
        self.jobs.requeue_stuck_jobs(started_delta=9)
        self.assertEqual((stuck.state, stuck.exc_name), ("failed", "JobFoundDead"))
        self.assertTrue(stuck.message_ids)

    def test_job_that_lives_is_not_stuck(self):
        job = self.job("started", date_started=ago(days=2))
        self.env.cr.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [LIVENESS_LOCK, job.id]
        )
        self.jobs.requeue_stuck_jobs(started_delta=1)
        self.assertEqual(job.state, "started")

    def test_minutes(self):
        cases = [
            (5, 120, 5),
            (0, 120, None),
            (-1, 120, 3),
            (-1, 0, None),
            (-1, -1, None),
        ]
        for delta, limit, expected in cases:
            options = patch.dict(config.options, {"limit_time_real": limit})
            with self.subTest(delta=delta, limit=limit), options:
                self.assertEqual(stuck_minutes(delta), expected)

    def test_the_scheduled_action_runs(self):
        cron = self.env.ref("queue_job.ir_cron_queue_job_garbage_collector")
        self.assertEqual(cron.name, "Jobs Garbage Collector")
        stuck = self.job("enqueued", date_enqueued=ago(minutes=2))
        cron.ir_actions_server_id.run()
        self.assertEqual(stuck.state, "pending")
