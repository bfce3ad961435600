# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs made directly in the table, for the tests of the models."""

from uuid import uuid4

from odoo.tests import TransactionCase, new_test_user

MANAGER_GROUP = "queue_job.group_queue_job_manager"
WATCHER_GROUP = "queue_job.group_queue_job_watcher"


class JobCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = cls.env["queue.job"]
        cls.manager = new_test_user(
            cls.env, "job_manager", groups=f"base.group_user,{MANAGER_GROUP}"
        )
        cls.plain_user = new_test_user(cls.env, "plain_user", groups="base.group_user")

    def job(self, state="pending", parents=None, **values):
        """Create a job which calls `res.partner.read`, a child of `parents`."""
        vals = {
            "uuid": str(uuid4()),
            "name": "Job",
            "state": state,
            "model_name": "res.partner",
            "method_name": "read",
            "channel": "root",
            "priority": 10,
            "date_created": "2026-01-01 00:00:00",
            **values,
        }
        if parents:
            vals["dependencies"] = {"depends_on": parents.mapped("uuid")}
        return self.jobs.create(vals)

    def chain(self, *states):
        """Create jobs of which each waits for the one before."""
        jobs = self.jobs
        for state in states:
            jobs += self.job(state, parents=jobs[-1:], graph_uuid="test-graph")
        return jobs
