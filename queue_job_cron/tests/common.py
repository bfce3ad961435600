# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A scheduled action that runs as a job, and what its tests share."""

from odoo.tests import TransactionCase, new_test_user

from odoo.addons.queue_job.tests.common import JobMixin


class CronCase(JobMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cron_user = new_test_user(
            cls.env, "cron_user", groups="base.group_user,base.group_system"
        )
        cls.partner = cls.env["res.partner"].create({"name": "Nobody"})
        cls.cron = cls.env["ir.cron"].create(
            {
                "name": "Test cron",
                "model_id": cls.env.ref("base.model_res_partner").id,
                "state": "code",
                "code": f"model.browse({cls.partner.id}).write({{'ref': 'ran'}})",
                "user_id": cls.cron_user.id,
                "interval_number": 1,
                "interval_type": "days",
                "priority": 7,
                "run_as_queue_job": True,
            }
        )

    def setUp(self):
        super().setUp()
        self.counter = self.job_counter()

    @property
    def jobs(self):
        """The jobs created in the test."""
        return self.counter.search_created()

    def callback(self):
        """Do what a cron worker does when the action is due."""
        cron = self.cron.with_user(self.cron.user_id)
        server_action = self.cron.ir_actions_server_id
        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            cron.with_env(cron.env(cr=cr))._callback(self.cron.name, server_action.id)
        self.env.invalidate_all()
