# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a channel does: its limits as they act now, and the history of its jobs."""

import re
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError

from .job_case import JobCase


class TestLoad(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": ""}))
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.channel = cls.root.create({"name": "shop", "parent_id": cls.root.id})
        cls.now = fields.Datetime.now()

    def limits(self, **values):
        self.channel.write(values)
        self.env.invalidate_all()
        return self.channel.limits_in_force

    # -- the limits ------------------------------------------------------------------

    def test_without_limits_there_is_nothing_to_say(self):
        self.assertEqual(self.limits(), "")

    def test_an_order(self):
        limits = self.limits(capacity=1, sequential=True)
        self.assertEqual(limits, "one after the other")

    def test_a_rate_with_room(self):
        limits = self.limits(rate_limit=2, rate_period=60)
        self.assertEqual(limits, "2 in 60 s; the next may be now")

    def test_a_rate_that_is_used_up(self):
        for _number in range(2):
            started = self.now - timedelta(seconds=10)
            self.job("started", channel="root.shop.deep", date_started=started)
        self.env.flush_all()
        limits = self.limits(rate_limit=2, rate_period=60)
        seconds = int(re.fullmatch(r"2 in 60 s; the next in (\d+) s", limits)[1])
        self.assertTrue(40 <= seconds <= 50, seconds)

    def test_the_longer_wait_counts(self):
        self.job("started", channel="root.shop", date_started=self.now)
        limits = self.limits(throttle=30, rate_limit=1, rate_period=300)
        match = re.fullmatch(r"one in 30 s; 1 in 300 s; the next in (\d+) s", limits)
        self.assertGreater(int(match[1]), 200)

    def test_the_configuration_wins(self):
        string = {"ODOO_QUEUE_JOB_CHANNELS": "shop:4:rate=7/30"}
        with patch.dict("os.environ", string):
            limits = self.limits(throttle=30)
        self.assertEqual(limits, "7 in 30 s; the next may be now")

    # -- the history -----------------------------------------------------------------

    def add(self, channel, done, company=0):
        minute = self.now.replace(second=0, microsecond=0) - timedelta(minutes=5)
        self.env["queue.job.statistic"].create(
            {
                "minute": minute,
                "function": "<a>.b",
                "channel": channel,
                "company": company,
                "done": done,
                "wait_seconds": done * 2,
                "wait_max": done,
            }
        )
        self.env.flush_all()

    def done(self, channel=None, user=None):
        channel = (channel or self.channel).with_user(user or self.manager)
        series = channel.get_history("hour")["series"]
        self.assertEqual(len(series), 60)
        return sum(point["done"] for point in series)

    def test_it_holds_the_channels_below(self):
        for channel, done in (
            ("root.shop", 1),
            ("root.shop.deep", 10),
            ("root.shopping", 100),
            ("root", 1000),
        ):
            self.add(channel, done)
        self.assertEqual(self.done(), 11)
        self.assertGreaterEqual(self.done(self.root), 1111)
        (point,) = (
            point
            for point in self.channel.get_history("hour")["series"]
            if point["done"]
        )
        self.assertEqual((point["wait"], point["wait_max"]), (2, 10))

    def test_it_is_that_of_the_companies_of_the_user(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.add("root.shop", 1, self.env.company.id)
        self.add("root.shop", 10, other.id)
        self.assertEqual(self.done(), 1)

    def test_only_managers_see_it(self):
        with self.assertRaises(AccessError):
            self.channel.with_user(self.plain_user).get_history()

    # -- the tree --------------------------------------------------------------------

    def test_a_parent_comes_before_its_children(self):
        """Whatever signs are in a name: the dot is not the smallest of them."""
        for name in ("shop-2", "shop 3"):
            self.root.create({"name": name, "parent_id": self.root.id})
        self.channel.create({"name": "deep", "parent_id": self.channel.id})
        self.job(channel="root.fly.by")  # by a job alone, and its parent by nobody
        figures = self.env["queue.job.dashboard"].with_user(self.manager).get_figures()
        names = [row["name"] for row in figures["channels"]]
        at = names.index("root.shop")
        self.assertEqual(names[at + 1], "root.shop.deep")
        self.assertEqual(names.index("root.fly.by"), names.index("root.fly") + 1)
