# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls that run at once instead of being enqueued, by all the names of the switch."""

import os
from unittest.mock import patch

from odoo.tests import TransactionCase
from odoo.tools import mute_logger

from ..delay import chain
from ..utils import must_run_without_delay

LOGGER = "odoo.addons.queue_job.utils"


class TestSwitch(TransactionCase):
    def test_off(self):
        with patch.dict(os.environ):
            for name in ("QUEUE_JOB__NO_DELAY", "TEST_QUEUE_JOB_NO_DELAY"):
                os.environ.pop(name, None)
            self.assertFalse(must_run_without_delay(self.env))

    def test_environment_variables(self):
        for name in ("QUEUE_JOB__NO_DELAY", "TEST_QUEUE_JOB_NO_DELAY"):
            with (
                self.subTest(name=name),
                patch.dict(os.environ, {name: "1"}),
                self.assertLogs(LOGGER, "WARNING") as logs,
            ):
                self.assertTrue(must_run_without_delay(self.env))
                self.assertIn(f"`{name}` env var found", logs.output[0])

    def test_context_keys(self):
        for key in ("queue_job__no_delay", "test_queue_job_no_delay"):
            env = self.env(context={key: True})
            with (
                self.subTest(key=key),
                patch(f"{LOGGER}.config", {"test_enable": False}),
                patch(f"{LOGGER}._logger") as logger,
            ):
                self.assertTrue(must_run_without_delay(env))
                self.assertEqual(logger.info.call_args.args[1], key)

    def test_silent_in_tests(self):
        env = self.env(context={"queue_job__no_delay": True})
        with self.assertNoLogs(LOGGER):
            self.assertTrue(must_run_without_delay(env))

    @mute_logger("odoo.addons.queue_job.models.base")
    def test_the_old_logger_may_be_muted(self):
        with patch.dict(os.environ, {"QUEUE_JOB__NO_DELAY": "1"}), mute_logger(LOGGER):
            self.assertTrue(must_run_without_delay(self.env))

    @mute_logger(LOGGER)
    def test_environment_runs_the_call(self):
        partner = self.env["res.partner"].create({"name": "before"})
        with patch.dict(os.environ, {"QUEUE_JOB__NO_DELAY": "1"}):
            job = partner.with_delay().write({"name": "after"})
        self.assertEqual(partner.name, "after")
        self.assertFalse(job.db_record())


class TestSwitchOfAClass(TransactionCase):
    """As tests of addons do it, for all that their class prepares and calls."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, queue_job__no_delay=True))
        cls.partner = cls.env["res.partner"].create({"name": "before"})
        cls.partner.with_delay().write({"name": "in setUpClass"})

    def test_in_the_preparation(self):
        self.assertEqual(self.partner.name, "in setUpClass")

    def test_in_a_test(self):
        self.partner.with_delay(eta=3600).write({"name": "in a test"})
        self.assertEqual(self.partner.name, "in a test")

    def test_one_of_a_graph_is_enough(self):
        """The other job comes from an environment without the key."""
        plain = self.partner.with_context(queue_job__no_delay=False)
        chain(
            plain.delayable().write({"name": "first"}),
            self.partner.delayable().write({"ref": "second"}),
        ).delay()
        self.assertEqual((self.partner.name, self.partner.ref), ("first", "second"))
