# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""_commit_progress() of Odoo inside a job."""

from datetime import timedelta
from unittest import mock

from .common import CronCase

#: Marks partners named "todo" as done one by one, `size` of them in a run.
BATCH = """
todo = model.search([("name", "=", "todo")])
commit = env["ir.cron"]._commit_progress
commit(remaining=len(todo))
for partner in todo[:{size}]:
    partner.write({{"name": "done"}})
    commit(1)
"""


class TestProgress(CronCase):
    def setUp(self):
        super().setUp()
        self.partners = self.env["res.partner"].create(
            [{"name": "todo"} for _number in range(5)]
        )

    def run_action(self, code, seconds=10):
        self.cron.code = code
        self.cron.method_direct_trigger()
        with mock.patch(
            "odoo.addons.queue_job_cron.models.ir_cron.MIN_TIME_PER_JOB", seconds
        ):
            return self.drain(self.counter)

    def done(self):
        return self.partners.filtered(lambda partner: partner.name == "done")

    def test_until_nothing_remains(self):
        result = self.run_action(BATCH.format(size=2))
        self.assertEqual(self.done(), self.partners)
        self.assertEqual(len(result.done), 1)
        progress = self.env["ir.cron.progress"].search(
            [("cron_id", "=", self.cron.id)], order="id"
        )
        self.assertEqual(progress.mapped("done"), [2, 2, 1])
        self.assertEqual(progress.mapped("remaining"), [3, 1, 0])
        self.assertEqual(progress.mapped("timed_out_counter"), [0, 0, 0])

    def test_another_job_when_time_is_over(self):
        result = self.run_action(BATCH.format(size=2), seconds=0)
        self.assertEqual(self.done(), self.partners)
        self.assertEqual(len(result.done), 3)
        self.assertEqual(result.elapsed, timedelta())

    def test_pause_when_nothing_could_be_done(self):
        with (
            mock.patch.object(type(self.cron), "_callback"),
            self.assertLogs("odoo.addons.queue_job_cron", "WARNING"),
        ):
            self.cron.code = BATCH.format(size=0)
            self.cron.method_direct_trigger()
            result = self.drain(self.counter, follow_due_dates=False)
        self.assertEqual(len(result.done), 1)
        self.assertEqual(len(result.waiting), 1)
        self.assertFalse(self.done())
        pause = result.waiting.eta - result.waiting.date_created
        self.assertAlmostEqual(pause.total_seconds(), 60, delta=2)

    def test_time_left(self):
        self.run_action(
            "left = env['ir.cron']._commit_progress(1)\n"
            f"model.browse({self.partner.id}).write({{'ref': str(5 < left <= 10)}})"
        )
        self.assertEqual(self.partner.ref, "True")

    def test_own_cursor(self):
        self.cron.allow_commit = True
        result = self.run_action(BATCH.format(size=2))
        self.assertEqual(self.done(), self.partners)
        self.assertEqual(len(result.done), 1)

    def test_deactivate(self):
        self.cron.code = "env['ir.cron']._commit_progress(1, deactivate=True)"
        server_action = self.cron.ir_actions_server_id
        self.env.cr.postcommit.clear()
        with mock.patch.object(self.env.cr, "commit"):
            self.cron._run_job_as_queue_job(server_action)
        with mock.patch.object(type(self.cron), "_deactivate_finished"):
            self.assertEqual(len(self.env.cr.postcommit._funcs), 1)
        self.env.cr.postcommit.clear()
