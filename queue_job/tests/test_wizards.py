# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The wizards on a selection of jobs."""

from unittest.mock import patch

from ..models import queue_job_actions
from ..wizards import queue_requeue_job
from .job_case import JobCase


class TestWizards(JobCase):
    def wizard(self, model, jobs, **context):
        context = {"active_model": "queue.job", "active_ids": jobs.ids, **context}
        wizards = self.env[model].with_user(self.manager).with_context(**context)
        return wizards.create({})

    def test_requeue(self):
        jobs = self.job("failed") + self.job("cancelled")
        action = self.wizard("queue.requeue.job", jobs).requeue()
        self.assertEqual(action, {"type": "ir.actions.act_window_close"})
        self.assertEqual(jobs.mapped("state"), ["pending", "pending"])

    def test_done(self):
        jobs = self.job("failed") + self.job("pending")
        self.wizard("queue.jobs.to.done", jobs).set_done()
        self.assertEqual(jobs.mapped("state"), ["done", "done"])

    def test_cancelled(self):
        jobs = self.job("failed") + self.job("done")
        self.wizard("queue.jobs.to.cancelled", jobs).set_cancelled()
        self.assertEqual(jobs.mapped("state"), ["cancelled", "done"])

    def test_very_many_are_left_to_a_job(self):
        with (
            patch.object(queue_requeue_job, "BACKGROUND_FROM", 2),
            patch.object(queue_job_actions, "BACKGROUND_FROM", 2),
            patch.object(type(self.jobs), "_queue_runs", lambda jobs: True),
        ):
            jobs = self.job("failed") + self.job("failed")
            action = self.wizard("queue.requeue.job", jobs).requeue()
        self.assertEqual(action["tag"], "queue_job_wait")

    def test_other_model_gives_no_selection(self):
        wizard = self.wizard("queue.requeue.job", self.job(), active_model="res.users")
        self.assertFalse(wizard.job_ids)
