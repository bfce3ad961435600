# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The flows of the web client in a real browser."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from .browser_case import BrowserCase

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/models/partner.py", line 4, in check
    raise UserError("The shop is closed")
odoo.exceptions.UserError: The shop is closed"""

JOBS = "/odoo/action-queue_job.action_queue_job"
CHANNELS = "/odoo/action-queue_job.action_queue_job_channel"
DASHBOARD = "/odoo/job-queue"


@tagged("post_install", "-at_install", "queue_job_js")
class TestTours(BrowserCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM queue_job")
        cls.env.cr.execute("DELETE FROM queue_job_runner")
        cls.now = fields.Datetime.now()
        cls.channel = cls.env["queue.job.channel"].create(
            {
                "name": "tour",
                "parent_id": cls.env.ref("queue_job.channel_root").id,
                "capacity": 1,
            }
        )
        cls.startClassPatcher(patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": ""}))

    def create_job(self, name, state="pending", **values):
        return self.env["queue.job"].create(
            {
                "uuid": name,
                "name": name,
                "state": state,
                "model_name": "res.partner",
                "method_name": "name_create",
                "channel_method_name": "<res.partner>.name_create",
                "channel": "root.tour",
                "priority": 10,
                "max_retries": 5,
                "date_created": self.now,
                "records": self.env["res.partner"].browse(),
                **values,
            }
        )

    def create_failed(self, name="Tour failed", **values):
        return self.create_job(
            name,
            "failed",
            retry=2,
            exc_name="odoo.exceptions.UserError",
            exc_message="The shop is closed",
            exc_info=TRACEBACK,
            date_started=self.now,
            **values,
        )

    def test_work_through_failures(self):
        jobs = [
            self.create_job(f"Tour {n}", "failed", exc_message=f"Order {n} is locked")
            for n in range(1, 5)
        ]
        tour = "queue_job_work_through_failures"
        self.start_tour("/odoo/job-failures", tour, login="admin")
        self.assertEqual({job.state for job in jobs}, {"pending"})
        self.assertEqual(self.env["queue.job.failure.kind"].search([]).state, "solved")

    def test_open_and_requeue(self):
        job = self.create_failed(kwargs={"greeting": "hello"})
        self.env["queue.job.attempt"].create(
            {
                "job_id": job.id,
                "number": 1,
                "outcome": "postponed",
                "message": "The shop does not answer",
            }
        )
        self.start_tour(JOBS, "queue_job_open_and_requeue", login="admin")
        self.assertEqual(job.state, "pending")

    def test_cancel_started(self):
        job = self.create_job(
            "Tour started",
            "started",
            date_started=self.now,
            worker_host="app1",
            worker_pid=4711,
        )
        self.start_tour(JOBS, "queue_job_cancel_started", login="admin")
        signal = self.env["queue.job.signal"].search([("job_id", "=", job.id)])
        self.assertEqual(signal.mapped("kind"), ["cancel"])

    def test_run_now_and_again(self):
        job = self.create_job(
            "Tour scheduled",
            args=("Azure",),
            eta=self.now + timedelta(days=1),
        )
        self.start_tour(JOBS, "queue_job_run_now_and_again", login="admin")
        self.assertEqual((job.state, job.eta), ("cancelled", False))
        new = self.env["queue.job"].search([("name", "=", job.name)]) - job
        self.assertEqual((new.state, new.args), ("pending", ["Azure"]))

    def test_mass_requeue(self):
        jobs = self.create_failed("Tour mass 1") + self.create_failed("Tour mass 2")
        self.create_job("Tour mass waiting")
        self.start_tour(JOBS, "queue_job_mass_requeue", login="admin")
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        self.assertIn("The shop is open", jobs[0].message_ids[0].body)

    def test_link_of_a_digest(self):
        self.create_failed("Tour of the link")
        self.create_failed("Tour of another", channel_method_name="<res.users>.read")
        link = "/odoo/failed-jobs?function=%3Cres.partner%3E.name_create"
        self.start_tour(link, "queue_job_failed_jobs", login="admin")

    def test_graph(self):
        parent = self.create_failed("Tour parent", graph_uuid="tour")
        self.create_job(
            "Tour child",
            "wait_dependencies",
            graph_uuid="tour",
            dependencies={"depends_on": [parent.uuid]},
        )
        self.start_tour(JOBS, "queue_job_graph", login="admin")

    def test_channels(self):
        self.create_job("Tour waiting")
        self.start_tour(CHANNELS, "queue_job_channels", login="admin")
        self.assertEqual((self.channel.capacity, self.channel.paused), (4, False))

    def test_fixed_channel(self):
        with patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": "root:2,tour:1"}):
            self.start_tour(CHANNELS, "queue_job_fixed_channel", login="admin")

    def test_dashboard(self):
        self.create_job("Tour waiting")
        self.create_failed()
        self.start_tour(DASHBOARD, "queue_job_dashboard", login="admin")
