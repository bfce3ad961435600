# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of a job is told once: by the client, the dialog, the inbox or a mail."""

from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from odoo.addons.mail.tests.common import MailCase

from ..settle.end_notice import CRON, MESSAGE_TYPE, PATIENCE
from .helper_case import HelperCase


class TestEndNotice(MailCase, HelperCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(
            cls.env, "told_user", groups="base.group_user", email="told@example.com"
        )
        cls.customer = new_test_user(
            cls.env, "told_customer", groups="base.group_portal", email="c@example.com"
        )
        cls.notices = cls.env["queue.job.notice"]

    def run_job(self, function=lambda partner: None, user=None, **options):
        """Run a job and return what the bus was told of its end."""
        sent = []
        Bus = type(self.env["bus.bus"])
        self.patch(Bus, "_sendone", lambda bus, *message: sent.append(message))
        partner = self.partner.with_user(user or self.user)
        with self.job_method(function):
            partner.with_delay(description="Report", **options).testing()
            self.drain_new()
        return [(to, text) for to, kind, text in sent if kind == MESSAGE_TYPE]

    def news(self, user=None):
        return self.env["queue.job.mine"].with_user(user or self.user).get_news()

    def claim(self, user=None, **which):
        mine = self.env["queue.job.mine"].with_user(user or self.user)
        return mine.claim_notices(**which)

    def later(self, seconds=PATIENCE + 1):
        """Let the notices be older."""
        self.notices.flush_model()
        self.env.cr.execute(
            "UPDATE queue_job_notice SET date = date - %s * interval '1 s'", [seconds]
        )
        self.notices.invalidate_model()

    def tell_the_absent(self):
        """Run the scheduled action; return the messages that it has posted."""
        before = self.env["mail.message"].search([], order="id desc", limit=1).id
        with self.mock_mail_gateway():
            self.notices._tell_the_absent()
        return self.env["mail.message"].search([("id", ">", before)])

    # -- who is there --------------------------------------------------------------

    def test_without_a_wish_nothing_is_kept(self):
        self.assertEqual(self.run_job(), [])
        self.run_job(notify="failed")
        self.assertFalse(self.notices.search([]))

    def test_the_client_is_told_by_the_bus(self):
        ((to, message),) = self.run_job(notify=True)
        self.assertEqual(to, self.user.partner_id)
        self.assertEqual(message["notice"], self.notices.search([]).id)

    def test_without_a_websocket_the_client_asks(self):
        self.run_job(notify=True)
        (notice,) = self.news()["notices"]
        self.assertFalse(notice["awaited"])
        (told,) = self.claim(ids=[notice["id"]])
        self.assertEqual((told["name"], told["state"]), ("Report", "done"))
        self.assertEqual(self.news()["notices"], [])

    def test_it_is_told_once(self):
        ((_to, message),) = self.run_job(notify=True)
        which = {"ids": [message["notice"]]}
        self.assertEqual(self.claim(self.customer, **which), [], "of another user")
        self.assertEqual(len(self.claim(**which)), 1)
        self.assertEqual(self.claim(**which), [], "by another tab")
        self.later()
        self.assertFalse(self.tell_the_absent())

    def test_the_error_is_one_for_people(self):
        def fail(partner):
            raise UserError("The shop is closed")

        def break_down(partner):
            raise KeyError("password")

        logger = mute_logger("odoo.addons.queue_job.controllers.main")
        for function, error in ((fail, "The shop is closed"), (break_down, None)):
            with logger:
                ((_to, message),) = self.run_job(function, notify="failed")
            (told,) = self.claim(ids=[message["notice"]])
            self.assertEqual((told["state"], told["error"]), ("failed", error))

    def test_the_dialog_claims_the_end_of_its_job(self):
        self.run_job(notify=True)
        (notice,) = self.news()["notices"]
        self.assertEqual(len(self.claim(uuid=notice["uuid"])), 1)

    def test_a_dialog_that_was_left(self):
        """What was awaited is told as well: the tab may be closed by now."""
        with self.job_method(lambda partner: None):
            job = self.partner.with_user(self.user).with_delay().testing()
            job.wait_action()
            self.drain_new()
        (notice,) = self.news()["notices"]
        self.assertTrue(notice["awaited"])
        self.later()
        self.assertEqual(len(self.tell_the_absent()), 1)

    def test_nobody_is_odoobot(self):
        ((_to, message),) = self.run_job(
            user=self.env.ref("base.user_root"), notify=True
        )
        self.assertFalse(message["notice"])

    # -- who is away ---------------------------------------------------------------

    def test_in_the_inbox_or_by_mail_as_the_user_prefers(self):
        for preference in ("inbox", "email"):
            self.user.notification_type = preference
            self.run_job(notify=True)
            self.later()
            message = self.tell_the_absent()
            self.assertEqual(len(message), 1)
            self.assertIn("Done: Report", message.body)
            self.assertIn("/odoo/my-jobs", message.body)
            notification = message.notification_ids
            self.assertEqual(notification.res_partner_id, self.user.partner_id)
            self.assertEqual(notification.notification_type, preference)
            self.assertFalse(self.tell_the_absent(), "once")
            self.assertEqual(self.news()["notices"], [])

    def test_not_before_the_client_had_its_time(self):
        self.run_job(notify=True)
        self.assertFalse(self.tell_the_absent())
        self.assertEqual(len(self.news()["notices"]), 1)

    def test_many_ends_are_one_message(self):
        for _number in range(3):
            self.run_job(notify=True)
        self.later()
        message = self.tell_the_absent()
        self.assertEqual(message.subject, "3 jobs have ended")

    def test_the_action_wakes_up_when_it_is_time(self):
        cron = self.env.ref(CRON)
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        triggers.unlink()
        self.run_job(notify=True)
        self.run_job(notify=True)
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertEqual(len(trigger), 1)
        due = fields.Datetime.add(fields.Datetime.now(), seconds=PATIENCE)
        self.assertLess(abs((trigger.call_at - due).total_seconds()), 10)
        trigger.unlink()
        self.tell_the_absent()
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertTrue(trigger, "for those which are too young")

    def test_one_who_cannot_be_told_does_not_keep_it_from_others(self):
        self.run_job(notify=True)
        self.run_job(user=self.customer, notify=True)
        self.later()
        tell = type(self.notices)._tell

        def fail_once(notices, partner, rows):
            if partner == self.user.partner_id:
                raise UserError("no")
            return tell(notices, partner, rows)

        with (
            patch.object(type(self.notices), "_tell", fail_once),
            self.assertLogs("odoo.addons.queue_job.models.queue_job_notice", "ERROR"),
        ):
            message = self.tell_the_absent()
        self.assertEqual(message.notified_partner_ids, self.customer.partner_id)

    def test_what_others_do_to_a_job_is_told(self):
        """A manager cancels it, or sets it to done; the job never ran."""
        options = {"notify": True, "description": "Report"}
        for change, state in (
            ("button_cancelled", "cancelled"),
            ("button_done", "done"),
        ):
            job = self.partner.with_user(self.user).with_delay(**options).write({})
            record = job.db_record().with_user(self.env.ref("base.user_admin"))
            getattr(record, change)()
            (notice,) = self.news()["notices"]
            (told,) = self.claim(ids=[notice["id"]])
            self.assertEqual((told["name"], told["state"]), ("Report", state))

    def test_what_users_do_themselves_is_not(self):
        job = self.partner.with_user(self.user).with_delay(notify=True).write({})
        job.db_record().with_user(self.user).cancel()
        failed = self.partner.with_user(self.user).with_delay(notify="failed")
        admin = self.env.ref("base.user_admin")
        failed.write({}).db_record().with_user(admin).button_cancelled()
        self.assertEqual(self.news()["notices"], [])

    # -- whom a job is meant for ---------------------------------------------------

    def test_who_it_is_meant_for_is_told_in_place_of_its_user(self):
        ((to, message),) = self.run_job(notify=True, meant_for=self.customer)
        self.assertEqual(to, self.customer.partner_id)
        self.assertTrue(message["notice"])
        self.later()
        message = self.tell_the_absent()
        self.assertEqual(message.notification_ids.res_partner_id, to)
        self.assertEqual(message.notification_ids.notification_type, "email")

    def test_a_partner_or_a_user(self):
        for meant_for in (self.customer, self.customer.partner_id):
            job = self.partner.with_delay(meant_for=meant_for).write({})
            kept = {"meant_for": self.customer.partner_id.id}
            self.assertEqual(job.db_record().options, kept)
        nobody = self.partner.browse()
        self.assertFalse(self.partner.with_delay(meant_for=nobody).write({}).options)
        new = self.partner.new({})
        for wrong in (
            7,
            "bob",
            self.env["res.users"].search([]),
            new,
            self.env.company,
        ):
            with self.subTest(wrong), self.assertRaisesRegex(ValueError, "meant_for="):
                self.partner.with_delay(meant_for=wrong).write({})
