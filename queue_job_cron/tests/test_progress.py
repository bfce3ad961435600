# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""_commit_progress() of Odoo inside a job."""

from datetime import timedelta
from unittest import mock

from odoo.tools import mute_logger

from odoo.addons.queue_job.exception import RetryableJobError

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

#: Changes the partner at an index and raises, if there is one.
FAIL = """
if todo[{index}:]:
    todo[{index}].write({{"ref": "undone"}})
    raise UserError("no")
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

    def run_failing(self, code, **options):
        with mute_logger("odoo.addons.queue_job_cron.models.ir_cron"):
            return self.run_action(code, **options)

    def test_an_error_after_progress(self):
        """Each run does two and fails at the third, but for the last one."""
        code = BATCH.format(size=2) + FAIL.format(index=2)
        result = self.run_failing(code)
        self.assertEqual(self.done(), self.partners)
        self.assertEqual(len(result.done), 1)
        self.assertIn("Went on after an error", result.done.result)
        self.assertFalse(self.partners.filtered("ref"))

    def test_an_error_after_progress_when_time_is_over(self):
        code = BATCH.format(size=2) + FAIL.format(index=2)
        result = self.run_failing(code, seconds=0)
        self.assertEqual(self.done(), self.partners)
        self.assertEqual(len(result.done), 3)

    def test_an_error_after_progress_on_an_own_cursor(self):
        self.cron.allow_commit = True
        self.run_failing(BATCH.format(size=2) + FAIL.format(index=2))
        self.assertEqual(self.done(), self.partners)

    def test_an_error_of_sql_after_progress(self):
        code = BATCH.format(size=4) + (
            "if len(todo) > 4:\n    env.cr.execute('SELECT no_such_column')\n"
        )
        with mute_logger("odoo.sql_db"):
            self.run_failing(code)
        self.assertEqual(self.done(), self.partners)

    def test_an_error_without_progress(self):
        code = BATCH.format(size=0) + FAIL.format(index=0)
        with self.assertLogs("odoo.addons.queue_job.controllers.main", "ERROR"):
            result = self.run_action(code)
        self.assertEqual(len(result.failed), 1)
        self.assertFalse(self.done())

    def test_an_error_when_nothing_remains(self):
        code = BATCH.format(size=5) + "raise UserError('no')"
        with self.assertLogs("odoo.addons.queue_job.controllers.main", "ERROR"):
            result = self.run_action(code)
        self.assertEqual(len(result.failed), 1)
        self.assertEqual(self.done(), self.partners)

    def test_a_job_that_is_to_be_tried_again(self):
        error = RetryableJobError("later", seconds=60)
        with mock.patch.object(type(self.partner), "name_search", side_effect=error):
            code = BATCH.format(size=2) + "model.name_search('x')"
            self.cron.code = code
            self.cron.method_direct_trigger()
            result = self.drain(self.counter, follow_due_dates=False)
        self.assertEqual(result.waiting.retry, 1)
        self.assertEqual(len(self.done()), 2)

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
