# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs as users see them: rights, buttons, wizards, notification of failures."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from odoo.addons.queue_job.job import CANCELLED, DONE, FAILED, PENDING, STARTED

from .common import JobCommonCase


class TestRights(JobCommonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = new_test_user(cls.env, "plain", groups="base.group_user")
        cls.manager = new_test_user(
            cls.env,
            "manager",
            groups="base.group_user,queue_job.group_queue_job_manager",
        )

    def test_only_managers_read_jobs(self):
        job = self._create_job()
        self.assertEqual(job.with_user(self.manager).state, PENDING)
        with self.assertRaises(AccessError):
            job.with_user(self.plain).read(["state"])

    def test_what_a_job_does_cannot_be_changed(self):
        job = self._create_job()
        for values in (
            {"method_name": "unlink"},
            {"args": []},
            {"kwargs": {}},
            {"records": self.env.user},
            {"uuid": "x", "name": "y"},
        ):
            with self.subTest(values=values), mute_logger("odoo.http"):
                with self.assertRaisesRegex(AccessError, "Not allowed to change field"):
                    job.write(values)

    def test_sentinel_cannot_be_forged(self):
        job = self._create_job()
        with self.assertRaises(AccessError):
            job.with_context(_job_edit_sentinel=True).write({"method_name": "x"})
        sentinel = job.EDIT_SENTINEL
        job.with_context(_job_edit_sentinel=sentinel).write({"method_name": "write"})

    def test_jobs_of_other_companies_are_hidden(self):
        job = self._create_job()
        job.company_id = self.env["res.company"].create({"name": "Other"})
        found = self.queue_job.with_user(self.manager).search([("id", "=", job.id)])
        self.assertFalse(found)


class TestButtonsAndWizards(JobCommonCase):
    def wizard(self, model, jobs):
        context = {"active_model": "queue.job", "active_ids": jobs.ids}
        return self.env[model].with_context(**context).create({})

    def in_state(self, state):
        job = self._create_job()
        job.state = state
        return job

    def test_requeue(self):
        jobs = self.queue_job
        for state in (FAILED, DONE, CANCELLED):
            jobs |= self.in_state(state)
        untouched = self.in_state(STARTED)
        jobs.retry = 3
        wizard = self.wizard("queue.requeue.job", jobs | untouched)
        self.assertEqual(wizard.job_ids, jobs | untouched)
        wizard.write({"run_done": True, "run_cancelled": True})
        action = wizard.requeue()
        self.assertEqual(action, {"type": "ir.actions.act_window_close"})
        self.assertEqual(jobs.mapped("state"), [PENDING] * 3)
        self.assertEqual(jobs.mapped("retry"), [0] * 3)
        self.assertEqual(untouched.state, STARTED)

    def test_set_done(self):
        jobs = self.in_state(FAILED) | self.in_state(PENDING)
        self.wizard("queue.jobs.to.done", jobs).set_done()
        self.assertEqual(jobs.mapped("state"), [DONE] * 2)
        message = f"Manually set to done by {self.env.user.name}"
        self.assertEqual(jobs.mapped("result"), [message] * 2)
        self.assertTrue(all(jobs.mapped("date_done")))

    def test_set_cancelled(self):
        jobs = self.in_state(FAILED) | self.in_state(PENDING)
        done = self.in_state(DONE)
        self.wizard("queue.jobs.to.cancelled", jobs | done).set_cancelled()
        self.assertEqual(jobs.mapped("state"), [CANCELLED] * 2)
        self.assertEqual(
            jobs.mapped("result"), [f"Cancelled by {self.env.user.name}"] * 2
        )
        self.assertEqual(done.state, DONE)

    def test_wizard_from_elsewhere_is_empty(self):
        context = {"active_model": "res.partner", "active_ids": [1]}
        wizard = self.env["queue.requeue.job"].with_context(**context).create({})
        self.assertFalse(wizard.job_ids)


class TestFailureNotification(JobCommonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        group = cls.env.ref("queue_job.group_queue_job_manager")
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        group.user_ids = [(5, 0, 0)]
        cls.manager, cls.other_manager, cls.creator = (
            new_test_user(
                cls.env,
                login,
                groups="base.group_user",
                company_id=company.id,
                company_ids=[(6, 0, company.ids)],
            )
            for login, company in (
                ("manager", cls.env.company),
                ("other_manager", cls.other_company),
                ("creator", cls.env.company),
            )
        )
        group.user_ids = [(6, 0, [cls.manager.id, cls.other_manager.id])]

    def fail_job(self, company):
        model = self.env["test.queue.job"].with_user(self.creator)
        job = model.with_context(company_id=company.id).with_delay().testing_method()
        record = job.db_record()
        record.write({"state": FAILED})
        return record

    def failure_messages(self, record):
        subtype = self.env.ref("queue_job.mt_job_failed")
        return record.message_ids.filtered(lambda m: m.subtype_id == subtype)

    def test_job_of_a_company(self):
        record = self.fail_job(self.other_company)
        self.assertEqual(
            record.message_follower_ids.partner_id,
            (self.other_manager | self.creator).partner_id,
        )
        message = self.failure_messages(record)
        self.assertEqual(len(message), 1)
        self.assertIn("Something bad happened", message.body)

    def test_job_without_company(self):
        record = self.fail_job(self.env["res.company"])
        self.assertEqual(
            record.message_follower_ids.partner_id,
            (self.manager | self.other_manager | self.creator).partner_id,
        )

    def test_inactive_users_are_left_alone(self):
        self.manager.active = False
        record = self.fail_job(self.env.company)
        self.assertEqual(
            record.message_follower_ids.partner_id, self.creator.partner_id
        )

    def test_domain_is_a_list_to_extend(self):
        domain = self._create_job()._subscribe_users_domain()
        self.assertIsInstance(domain, list)
        domain.append(("active", "=", True))
        self.env["res.users"].search(domain)

    def test_nothing_is_logged_or_followed_at_creation(self):
        job = self._create_job()
        self.assertFalse(job.message_ids)
        self.assertFalse(job.message_follower_ids)


class TestVacuum(JobCommonCase):
    def old_job(self, days, date="date_done", **values):
        job = self._create_job()
        moment = fields.Datetime.now() - timedelta(days=days)
        job.write({date: moment, "state": DONE, **values})
        return job

    def test_by_age(self):
        self.env["queue.job.channel"].search([]).removal_interval = 30
        self.env.ref("test_queue_job.channel_sub").removal_interval = 60
        kept = (
            self.old_job(29) | self.old_job(31, channel="root.sub") | self._create_job()
        )
        gone = (
            self.old_job(31)
            | self.old_job(61, channel="root.sub")
            | self.old_job(31, channel="root.unknown")
            | self.old_job(31, date="date_cancelled", state=CANCELLED)
        )
        self.env.flush_all()
        deleted, more = self.queue_job._gc_old_jobs()
        self.assertEqual((deleted, more), (4, False))
        self.assertFalse(gone.exists())
        self.assertEqual(kept.exists(), kept)
        self.assertTrue(self._get_demo_job("test_started_job"))
