# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pause of a channel: who, why, until when, and its end."""

import time
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user
from odoo.tools.misc import file_open

from ..jobrunner.channels import ChannelManager
from ..jobrunner.session import live_channels, queries
from ..jobrunner.session.live_channels import LiveChannels, seconds_to_wait
from .job_case import MANAGER_GROUP, JobCase
from .test_cli import CliCase
from .test_leadership import FakeDatabase


class PauseCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.channel = cls.root.create({"name": "shop", "parent_id": cls.root.id})
        cls.boss = new_test_user(
            cls.env,
            "boss",
            name="Mitchell",
            tz="UTC",
            groups=f"base.group_system,{MANAGER_GROUP}",
        )
        cls.mine = cls.channel.with_user(cls.boss)
        cls.now = fields.Datetime.now()
        cls.tomorrow = (cls.now + timedelta(days=1)).replace(
            hour=18, minute=0, second=0
        )

    def columns(self, channel=None):
        channel = channel or self.channel
        names = (
            "paused",
            "pause_reason",
            "paused_until",
            "pause_user_id",
            "pause_date",
        )
        return tuple(channel[name] for name in names)

    def set_end(self, seconds):
        """Let the pause end in so many seconds, which no form may say."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job_channel SET paused_until ="
            " clock_timestamp() AT TIME ZONE 'UTC' + %s * interval '1 second'"
            " WHERE id = %s",
            (seconds, self.channel.id),
        )
        self.env.invalidate_all()


class TestPause(PauseCase):
    def test_it_is_signed(self):
        self.mine.action_pause("month end", self.tomorrow)
        terms = (True, "month end", self.tomorrow, self.boss)
        self.assertEqual(self.columns()[:-1], terms)
        self.assertGreaterEqual(self.channel.pause_date, self.now)
        self.mine.action_resume()
        nobody = self.env["res.users"]
        self.assertEqual(self.columns(), (False, False, False, nobody, False))

    def test_nobody_signs_for_another(self):
        forged = {"pause_user_id": self.env.user.id, "pause_date": "2020-01-01"}
        self.mine.write({"paused": True, **forged})
        self.assertEqual(self.channel.pause_user_id, self.boss)
        self.assertGreaterEqual(self.channel.pause_date, self.now)
        self.mine.write(forged)
        self.assertEqual(self.channel.pause_user_id, self.boss)
        values = {"name": "b", "parent_id": self.root.id, "paused": True, **forged}
        created = self.mine.create(values)
        self.assertEqual(created.pause_user_id, self.boss)

    def test_who_paused_first_is_kept_unless_the_terms_change(self):
        self.channel.action_pause("first")
        second = new_test_user(
            self.env, "second", groups=f"base.group_system,{MANAGER_GROUP}"
        )
        self.channel.with_user(second).action_pause()
        self.assertEqual(self.columns()[1], "first")
        self.assertEqual(self.channel.pause_user_id, self.env.user)
        self.channel.with_user(second).action_pause("another")
        self.assertEqual(self.columns()[1], "another")
        self.assertEqual(self.channel.pause_user_id, second)

    def test_other_words_are_those_of_who_writes_them(self):
        self.channel.action_pause("first")
        self.mine.pause_reason = "another"
        self.assertEqual(self.channel.pause_user_id, self.boss)
        row = self.env["queue.job.journal"].search([], limit=1)
        self.assertEqual((row.action, row.reason), ("pause", "another"))
        self.assertEqual(row.user_id, self.boss)

    def test_a_pause_without_an_end_takes_the_end_away(self):
        """Also of one that nobody could end: its time has passed."""
        for seconds in (600, -600):
            self.mine.action_pause("a while", self.tomorrow)
            self.set_end(seconds)
            self.channel.action_pause()
            self.assertEqual(self.columns()[:3], (True, False, False))

    def test_no_context_signs_for_another(self):
        context = {"default_paused": True, "default_pause_user_id": self.env.uid}
        channels = self.mine.with_context(**context)
        created = channels.create({"name": "c", "parent_id": self.root.id})
        self.assertEqual(self.columns(created)[0::3], (False, self.env["res.users"]))

    def test_in_words(self):
        until = self.tomorrow.strftime("%Y-%m-%d 18:00")
        for terms, words in (
            ((), "Paused by Mitchell"),
            (("month end",), "Paused by Mitchell: month end"),
            ((None, self.tomorrow), f"Paused by Mitchell until {until}"),
            (
                ("month end", self.tomorrow),
                f"Paused by Mitchell until {until}: month end",
            ),
        ):
            self.mine.action_resume()
            self.assertFalse(self.mine.pause_text)
            self.mine.action_pause(*terms)
            self.assertEqual(self.mine.pause_text, words)
        self.channel.action_resume()
        self.channel.action_pause()  # by nobody in particular
        self.assertEqual(self.channel.pause_text, "Paused")
        self.channel.action_pause(until=self.tomorrow)
        self.assertTrue(self.channel.pause_text.startswith("Paused until "))

    def test_today_needs_no_date(self):
        channel = self.mine.with_context(tz="UTC")
        channel.paused_until = False
        channel.action_pause()
        day = fields.Datetime.now().replace(hour=0, minute=0, second=0)
        self.env.cr.execute(
            "UPDATE queue_job_channel SET paused_until = %s WHERE id = %s",
            (day + timedelta(hours=18, minutes=5), channel.id),
        )
        channel.invalidate_recordset()
        self.assertEqual(channel.pause_text, "Paused by Mitchell until 18:05")

    def test_an_end_that_has_passed_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "root.shop.*has passed.*later"):
            self.mine.action_pause(until=self.now - timedelta(seconds=1))

    def test_no_end_without_a_pause(self):
        with self.assertRaisesRegex(ValidationError, "root.shop is not paused"):
            self.mine.paused_until = self.tomorrow

    def test_a_copy_of_a_database_does_not_wake_up(self):
        self.root.action_pause(until=self.tomorrow)
        self.env.flush_all()
        with file_open("queue_job/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.assertEqual((self.root.paused, self.root.paused_until), (True, False))

    def test_pause_all_leaves_the_others_alone(self):
        self.mine.action_pause("month end")
        before = self.columns()
        self.mine.browse().action_pause_all("fire", self.tomorrow)
        self.assertEqual(self.root.pause_reason, "fire")
        self.mine.browse().action_resume_all()
        self.assertFalse(self.root.paused)
        self.assertEqual(self.columns(), before)

    # -- the dialog ------------------------------------------------------------------

    def dialog(self, action):
        return Form(self.env[action["res_model"]].with_context(**action["context"]))

    def test_the_dialog(self):
        dialog = self.dialog(self.mine.action_ask_pause())
        self.assertIn("No job of root.shop or below", dialog.effect)
        dialog.reason, dialog.until = "month end", self.tomorrow
        dialog.save().with_user(self.boss).action_pause()
        terms = (True, "month end", self.tomorrow, self.boss)
        self.assertEqual(self.columns()[:-1], terms)

    def test_the_dialog_for_all(self):
        self.mine.action_pause()
        dialog = self.dialog(self.mine.browse().action_ask_pause_all())
        self.assertIn("root holds all channels", dialog.effect)
        dialog.save().action_pause()
        self.assertTrue(self.root.paused)
        self.assertEqual(self.channel.pause_user_id, self.boss)

    def test_the_dialog_is_for_those_who_may(self):
        self.env["res.company"].create({"name": "Not that of the manager"})
        for ask in (
            self.channel.with_user(self.manager).action_ask_pause,
            self.channel.with_user(self.manager).action_ask_pause_all,
        ):
            with self.assertRaises(AccessError):
                ask()
        forged = self.env["queue.job.channel.pause"].with_user(self.manager)
        with self.assertRaises(AccessError):
            forged.create({"channel_ids": self.channel.ids}).action_pause()
        with self.assertRaisesRegex(UserError, "Select"):
            self.mine.browse().action_ask_pause()

    # -- where it is shown -----------------------------------------------------------

    def test_the_journal_says_it(self):
        self.mine.action_pause("month end", self.tomorrow)
        self.mine.action_resume()
        resumed, paused = self.env["queue.job.journal"].search([], limit=2)
        said = (paused.action, paused.subject, paused.reason, paused.user_id)
        self.assertEqual(said, ("pause", "root.shop", "month end", self.boss))
        for part in ("Paused: False → True", self.tomorrow.strftime("%Y-%m-%d 18:00")):
            self.assertIn(part, paused.details)
        self.assertEqual((resumed.action, resumed.reason), ("resume", False))

    def test_the_dashboard_says_it(self):
        self.mine.action_pause("month end")
        self.root.with_user(self.boss).action_pause("fire")
        figures = self.env["queue.job.dashboard"].with_user(self.manager).get_figures()
        said = {row["name"]: row["pause"] for row in figures["channels"]}
        self.assertEqual(said["root.shop"], "Paused by Mitchell: month end")
        self.assertEqual(said["root"], "Paused by Mitchell: fire")
        (text,) = (
            each["text"] for each in figures["problems"] if each["code"] == "paused"
        )
        self.assertTrue(text.endswith("Paused by Mitchell: fire"), text)

    def test_a_job_says_why_it_waits(self):
        self.env.cr.execute(  # the tests run while modules are installed
            "UPDATE ir_module_module SET state = 'installed' WHERE state LIKE 'to %'"
        )
        self.env["queue.job.runner"].search([]).unlink()
        self.env["queue.job.runner"].create(
            {"uuid": "r", "leader": True, "last_seen": self.now, "root_capacity": 1}
        )
        job = self.job(channel="root.shop")
        self.mine.action_pause("month end")
        reason = job.with_user(self.manager).waiting_reason(job.uuid)
        self.assertEqual(reason["code"], "channel_paused")
        self.assertIn("Paused by Mitchell: month end", reason["text"])

    def test_a_pause_of_the_configuration(self):
        string = {"ODOO_QUEUE_JOB_CHANNELS": "root:4,shop:1:paused"}
        with patch.dict("os.environ", string):
            self.assertIn("ODOO_QUEUE_JOB_CHANNELS", self.channel.pause_text)


class TestTheEndOfAPause(PauseCase):
    """The runner, in the transaction of the test."""

    def setUp(self):
        super().setUp()
        self.channels = ChannelManager()
        self.live = LiveChannels(FakeDatabase(self.env.cr), self.channels)

    def is_paused(self):
        return self.channels.get_channel_by_name("root.shop").paused

    def test_how_long_the_runner_waits(self):
        for seconds, expected in (
            (None, None),
            (0.25, 0.25),
            (1e9, live_channels.LONGEST_WAIT),
            (0, live_channels.LOCKED_PAUSE),
            (-5, live_channels.LOCKED_PAUSE),
        ):
            self.assertEqual(seconds_to_wait(seconds), expected, seconds)

    def test_no_end_no_wait(self):
        self.channel.action_pause()
        self.env.flush_all()
        self.live.put_in_force()
        self.assertTrue(self.is_paused())
        self.assertIsNone(self.live.next_end)
        self.assertFalse(self.live.end_pauses(time.monotonic() + 1e9))

    def test_it_waits_for_the_first_end(self):
        self.channel.action_pause("month end")
        self.set_end(50)
        self.live.put_in_force()
        self.assertTrue(self.is_paused())
        wait = self.live.next_end - time.monotonic()
        self.assertAlmostEqual(wait, 50, delta=2)
        self.assertFalse(self.live.end_pauses(time.monotonic() + 40))
        self.assertTrue(self.channel.paused)

    def test_the_row_is_taken_back(self):
        self.channel.action_pause("month end")
        self.set_end(-1)
        self.live.put_in_force()
        self.assertFalse(self.is_paused(), "it holds nothing from its end on")
        self.assertTrue(self.live.end_pauses(self.live.next_end))
        self.env.invalidate_all()
        nobody = self.env["res.users"]
        self.assertEqual(self.columns(), (False, False, False, nobody, False))
        self.assertIsNone(self.live.next_end)

    def test_a_locked_row_holds_nothing_and_is_tried_again(self):
        """Another session edits the channel, and may do so for minutes."""
        self.live.database.rows = lambda query, params=None: (
            [] if query is queries.END_PAUSES else self.rows(query)
        )
        self.channel.action_pause()
        self.set_end(-1)
        self.live.put_in_force()
        before = time.monotonic()
        self.assertTrue(self.live.end_pauses(self.live.next_end))
        self.assertFalse(self.is_paused())
        self.assertGreaterEqual(self.live.next_end, before + live_channels.LOCKED_PAUSE)

    def rows(self, query):
        self.env.cr.execute(query)
        return self.env.cr.dictfetchall()


class TestCommand(CliCase):
    def test_reason_and_end(self):
        channel = self.env.ref("queue_job.channel_low")
        until = fields.Datetime.now() + timedelta(days=2)
        text = until.isoformat(timespec="minutes")
        self.assertEqual(
            self.command(f"pause root.low --until {text} --reason x")[0], 0
        )
        self.assertEqual(channel.pause_reason, "x")
        self.assertEqual(channel.paused_until, until.replace(second=0, microsecond=0))
        noted = self.env["queue.job.journal"].search([], limit=1)
        self.assertEqual((noted.action, noted.reason), ("pause", "x"))
        self.command("resume root.low")
        self.assertFalse(channel.paused_until)
