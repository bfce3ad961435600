# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When an action becomes a job, and which one."""

from datetime import datetime, timedelta
from unittest import mock

from odoo.exceptions import UserError
from odoo.tests import Form

from odoo.addons.queue_job.controllers.main import _prevent_commit
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import Job

from .common import CronCase


class TestEnqueue(CronCase):
    def test_defaults(self):
        cron = self.env["ir.cron"].create(
            {
                "name": "Other",
                "model_id": self.env.ref("base.model_res_partner").id,
                "state": "code",
            }
        )
        self.assertFalse(cron.run_as_queue_job)
        self.assertTrue(cron.no_parallel_queue_job_run)
        self.assertFalse(cron.allow_commit)
        self.assertFalse(cron.channel_id)

    def test_channel(self):
        channel = self.env.ref("queue_job_cron.channel_root_ir_cron")
        self.assertEqual(self.cron.channel_id, channel)
        self.assertEqual(channel.complete_name, "root.ir_cron")
        other = self.env.ref("queue_job.channel_root")
        self.cron.channel_id = other
        self.cron.run_as_queue_job = False
        self.cron.run_as_queue_job = True
        self.assertEqual(self.cron.channel_id, other)

    def test_form(self):
        self.cron.allow_commit = True
        with Form(self.cron) as form:
            form.run_as_queue_job = False
        self.assertFalse(self.cron.allow_commit)

    def test_job_function(self):
        name = self.env["queue.job.function"].job_function_name(
            "ir.cron", "_run_job_as_queue_job"
        )
        config = self.env["queue.job.function"].job_config(name)
        self.assertEqual(config.channel, "root.ir_cron")

    def test_direct_trigger(self):
        lastcall = self.cron.lastcall = datetime(2025, 1, 2, 3, 4, 5)
        self.assertTrue(self.cron.method_direct_trigger())
        job = self.jobs
        self.assertEqual(job.name, "Test cron")
        self.assertEqual(job.priority, 7)
        self.assertEqual(job.user_id, self.cron_user)
        self.assertEqual(job.channel, "root.ir_cron")
        self.assertTrue(job.identity_key)
        recordset = Job.load(self.env, job.uuid).recordset
        self.assertEqual(recordset, self.cron)
        self.assertEqual(recordset.env.context["lastcall"], lastcall)

    def test_direct_trigger_of_a_normal_action(self):
        self.cron.run_as_queue_job = False
        with mock.patch.object(type(self.cron), "_process_job") as process:
            self.cron.method_direct_trigger()
        self.assertEqual(process.call_count, 1)
        self.assertFalse(self.jobs)

    def test_one_waiting_job_if_not_parallel(self):
        self.cron.method_direct_trigger()
        self.cron.method_direct_trigger()
        self.assertEqual(len(self.jobs), 1)
        self.cron.no_parallel_queue_job_run = False
        self.cron.method_direct_trigger()
        self.cron.method_direct_trigger()
        self.assertEqual(len(self.jobs), 3)

    def test_due_action(self):
        self.callback()
        self.assertEqual(len(self.jobs), 1)
        self.assertEqual(self.jobs.user_id, self.cron_user)
        self.assertFalse(self.partner.ref)

    def test_due_normal_action(self):
        self.cron.run_as_queue_job = False
        self.callback()
        self.assertFalse(self.jobs)
        self.assertEqual(self.partner.ref, "ran")

    def test_same_job_for_trigger_and_calendar(self):
        self.cron.method_direct_trigger()
        self.callback()
        self.assertEqual(len(self.jobs), 1)

    def test_user_without_access_to_scheduled_actions(self):
        self.cron.user_id.group_ids = self.env.ref("base.group_user")
        self.cron.code = "env['ir.logging'].sudo().search([], limit=1)"
        self.cron.model_id = self.env.ref("base.model_res_users_settings")
        self.callback()
        self.assertEqual(len(self.drain(self.counter).done), 1)


class TestRunManually(CronCase):
    def test_it_shows_the_job(self):
        action = self.cron.method_direct_trigger()
        self.assertEqual(action["res_model"], "queue.job")
        self.assertEqual(action["res_id"], self.jobs.id)
        again = self.cron.method_direct_trigger()
        self.assertEqual(again["res_id"], self.jobs.id)
        other = self.cron.copy()
        both = (self.cron + other).method_direct_trigger()
        self.assertEqual(both["domain"], [("id", "in", self.jobs.sorted("id").ids)])

    def test_without_the_right_to_read_jobs(self):
        admin = self.cron_user
        self.assertFalse(self.env["queue.job"].with_user(admin).has_access("read"))
        action = self.cron.with_user(admin).method_direct_trigger()
        self.assertEqual(action["tag"], "display_notification")
        self.assertIn(self.jobs.uuid, action["params"]["message"])

    def test_it_sets_what_odoo_sets(self):
        now = self.env.cr.now().replace(microsecond=0)
        past = now - timedelta(hours=1)
        self.cron.write({"nextcall": past, "failure_count": 3})
        self.env["ir.cron.trigger"].create({"cron_id": self.cron.id, "call_at": past})
        self.cron.method_direct_trigger()
        self.assertEqual(self.cron.lastcall, now)
        self.assertEqual(self.cron.nextcall, past + timedelta(days=1))
        self.assertFalse(self.cron.failure_count)
        triggers = [("cron_id", "=", self.cron.id)]
        self.assertFalse(self.env["ir.cron.trigger"].search(triggers))

    def test_a_worker_has_it_in_hand(self):
        with mock.patch.object(type(self.cron), "_acquire_one_job", return_value=None):
            with self.assertRaisesRegex(UserError, "already executing"):
                self.cron.method_direct_trigger()
        self.assertFalse(self.jobs)

    def test_an_action_that_is_switched_off(self):
        self.cron.active = False
        self.cron.method_direct_trigger()
        self.assertFalse(self.cron.active)
        self.drain(self.counter)
        self.assertEqual(self.partner.ref, "ran")

    def test_where_jobs_run_at_once(self):
        cron = self.cron.with_context(queue_job__no_delay=True)
        self.assertIs(cron.method_direct_trigger(), True)
        self.assertEqual(self.partner.ref, "ran")


class TestRun(CronCase):
    def test_switched_off_while_the_job_waits(self):
        self.callback()
        self.cron.active = False
        self.drain(self.counter)
        self.assertFalse(self.partner.ref)
        self.assertEqual(self.jobs.state, "done")
        self.assertIn("switched off", self.jobs.result)

    def test_deleted_while_the_job_waits(self):
        self.callback()
        self.cron.unlink()
        self.drain(self.counter)
        self.assertEqual(self.jobs.state, "done")

    def test_the_user_is_archived(self):
        self.callback()
        self.cron_user.active = False
        with self.assertLogs("odoo.addons.queue_job.controllers.main", "ERROR"):
            self.drain(self.counter)
        self.assertFalse(self.partner.ref)
        self.assertIn("archived", self.jobs.exc_message)

    def test_job_runs_the_action(self):
        self.callback()
        result = self.drain(self.counter)
        self.assertEqual(result.done, self.jobs)
        self.assertEqual(self.partner.ref, "ran")

    def test_on_the_model_the_server_action_runs(self):
        action = self.cron.ir_actions_server_id
        self.env["ir.cron"]._run_job_as_queue_job(server_action=action)
        self.assertEqual(self.partner.ref, "ran")

    def test_not_parallel(self):
        self.cron.method_direct_trigger()
        first = self.jobs
        Job.load(self.env, first.uuid)
        for state in ("enqueued", "started"):
            job = Job.load(self.env, first.uuid)
            getattr(job, f"set_{state}")()
            job.store()
        self.cron.method_direct_trigger()
        second = Job.load(self.env, (self.jobs - first).uuid)
        with self.assertRaisesRegex(RetryableJobError, "still running"):
            second.perform()
        self.assertEqual(second.retry, 0)
        self.assertFalse(self.partner.ref)

        self.cron.no_parallel_queue_job_run = False
        second.perform()
        self.assertEqual(self.partner.ref, "ran")

    def test_commit_needs_its_own_cursor_where_it_is_forbidden(self):
        self.cron.code = "env.cr.commit()"
        server_action = self.cron.ir_actions_server_id
        with self.enter_registry_test_mode(), _prevent_commit(self.env.cr):
            with self.assertRaisesRegex(ValueError, "Commit is forbidden"):
                self.cron._run_job_as_queue_job(server_action)
            self.cron.allow_commit = True
            self.env.flush_all()
            self.cron._run_job_as_queue_job(server_action)

    def test_action_that_commits(self):
        write = f"model.browse({self.partner.id}).write"
        self.cron.code = f"""
{write}({{"ref": "committed"}})
env.cr.commit()
{write}({{"ref": "lost"}})
raise UserError("no")
"""
        self.cron.method_direct_trigger()
        with self.assertLogs("odoo.addons.queue_job.controllers.main", "ERROR"):
            result = self.drain(self.counter)
        self.assertEqual(result.failed, self.jobs)
        self.assertEqual(self.partner.ref, "committed")
