# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What job functions and calls name is there, or they are refused."""

import logging
from unittest import mock

from odoo.exceptions import AccessError, UserError
from odoo.tools import mute_logger

from odoo.addons.queue_job.declarations.report import (
    jobs_in_undeclared_channels,
    report,
)
from odoo.addons.queue_job.models import queue_job_declarations as declarations

from .job_case import JobCase

LOGGER = "odoo.addons.queue_job.models.queue_job_declarations"

#: One of each mistake, and what the message says.
MISTAKES = [
    (
        {"name": "<res.partner>.writee"},
        "writee is no method of res.partner.*mean write",
    ),
    ({"on_fail_method": "existss"}, "on_fail_method existss is no .*mean exists"),
    ({"retry_on": "TimeuotError"}, "retry_on TimeuotError is no .*mean TimeoutError"),
    ({"retry_on": "KeyError, json.JSONDecodeError"}, "json.decoder.JSONDecodeError"),
    ({"retry_pattern": {0: 5}}, "'?0'?: 5: the first attempt has the number 1"),
    ({"retry_pattern": {1: 0}}, "'?1'?: 0: give 1 or more seconds"),
    ({"edit_retry_pattern": "{5: 9, 1: 3}"}, "1: 3: give the attempts in order"),
    ({"channel": "root.hihg"}, "no root.hihg.*root would hold.*mean root.high"),
    ({"channel": "root.a.b"}, "declared the channel root.a.b: there is no root.a,"),
]


class DeclarationsCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.functions = cls.env["queue.job.function"]
        cls.partner = cls.env.user.partner_id
        cls.jobs.search([]).unlink()

    def function(self, env=None, **values):
        return self.functions.with_env(env or self.env).create(
            {"name": "<res.partner>.write", **values}
        )

    def loading(self, state, module="test_queue_job"):
        """Return an environment as that in which data files are loaded."""
        record = self.env["ir.module.module"].search([("name", "=", module)])
        record = record or record.create({"name": module})
        record.state = state
        context = {"install_mode": True, "install_module": module}
        return self.env(context={**self.env.context, **context})

    def spoil(self, function, **values):
        """Write what no user can write any more."""
        self.env.flush_all()
        names = ", ".join(f"{name} = %s" for name in values)
        self.env.cr.execute(
            f"UPDATE queue_job_function SET {names} WHERE id = {function.id}",
            tuple(values.values()),
        )
        self.env.invalidate_all()
        self.env.registry.clear_cache()


class TestFunctions(DeclarationsCase):
    def test_mistakes_are_refused(self):
        for values, message in MISTAKES:
            with self.subTest(values), self.assertRaisesRegex(UserError, message):
                self.function(**values)

    def test_when_they_are_written_as_well(self):
        for values, message in MISTAKES:
            with self.subTest(values):
                function = self.function()
                with self.assertRaisesRegex(UserError, message):
                    function.write(values)
                function.unlink()

    def test_an_installation_is_refused(self):
        env = self.loading("to install")
        for values, message in MISTAKES:
            with self.subTest(values), self.assertRaisesRegex(UserError, message):
                with self.env.cr.savepoint():
                    self.function(env, **values)

    def test_an_update_is_warned(self):
        env = self.loading("to upgrade")
        for values, message in MISTAKES[:-2]:
            with self.subTest(values), self.assertLogs(LOGGER, "WARNING") as logs:
                function = self.function(env, **values)
                self.assertTrue(function.exists())
            self.assertRegex("\n".join(logs.output), message)

    def test_a_channel_by_its_name(self):
        function = self.function(channel="root.high")
        self.assertEqual(function.channel_id, self.env.ref("queue_job.channel_high"))
        function.channel = "low"
        self.assertEqual(function.channel_id, self.env.ref("queue_job.channel_low"))

    def test_related_action(self):
        env = self.env(user=self.manager)
        action = {"func_name": "related_action_open_recrod"}
        with self.assertRaisesRegex(AccessError, "mean related_action_open_record?"):
            self.function(env, related_action=action)

    def test_the_related_action_of_a_later_addon(self):
        action = {"func_name": "related_action_foo"}
        function = self.function(self.loading("to install"), related_action=action)
        self.assertEqual(function.related_action, action)

    def test_other_fields_do_not_look(self):
        function = self.function()
        self.spoil(function, method="gone")
        function.timeout = 5
        self.assertEqual(function.timeout, 5)


class TestCalls(DeclarationsCase):
    def call(self, channel):
        return self.partner.with_delay(channel=channel).write({})

    def test_a_misspelt_channel_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no root.hihg.*mean root.high?"):
            self.call("root.hihg")
        self.assertFalse(self.jobs.search([("channel", "=", "root.hihg")]))

    def test_another_one_is_made_on_the_fly_and_said_once(self):
        self.patch(declarations, "_said", set())
        with self.assertLogs(LOGGER, logging.INFO) as logs:
            self.call("root.elsewhere.else")
            self.call("root.elsewhere.else")
        (record,) = logs.records
        self.assertEqual(record.levelno, logging.INFO)
        self.assertIn("there is no root.elsewhere, so that", record.getMessage())
        self.patch(declarations, "MOST_SAID", 1)
        with self.assertNoLogs(LOGGER, logging.INFO):
            self.call("root.somewhere.else")

    def test_declared_ones(self):
        parent = self.env.ref("queue_job.channel_root")
        with self.assertNoLogs(LOGGER, logging.INFO):
            self.call("root.high")
            self.call("high")
            self.env["queue.job.channel"].create({"name": "n", "parent_id": parent.id})
            self.call("root.n")

    def test_those_of_the_configuration(self):
        with mock.patch.dict("os.environ", ODOO_QUEUE_JOB_CHANNELS="conf:2"):
            self.env.registry.clear_cache()
            self.addCleanup(self.env.registry.clear_cache)
            with self.assertNoLogs(LOGGER, logging.INFO):
                self.call("root.conf")

    def test_a_method_that_does_not_exist(self):
        with (
            mute_logger("odoo.addons.queue_job.delay"),  # never delayed
            self.assertRaisesRegex(AttributeError, "no method writee.*mean write?"),
        ):
            self.partner.with_delay().writee({})

    def test_unsaved_records(self):
        new = self.env["res.partner"].new({})
        for case in (
            lambda: self.partner.with_delay().write(new),
            lambda: self.partner.with_delay().write({"parent": [new]}),
            lambda: new.with_delay().write({}),
        ):
            with self.assertRaisesRegex(TypeError, "is not saved: pass saved records"):
                case()


class TestReport(DeclarationsCase):
    def texts(self):
        return [str(problem) for problem in report(self.env)]

    def test_nothing_here(self):
        self.assertEqual(self.texts(), [])

    def test_one_of_each_mistake(self):
        function = self.function()
        self.spoil(
            function,
            method="gone",
            on_fail_method="gone_too",
            retry_on="NoSuchError",
            retry_pattern='"{\\"0\\": 5}"',
            related_action='"{\\"func_name\\": \\"related_actoin_x\\"}"',
        )
        kinds = [problem.kind for problem in report(self.env)]
        self.assertEqual(
            kinds,
            ["method", "on_fail_method", "related_action", "retry_on", "retry_pattern"],
        )

    def test_values_that_came_by_sql(self):
        function = self.function()
        for value in ('"no JSON"', "[]", "5"):
            self.spoil(function, retry_pattern=value, related_action=value)
            with self.subTest(value):
                self.assertIsInstance(self.texts(), list)

    def test_a_model_that_is_gone(self):
        self.function()
        registry = self.env.registry
        with mock.patch.dict(registry.models):
            del registry.models["res.partner"]
            self.assertRegex("".join(self.texts()), "there is no model res.partner")

    def test_the_configuration(self):
        for value, message in {
            "root:4,hihg:2": "no root.hihg.*mean root.high?",
            "root:x": "invalid capacity x",
        }.items():
            with mock.patch.dict("os.environ", ODOO_QUEUE_JOB_CHANNELS=value):
                self.assertRegex("".join(self.texts()), message)
        with mock.patch.dict("os.environ", ODOO_QUEUE_JOB_CHANNELS="a.b:1,high:4"):
            self.assertEqual(self.texts(), [])

    def test_jobs(self):
        self.job(channel="root.hihg")
        self.job("done", channel="root.gone")
        self.job(channel="root.high")
        (problem,) = jobs_in_undeclared_channels(self.env)
        self.assertIn("root.hihg", problem.text)

    def test_it_is_logged_at_the_end_of_an_update_only(self):
        self.spoil(self.function(), method="gone")
        registry = self.env.registry
        for modules, ready, expected in (
            (["queue_job"], False, 1),
            (["queue_job"], True, 0),
            ([], False, 0),
        ):
            self.patch(registry, "updated_modules", modules)
            self.patch(registry, "ready", ready)
            with (
                self.subTest(modules=modules, ready=ready),
                mock.patch.object(declarations._logger, "warning") as warning,
            ):
                self.functions._register_hook()
            self.assertEqual(warning.call_count, expected)
