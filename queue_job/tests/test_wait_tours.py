# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Waiting for a job in a real browser, from the button to what comes after.

There is no runner and no websocket in these tests: the client asks, and each time it
does, the job goes on by a step.
"""

import functools
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from odoo.addons.queue_job.job import Job

from .browser_case import BrowserCase

BUTTON = """
job = env["res.partner"].with_delay(description="Tour wait").name_create("Tour wait")
action = job.wait_action(cancellable=True)
"""

RESULT = {
    "type": "ir.actions.act_window",
    "name": "Result of the job",
    "res_model": "res.partner",
    "views": [[False, "list"], [False, "form"]],
}


@tagged("post_install", "-at_install", "queue_job_js")
class TestWaitTours(BrowserCase):
    def wait_through(self, tour, *steps):
        """Let the client wait for a job which goes through these steps.

        :return: the record of the job
        """
        button = self.env["ir.actions.server"].create(
            {
                "name": "Start a job and wait for it",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "state": "code",
                "code": BUTTON,
            }
        )
        todo = list(steps)
        Jobs = type(self.env["queue.job"])
        wait_state = Jobs.wait_state

        @functools.wraps(wait_state)
        def go_on_and_answer(jobs, uuid, stages=None):
            record = jobs.sudo().search([("uuid", "=", uuid)])
            if todo and record.state in ("pending", "started"):
                todo.pop(0)(record)
            return wait_state(jobs, uuid, stages)

        go_on_and_answer._readonly = False
        with patch.object(Jobs, "wait_state", go_on_and_answer):
            self.start_tour(f"/odoo/action-{button.id}", tour, login="admin")
        return self.env["queue.job"].search([("name", "=", "Tour wait")])

    def start(self, record):
        job = Job.load(record.env, record.uuid)
        job.set_started()
        job.store()
        self.report(record, 10)

    def at_40(self, record):
        self.report(record, 40)

    def report(self, record, percent):
        rows = record.env["queue.job.progress"]
        row = rows.search([("job_id", "=", record.id)]) or rows.create(
            {"job_id": record.id}
        )
        now = fields.Datetime.now()
        row.write({"percent": percent, "message": f"At {percent}", "date": now})

    def done(self, record):
        job = Job.load(record.env, record.uuid)
        job.set_done(RESULT)
        job.store()

    def failed(self, record):
        job = Job.load(record.env, record.uuid)
        job.set_failed(
            exc_name="odoo.exceptions.UserError",
            exc_message="The shop is closed",
            exc_info="Traceback (most recent call last)",
        )
        job.store()

    def test_result(self):
        job = self.wait_through(
            "queue_job_wait_result", self.start, self.at_40, self.done
        )
        self.assertEqual(job.state, "done")

    def test_reload(self):
        wait = self.at_40
        self.wait_through(
            "queue_job_wait_reload", self.start, wait, wait, wait, self.done
        )

    def test_failure(self):
        self.wait_through("queue_job_wait_failure", self.start, self.failed)

    def test_cancel(self):
        def obey(record):
            if self.env["queue.job.signal"].search([("job_id", "=", record.id)]):
                job = Job.load(record.env, record.uuid)
                job.set_cancelled("Cancelled")
                job.store()
            else:
                self.report(record, 40)

        job = self.wait_through("queue_job_wait_cancel", self.start, *[obey] * 20)
        self.assertEqual(job.state, "cancelled")
