# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Channels: the tree, the root, limits, renaming."""

import os
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tools import mute_logger

from ..jobrunner.channels import ChannelManager
from ..jobrunner.dispatch.recent_starts import RECENT_STARTS
from ..jobrunner.schedule.channel_config import ChannelSettings
from ..jobrunner.session.queries import CHANNELS
from ..monitoring.effective_settings import configured_channels, effective_settings
from .job_case import JobCase


class TestChannel(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channels = cls.env["queue.job.channel"]
        cls.root = cls.env.ref("queue_job.channel_root")

    def channel(self, name, parent=None, **values):
        parent = parent or self.root
        return self.channels.create({"name": name, "parent_id": parent.id, **values})

    def test_complete_name(self):
        sub = self.channel("sub")
        subsub = self.channel("deep", sub)
        self.assertEqual(subsub.complete_name, "root.sub.deep")
        self.assertEqual(subsub.display_name, "root.sub.deep")
        self.assertFalse(self.channels.new().complete_name)
        self.assertEqual(self.channels.new({"name": "x"}).complete_name, "x")

    def test_defaults(self):
        sub = self.channel("sub")
        self.assertEqual(sub.removal_interval, 30)
        self.assertEqual(sub.failed_removal_interval, 0)
        self.assertFalse(sub.paused or sub.sequential or sub.throttle or sub.capacity)

    @mute_logger("odoo.sql_db")
    def test_unique(self):
        self.channel("sub")
        with self.assertRaisesRegex(
            psycopg2.IntegrityError, "queue_job_channel_name_uniq"
        ):
            self.channel("sub")
            self.env.flush_all()

    def test_parent_is_required(self):
        with self.assertRaisesRegex(ValidationError, "Parent channel required."):
            self.channels.create({"name": "sub"})

    def test_root_stays(self):
        for values in ({"name": "other"}, {"parent_id": self.channel("sub").id}):
            with self.assertRaisesRegex(UserError, "Cannot change the root channel"):
                self.root.write(values)
        with self.assertRaisesRegex(UserError, "Cannot remove the root channel"):
            self.root.unlink()
        self.root.with_context(install_mode=True).write({"name": "root"})
        self.root.removal_interval = 5

    def test_limits(self):
        sub = self.channel("sub", capacity=1, sequential=True)
        for values in ({"capacity": 2}, {"capacity": 0}, {"throttle": -1}):
            with self.assertRaises(ValidationError):
                sub.write(values)

    def test_rate(self):
        sub = self.channel("sub", rate_limit=5)
        self.assertEqual(sub.rate_period, 60)
        for values in ({"rate_limit": -1}, {"rate_period": 0}):
            with self.assertRaisesRegex(ValidationError, "one second or more"):
                sub.write(values)
        sub.write({"rate_limit": 0, "rate_period": 0})

    def test_recent_starts(self):
        """Done, running and unhappy attempts, here and below."""
        self.env.cr.execute("SELECT now() AT TIME ZONE 'UTC' - interval '10 seconds'")
        (recent,) = self.env.cr.fetchone()
        old = "2026-01-01 00:00:00"
        ran = {"channel": "root.sub", "date_started": recent}
        self.job("done", **ran, date_done=recent)
        self.job("started", **{**ran, "channel": "root.sub.deep"})
        self.job("enqueued", channel="root.sub", date_enqueued=recent)
        retried = self.job("pending", channel="root.sub")
        self.job("started", **{**ran, "date_started": old})
        self.job("done", **{**ran, "channel": "root.subway"}, date_done=recent)
        self.env["queue.job.attempt"].create(
            [
                {
                    "job_id": retried.id,
                    "number": 1,
                    "date_start": date,
                    "outcome": "dead",
                }
                for date in (recent, old)
            ]
        )
        self.env.flush_all()
        parameters = {"channel": "root.sub", "period": 60, "limit": 100}
        self.env.cr.execute(RECENT_STARTS, parameters)
        ages = [age for (age,) in self.env.cr.fetchall()]
        self.assertEqual(len(ages), 4)
        self.assertTrue(all(10 <= age < 60 for age in ages), ages)

    def test_server_configuration_is_shown(self):
        sub = self.channel("sub")
        with patch.dict(
            os.environ, {"ODOO_QUEUE_JOB_CHANNELS": "root:4, sub:1:paused"}
        ):
            self.assertEqual(self.root.configured, "root:4")
            self.assertEqual(sub.configured, "sub:1:paused")
        sub.invalidate_recordset()
        with patch.dict(os.environ, {"ODOO_QUEUE_JOB_CHANNELS": "nonsense:x"}):
            self.assertFalse(sub.configured)

    def test_the_capacity_in_force_is_shown(self):
        channels = self.channel("free"), self.channel("two", capacity=2)
        self.root.capacity = 0
        config = "configuration (ODOO_QUEUE_JOB_CHANNELS)"
        own = "this channel"
        for string, shown, said in (
            ("", ["1", "no limit", "2"], ["default", False, own]),
            ("root:0,free:0,two:5", ["off", "no limit", "5"], [config] * 3),
            ("root:7", ["7", "no limit", "2"], [config, False, own]),
        ):
            self.env.invalidate_all()
            with patch.dict(os.environ, {"ODOO_QUEUE_JOB_CHANNELS": string}):
                found = [c.capacity_in_force for c in (self.root, *channels)]
                reasons = [c.capacity_reason for c in (self.root, *channels)]
            self.assertEqual(found, shown, string)
            self.assertEqual(reasons, said, string)

    def test_a_runner_of_another_server_has_its_own_configuration(self):
        """`root:0` stands where the job runner is a process of its own."""
        runners = self.env["queue.job.runner"]
        runners.search([]).unlink()
        runner = runners.create(
            {
                "uuid": "r",
                "leader": True,
                "last_seen": fields.Datetime.now(),
                "root_capacity": 6,
            }
        )
        off = patch.dict(os.environ, {"ODOO_QUEUE_JOB_CHANNELS": "root:0"})
        dashboard = self.env["queue.job.dashboard"]
        with off:
            self.assertEqual(self.root.capacity_in_force, "6")
            self.assertEqual(self.root.capacity_reason, "the job runner")
            self.assertEqual(dashboard.get_channel_loads()["root"]["capacity"], 6)
            for values in ({"leader": False}, {"last_seen": "2020-01-01"}):
                runner.write(values)
                self.env.invalidate_all()
                self.assertEqual(self.root.capacity_in_force, "off", values)
                runner.write({"leader": True, "last_seen": fields.Datetime.now()})

    def test_a_maximum_of_the_database_is_shown_with_its_reason(self):
        sub = self.channel("two", capacity=9)
        own = {
            "ODOO_QUEUE_JOB_CHANNELS": "",
            "ODOO_QUEUE_JOB_MAX_CAPACITY": "10",
            "ODOO_QUEUE_JOB_DB_MAX_CAPACITY": f"nobody:1,{self.env.cr.dbname}:6",
        }
        reason = "configuration (ODOO_QUEUE_JOB_DB_MAX_CAPACITY)"
        for capacity, changed, shown in (
            (0, {}, ("6", reason)),
            (8, {}, ("6", reason)),
            (4, {}, ("4", "this channel")),
            (0, {"ODOO_QUEUE_JOB_MAX_CAPACITY": "5"}, ("5", "MAX_CAPACITY")),
            (0, {"ODOO_QUEUE_JOB_DB_MAX_CAPACITY": ""}, ("10", "MAX_CAPACITY")),
            (8, {"ODOO_QUEUE_JOB_CHANNELS": "root:7"}, ("7", "JOB_CHANNELS")),
        ):
            self.root.capacity = capacity
            self.env.invalidate_all()
            with self.subTest(shown), patch.dict(os.environ, {**own, **changed}):
                self.assertEqual(self.root.capacity_in_force, shown[0])
                self.assertIn(shown[1], self.root.capacity_reason)
                self.assertEqual(sub.capacity_reason, "this channel")

    def test_install_mode_merges(self):
        sub = self.channel("sub", removal_interval=5)
        declared = self.channels.with_context(install_mode=True).create(
            [
                {"name": "new", "parent_id": self.root.id},
                {"name": "sub", "parent_id": self.root.id, "removal_interval": 7},
            ]
        )
        self.assertEqual(declared[1], sub)
        self.assertEqual(declared[0].complete_name, "root.new")
        self.assertEqual(sub.removal_interval, 7)

    def test_rename_takes_the_waiting_jobs_along(self):
        sub = self.channel("sub")
        self.channel("deep", sub)
        waiting = self.job(channel="root.sub.deep") + self.job(
            "failed", channel="root.sub"
        )
        others = self.job("done", channel="root.sub") + self.job(channel="root")
        sub.name = "moved"
        self.assertEqual(waiting.mapped("channel"), ["root.moved.deep", "root.moved"])
        self.assertEqual(others.mapped("channel"), ["root.sub", "root"])

    def test_channel_of_the_configuration_string(self):
        string = {"ODOO_QUEUE_JOB_CHANNELS": "root:7,dash:1:sequential"}
        with patch.dict("os.environ", string):
            configured, error = configured_channels()
        self.assertEqual(error, "")
        root = effective_settings("root", None, configured)
        self.assertEqual((root["capacity"], root["paused"]), (7, False))
        dash = effective_settings("root.dash", None, configured)
        self.assertEqual((dash["capacity"], dash["sequential"]), (1, True))
        paused = self.channels.new({"paused": True})
        self.assertTrue(effective_settings("root", paused, configured)["paused"])

    @patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": ""})
    def test_the_dashboard_shows_the_limits_that_the_runner_obeys(self):
        channel = self.channel("strict")
        self.env.flush_all()
        self.env.cr.execute(  # no form lets that through
            "UPDATE queue_job_channel SET capacity = 5, sequential = TRUE,"
            " throttle = -1, rate_limit = 3, rate_period = 0 WHERE id = %s",
            channel.ids,
        )
        self.env.invalidate_all()
        self.env.cr.execute(CHANNELS)
        manager = ChannelManager(root_capacity=1)
        manager.apply_settings(
            [ChannelSettings(**row) for row in self.env.cr.dictfetchall()]
        )
        figures = self.env["queue.job.dashboard"].with_user(self.manager).get_figures()
        rows = {row["name"]: row for row in figures["channels"]}
        for name in ("root", "root.strict"):
            obeyed, shown = manager.get_channel_by_name(name), rows[name]
            for setting in ("sequential", "throttle", "paused", "rate"):
                self.assertEqual(shown[setting], getattr(obeyed, setting), setting)
            self.assertEqual(shown["capacity"], obeyed.capacity or None)
        self.assertEqual(rows["root.strict"]["capacity"], 1)
