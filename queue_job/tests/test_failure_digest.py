# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The digest of failed jobs: when it is sent, to whom, and what it says."""

from datetime import timedelta
from unittest.mock import patch

from odoo.tests import Form, new_test_user
from odoo.tools import mute_logger

from .test_failure_policy import FailureCase

CRON = "queue_job.ir_cron_failure_digest"


class DigestCase(FailureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cron = cls.env.ref(CRON)
        cls.subtype = cls.env.ref("queue_job.mt_failure_digest")
        (cls.manager + cls.plain_user).notification_type = "inbox"

    def send(self):
        self.failures._send_digests()

    def let_pass(self, **duration):
        """Let the time since the last digest pass."""
        for failure in self.failures.search([("told_at", "!=", False)]):
            failure.told_at -= timedelta(**duration)

    def digests(self, user):
        return self.env["mail.message"].search(
            [
                ("subtype_id", "=", self.subtype.id),
                ("partner_ids", "in", user.partner_id.ids),
            ],
            order="id",
        )

    def triggers(self):
        return self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])


class TestWhen(DigestCase):
    def test_the_first_one_at_once_the_others_later_in_one(self):
        self.failed()
        self.assertEqual(len(self.triggers()), 1)
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 1)
        self.triggers().unlink()
        for _ in range(3):
            self.failed()
        self.assertFalse(self.triggers())
        self.let_pass(minutes=5)
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 1)
        # the action comes back when the period is over
        told = max(self.failures.search([("told_at", "!=", False)]).mapped("told_at"))
        self.assertEqual(self.triggers().call_at, told + timedelta(minutes=10))
        self.let_pass(minutes=5)
        self.send()
        first, second = self.digests(self.manager)
        self.assertIn("A job of", first.subject)
        self.assertIn("3 jobs of", second.subject)

    def test_nothing_failed_nothing_sent(self):
        self.send()
        self.assertFalse(self.digests(self.manager))
        self.failed()
        self.send()
        self.let_pass(minutes=10)
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 1)
        self.assertFalse(self.failures.search([]))

    def test_another_function_does_not_wait_for_the_period(self):
        self.failed()
        self.send()
        self.triggers().unlink()
        self.failed(function="<res.users>.read")
        self.assertEqual(len(self.triggers()), 1)
        self.failed()
        self.let_pass(minutes=2)
        self.send()
        _first, second = self.digests(self.manager)
        self.assertIn("A job of <res.users>.read", second.subject)

    def test_a_minute_between_two_messages(self):
        self.failed()
        self.send()
        self.failed(function="<res.users>.read")
        self.triggers().unlink()
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 1)
        self.assertEqual(len(self.triggers()), 1)
        self.let_pass(minutes=1)
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 2)

    def test_what_could_not_be_told_stays(self):
        job = self.failed()
        broken = patch.object(
            type(self.failures), "_tell_user", side_effect=ValueError("broken")
        )
        with self.assertRaises(ValueError), self.env.cr.savepoint(), broken:
            self.send()
        self.failures.invalidate_model()
        waiting = self.failures.search([("told_at", "=", False)])
        self.assertEqual(waiting.job_id, job)
        self.send()
        self.assertEqual(len(self.digests(self.manager)), 1)

    def test_old_news_are_dropped_where_the_action_is_off(self):
        self.failed()
        failure = self.failures.search([])
        failure.date -= timedelta(days=8)
        self.env.flush_all()
        self.failures._gc_stale()
        self.assertFalse(failure.exists())

    def test_by_the_scheduled_action(self):
        self.failed()
        self.cron.ir_actions_server_id.run()
        self.assertEqual(len(self.digests(self.manager)), 1)


class TestWhat(DigestCase):
    def digest(self, user=None):
        self.send()
        digest = self.digests(user or self.manager)
        self.assertEqual(len(digest), 1)
        return digest

    def test_one_message_for_all(self):
        for _ in range(3):
            self.failed("First")
        self.failed(function="<res.users>.read")
        digest = self.digest()
        self.assertEqual(digest.subject, "4 jobs failed")
        self.assertEqual(str(digest.body).count("<li"), 2)
        self.assertIn("<b>3</b>", digest.body)
        self.assertIn("ValueError: First", digest.body)
        self.assertIn(
            "/odoo/failed-jobs?function=%3Cres.users%3E.read&amp;exc_name=ValueError",
            digest.body,
        )
        self.assertEqual(digest.notified_partner_ids, self.manager.partner_id)

    def test_the_message_is_short(self):
        self.failed()
        self.env.flush_all()
        self.env.cr.execute(
            """INSERT INTO queue_job_failure (job_id, function, exc_name, date)
               SELECT job_id, '<model_' || kind % 30 || '>.x', 'ValueError', date
                 FROM queue_job_failure, generate_series(1, 5000) AS kind"""
        )
        body = self.digest().body
        self.assertEqual(str(body).count("<li"), 20)
        self.assertIn("More kinds of failures: 11", body)

    def test_a_job_that_failed_twice_counts_once(self):
        job = self.failed()
        job.write({"state": "pending"})
        job.write({"state": "failed"})
        self.env.flush_all()
        self.assertEqual(len(self.failures.search([])), 2)
        self.assertIn("A job of", self.digest().subject)

    def test_those_that_went_on_meanwhile_are_shown_as_such(self):
        job = self.failed()
        self.failed()
        job.requeue()
        body = " ".join(str(self.digest().body).split())
        self.assertIn("Not failed any more: 1", body)

    def test_who_may_not_read_jobs_hears_how_many(self):
        self.failed("Secret", user_id=self.plain_user.id)
        body = self.digest(self.plain_user).body
        self.assertIn("&lt;res.partner&gt;.read", body)
        for hidden in ("Secret", "ValueError", "failed-jobs", "Traceback"):
            self.assertNotIn(hidden, body)
        self.assertIn("Secret", self.digests(self.manager).body)
        self.assertNotIn("Traceback", self.digests(self.manager).body)

    def test_only_his_own_jobs(self):
        self.failed(user_id=self.plain_user.id)
        self.failed()
        self.assertIn("A job of", self.digest(self.plain_user).subject)
        self.assertIn("2 jobs of", self.digests(self.manager).subject)

    def test_nothing_of_other_companies(self):
        job = self.failed(company_id=self.company.id)
        job.message_subscribe(partner_ids=self.manager.partner_id.ids)
        self.assertIn("A job of", self.digest(self.elsewhere).subject)
        self.assertFalse(self.digests(self.manager))
        failures = self.failures.with_user(self.manager).search([])
        self.assertFalse(failures)

    def test_nobody_from_outside(self):
        portal = new_test_user(self.env, "portal", groups="base.group_portal")
        self.failed(user_id=portal.id)
        self.send()
        self.assertFalse(self.digests(portal))

    def test_in_the_language_of_the_user(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["queue_job"], ["de_DE"])
        self.manager.lang = "de_DE"
        self.failed()
        self.assertIn("fehlgeschlagen", self.digest().subject)
        self.assertIn("Fehlschläge öffnen", self.digests(self.manager).body)


class TestMail(DigestCase):
    def test_what_the_server_did_not_take_is_sent_again(self):
        self.manager.write({"notification_type": "email", "email": "m@example.com"})
        self.failed()
        self.send()
        mail = self.digests(self.manager).mail_ids
        self.assertEqual(mail.state, "outgoing")
        with mute_logger("odoo.addons.mail.models.mail_mail"):
            mail._postprocess_sent_message([], [], failure_type="mail_smtp")
        mail.write({"state": "exception"})
        self.let_pass(minutes=2)
        self.send()
        self.assertEqual(mail.state, "outgoing")
        self.assertEqual(len(self.digests(self.manager)), 1)

    def test_what_is_hopeless_is_not(self):
        self.manager.write({"notification_type": "email", "email": "m@example.com"})
        self.failed()
        self.send()
        mail = self.digests(self.manager).mail_ids
        mail.write({"state": "exception", "failure_type": "mail_email_invalid"})
        self.send()
        self.assertEqual(mail.state, "exception")


class TestForms(DigestCase):
    def test_settings_by_the_forms(self):
        self.manager.company_ids = self.env["res.company"].search([])
        with Form(self.channel.with_user(self.manager)) as form:
            form.failure_notice = "none"
            form.failure_user_ids.add(self.plain_user)
        with Form(self.function.with_user(self.manager)) as form:
            form.failure_notice = "each"
        policy = self.channel._failure_policy(self.function.id, "root.imports")
        self.assertEqual(policy, ("each", tuple(self.plain_user.ids)))
