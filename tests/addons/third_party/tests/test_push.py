# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the helpers of queue_job offer, used in each of their ways."""

from datetime import timedelta
from unittest import mock

from odoo.tests import TransactionCase

from odoo.addons.queue_job.tests.common import (
    ANY,
    JobMixin,
    JobsTestCase,
    having,
    trap_jobs,
)

SHOPS = {1: "shop", 2: ("main", "spare")}


def closed_shop(times):
    """The shop is closed so many times, then it is open."""
    answers = [ConnectionError("closed")] * times + ["open"]
    path = "odoo.addons.third_party.models.res_partner.ResPartner._call_shop"
    return mock.patch(path, side_effect=answers)


class TestTrapped(JobMixin, TransactionCase):
    def setUp(self):
        super().setUp()
        self.partner = self.env["res.partner"].create({"name": "Ada"})

    def test_the_button(self):
        with trap_jobs() as trap:
            action = self.partner.action_push()
            self.partner.action_push()
            trap.assert_jobs_count(1, only=self.partner._push)
            trap.assert_enqueued_job(
                self.partner._push,
                args=(SHOPS,),
                properties={
                    "priority": 1,
                    "channel": "root",
                    "description": "Push Ada",
                },
            )
            trap.assert_enqueued_job(self.partner._push, args=(dict,), kwargs=having())
            trap.refute_enqueued_job(self.partner.unlink, args=ANY)
            self.assertEqual(trap.next_action(action)["res_model"], "res.partner")
        self.assertEqual(self.partner.ref, "shop-main")

    def test_an_outage(self):
        counter = self.job_counter()
        with closed_shop(times=2):
            self.partner.action_push()
            result = self.drain(counter)
        self.assertEqual(result.done.retry, 3)
        self.assertEqual(self.partner.ref, "open")


class TestOnTheServer(JobsTestCase):
    def test_an_outage(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        with closed_shop(times=1):
            partner.action_push()
            self.assertTrue(self.run_jobs().waiting)
            self.travel(minutes=11)
            result = self.run_jobs()
        self.assertEqual(partner.ref, "open")
        self.assertLess(result.elapsed, timedelta(seconds=1))
