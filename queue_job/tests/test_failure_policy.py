# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who hears of failed jobs, and what stands on the job."""

from unittest.mock import patch

from odoo.tests import new_test_user

from odoo.addons.queue_job.settle.failure_policy import DIGEST, EACH, NONE

from .job_case import MANAGER_GROUP, JobCase


class FailureCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.channel = cls.env["queue.job.channel"].create(
            {"name": "imports", "parent_id": cls.root.id}
        )
        cls.function = cls.env["queue.job.function"].create(
            {"name": "<res.partner>.read", "channel_id": cls.channel.id}
        )
        cls.failures = cls.env["queue.job.failure"]
        cls.failures.search([]).unlink()
        cls.company = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.elsewhere = new_test_user(
            cls.env,
            "elsewhere",
            groups=f"base.group_user,{MANAGER_GROUP}",
            company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)],
        )

    def failed(self, message="It broke", function="<res.partner>.read", **values):
        """Return a job that has just failed."""
        job = self.job(
            "started",
            channel="root.imports",
            channel_method_name=function,
            job_function_id=self.function.id,
            **values,
        )
        job.write(
            {
                "state": "failed",
                "exc_name": "ValueError",
                "exc_message": message,
                "exc_info": "Traceback",
            }
        )
        self.env.flush_all()
        return job

    def failure_message(self, job):
        subtype = self.env.ref("queue_job.mt_job_failed")
        return job.message_ids.filtered(lambda message: message.subtype_id == subtype)

    def followers(self, job):
        return job.message_follower_ids.partner_id.user_ids


class TestNotice(FailureCase):
    def test_in_a_digest_the_message_notifies_nobody_by_itself(self):
        job = self.failed()
        self.assertEqual(len(self.failure_message(job)), 1)
        self.assertIn(self.manager, self.followers(job))
        self.assertFalse(self.failure_message(job).notification_ids)
        self.assertEqual(self.failures.search([]).job_id, job)

    def test_each_failure_by_a_message(self):
        self.root.failure_notice = EACH
        job = self.failed()
        notified = self.failure_message(job).notified_partner_ids
        self.assertIn(self.manager.partner_id, notified)
        self.assertFalse(self.failures.search([]))

    def test_nobody(self):
        self.root.failure_notice = NONE
        job = self.failed()
        self.assertEqual(len(self.failure_message(job)), 1)
        self.assertFalse(self.followers(job))
        self.assertFalse(self.failures.search([]))

    def test_no_text_no_notice(self):
        with patch.object(type(self.jobs), "_message_failed_job", lambda job: None):
            self.failed()
        self.assertFalse(self.failures.search([]))

    def test_a_digest_costs_less_than_each_failure_by_a_message(self):
        costs = {}
        for notice in (EACH, DIGEST):
            self.root.failure_notice = notice
            self.failed()  # fills the caches, and is the first one
            job = self.job("started", job_function_id=self.function.id)
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            job.write({"state": "failed", "exc_name": "E", "exc_message": "m"})
            self.env.flush_all()
            costs[notice] = self.env.cr.sql_log_count - before
        self.assertLess(costs[DIGEST], costs[EACH])


class TestRecipients(FailureCase):
    def test_who_is_named_is_told_instead_of_the_managers(self):
        self.channel.failure_user_ids = self.plain_user
        self.assertEqual(self.followers(self.failed()), self.plain_user)

    def test_only_of_their_own_companies(self):
        self.channel.failure_user_ids = self.plain_user + self.elsewhere
        job = self.failed(company_id=self.company.id)
        self.assertEqual(self.followers(job), self.elsewhere)

    def test_nobody_who_is_gone(self):
        self.channel.failure_user_ids = self.plain_user + self.elsewhere
        self.failed()  # they are in the cache now
        self.plain_user.active = False
        self.assertEqual(self.followers(self.failed()), self.elsewhere)

    def test_the_hook_decides_where_nobody_is_named(self):
        def domain(job):
            return [("id", "=", self.elsewhere.id)]

        with patch.object(type(self.jobs), "_subscribe_users_domain", domain):
            self.assertEqual(self.followers(self.failed()), self.elsewhere)

    def test_the_creator_if_he_wishes(self):
        self.assertIn(
            self.plain_user, self.followers(self.failed(user_id=self.plain_user.id))
        )
        own = self.plain_user.with_user(self.plain_user)
        own.notify_failed_jobs = False
        self.assertNotIn(
            self.plain_user, self.followers(self.failed(user_id=self.plain_user.id))
        )

    def test_the_hook_for_the_creator(self):
        Jobs = type(self.jobs)
        with patch.object(Jobs, "_subscribe_job_creator", lambda job: False):
            job = self.failed(user_id=self.plain_user.id)
        self.assertNotIn(self.plain_user, self.followers(job))


class TestInheritance(FailureCase):
    def policy(self, channel="root.imports"):
        channels = self.env["queue.job.channel"]
        return channels._failure_policy(self.function.id, channel)

    def test_the_nearest_one_wins(self):
        self.assertEqual(self.policy(), (DIGEST, ()))
        self.root.write(
            {"failure_notice": NONE, "failure_user_ids": [(6, 0, self.manager.ids)]}
        )
        self.assertEqual(self.policy(), (NONE, tuple(self.manager.ids)))
        self.channel.failure_notice = EACH
        self.assertEqual(self.policy(), (EACH, tuple(self.manager.ids)))
        self.function.write(
            {
                "failure_notice": DIGEST,
                "failure_user_ids": [(6, 0, self.plain_user.ids)],
            }
        )
        self.assertEqual(self.policy(), (DIGEST, tuple(self.plain_user.ids)))

    def test_each_setting_by_itself(self):
        self.root.failure_notice = EACH
        self.function.failure_user_ids = self.plain_user
        self.assertEqual(self.policy(), (EACH, tuple(self.plain_user.ids)))

    def test_a_channel_that_does_not_exist(self):
        self.channel.failure_notice = NONE
        self.assertEqual(self.policy("root.imports.unknown").notice, NONE)
        self.assertEqual(self.policy("elsewhere").notice, DIGEST)
        self.assertEqual(self.policy(None).notice, DIGEST)

    def test_channels_that_come_and_go(self):
        self.root.failure_notice = EACH
        self.assertEqual(self.policy("root.new").notice, EACH)
        new = self.channel.create(
            {"name": "new", "parent_id": self.root.id, "failure_notice": NONE}
        )
        self.assertEqual(self.policy("root.new").notice, NONE)
        new.unlink()
        self.assertEqual(self.policy("root.new").notice, EACH)
