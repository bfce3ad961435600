# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where the settings of the runner come from, and what is said about wrong ones."""

import os
import sys
import tempfile
import types
from configparser import ConfigParser
from dataclasses import fields
from unittest.mock import patch

from odoo.tests import BaseCase
from odoo.tools import config as odoo_config

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.jobrunner.session import config
from odoo.addons.queue_job.jobrunner.session.config import SETTINGS, RunnerConfig

LOGGER = "odoo.addons.queue_job.jobrunner.session.config"


class TestRunnerConfig(BaseCase):
    def setUp(self):
        super().setUp()
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ODOO_QUEUE_JOB_", "ODOO_CONNECTOR_"))
        }
        self.startPatch(patch.dict(os.environ, clean, clear=True))
        self.startPatch(patch.object(config, "_warned", set()))
        self.options = {
            "config": "",
            "http_interface": None,
            "http_port": None,
            "workers": 2,
            **dict.fromkeys(config.LIMITS),
        }
        options = odoo_config.options.new_child(self.options)
        self.startPatch(patch.object(config, "odoo_config", options))

    def startPatch(self, patcher):
        self.addCleanup(patcher.stop)
        return patcher.start()

    def write_section(self, text):
        handle, path = tempfile.mkstemp(suffix=".conf")
        self.addCleanup(os.remove, path)
        with os.fdopen(handle, "w") as file:
            file.write(f"[options]\n[queue_job]\n{text}\n")
        self.options["config"] = path

    def test_table_and_dataclass_agree(self):
        self.assertEqual(
            [setting.key for setting in SETTINGS],
            [field.name for field in fields(RunnerConfig)],
        )
        self.assertTrue(all(setting.help for setting in SETTINGS))
        self.assertEqual(SETTINGS[-1].env, "ODOO_QUEUE_JOB_JOBRUNNER_DB_PASSWORD")

    def test_defaults(self):
        self.assertEqual(RunnerConfig.load(), RunnerConfig())
        self.assertIsNone(RunnerConfig().channels, "the forms of the channels rule")
        self.assertEqual(RunnerConfig().port, 8069)

    def test_options_of_odoo(self):
        self.options.update(http_interface="10.0.0.1", http_port=1234)
        loaded = RunnerConfig.load()
        self.assertEqual((loaded.host, loaded.port), ("10.0.0.1", 1234))

    def test_who_would_take_the_leases(self):
        self.assertFalse(config.lacks_workers(0), "the HTTP workers of this server")
        self.options["http_enable"] = False
        self.assertTrue(config.lacks_workers(0))
        self.assertFalse(config.lacks_workers(2), "its job workers")
        for key in ("host", "port"):
            with patch.dict(os.environ, {f"ODOO_QUEUE_JOB_{key.upper()}": "8070"}):
                self.assertFalse(config.lacks_workers(0), "those of another server")

    def test_limits_of_job_workers(self):
        self.options.update(limit_time_real=120, limit_time_cpu=60)
        self.options.update(limit_memory_soft=2000, limit_memory_hard=-1)
        self.write_section("workers = 3\nlimit_time_real = 900\nlimit_time_cpu = 0")
        loaded = RunnerConfig.load()
        self.assertEqual(
            [getattr(loaded, name) for name in config.LIMITS],
            [900, 0, 2000, 0],
            "their own, 0 for none, Odoo's, Odoo's which is none",
        )

    def test_only_a_prefork_server_with_a_runner_has_job_workers(self):
        self.write_section("workers = 3")
        self.assertEqual(RunnerConfig.load().job_workers, 3)
        os.environ["ODOO_QUEUE_JOB_CHANNELS"] = "root:0"
        self.assertEqual(RunnerConfig.load().job_workers, 0)
        os.environ["ODOO_QUEUE_JOB_CHANNELS"] = "root:1"
        os.environ["ODOO_QUEUE_JOB_WORKERS"] = "0"
        self.assertEqual(RunnerConfig.load().job_workers, 0, "0 is a value")
        del os.environ["ODOO_QUEUE_JOB_WORKERS"]
        self.options["workers"] = 0
        self.assertEqual(RunnerConfig.load().job_workers, 0)

    def test_threads(self):
        self.write_section("workers = 3\nthreads = 50\nthreaded_workers = 2")
        loaded = RunnerConfig.load()
        self.assertEqual(loaded.pool_sizes, (3, 100))
        self.assertEqual(loaded.job_slots, 103)
        self.options["workers"] = 0
        self.assertEqual(RunnerConfig.load().job_slots, 0, "a threaded server")

    def test_threads_that_can_not_be(self):
        for section, message in (
            (
                "workers = 1\nthreads = many",
                "key threads of section .* no whole number",
            ),
            ("workers = 1\nthreads = -1", "key threads of section .* no whole number"),
            (
                "workers = 1\nthreads = 9\nthreaded_workers = 0",
                "threaded_workers .* 1 on",
            ),
            ("threads = 50", r"threads \(50\) needs workers"),
        ):
            with self.subTest(section=section):
                self.write_section(section)
                with self.assertRaisesRegex(ValueError, message):
                    RunnerConfig.load()

    def test_channels_with_threads(self):
        self.write_section(
            "channels = root:9,api:0:threads,b:2:threads=no,c.d::threads"
        )
        self.assertEqual(RunnerConfig.load().threaded_channels, ["api", "c.d"])

    def test_time_limit_of_jobs(self):
        self.options["limit_time_real"] = 120
        self.write_section("workers = 3\nlimit_time_real = 900")
        self.assertEqual(config.job_time_limit(), 900)
        os.environ["ODOO_QUEUE_JOB_LIMIT_TIME_REAL"] = "0"
        self.assertEqual(config.job_time_limit(), 0, "job workers without a limit")
        self.options["workers"] = 0
        self.assertEqual(config.job_time_limit(), 120)

    def test_settings_without_effect(self):
        self.write_section("limit_time_real = 900\nhost = there")
        os.environ["ODOO_QUEUE_JOB_PORT"] = "81"
        self.assertEqual(config.idle_settings(0), ["limit_time_real"])
        self.assertEqual(config.idle_settings(3), ["host", "port"])

    def test_maxima(self):
        self.write_section("max_capacity = 10\ndb_max_capacity = prod_*:6,*:1")
        loaded = RunnerConfig.load()
        self.assertEqual(loaded.maxima_of("prod_a"), (10, 6))
        self.assertEqual(loaded.maxima_of("test"), (10, 1))
        self.assertEqual(config.idle_maxima(), [])
        with patch.dict(os.environ, {"ODOO_QUEUE_JOB_MAX_CAPACITY": "3"}):
            self.assertEqual(RunnerConfig.load().maxima_of("prod_a").root, 3)

    def test_the_channels_take_precedence_over_the_maxima(self):
        self.write_section("max_capacity = 10\nchannels = root:4")
        os.environ["ODOO_QUEUE_JOB_DB_MAX_CAPACITY"] = "*:1"
        self.assertEqual(RunnerConfig.load().maxima_of("test"), (None, None))
        self.assertEqual(config.idle_maxima(), ["max_capacity", "db_max_capacity"])

    def test_a_maximum_that_nobody_reaches_is_said_once(self):
        self.write_section("db_max_capacity = *:1,prod:6")
        with self.assertLogs(LOGGER, "WARNING") as logs:
            RunnerConfig.load()
            RunnerConfig.load()
        self.assertEqual(len(logs.output), 1)
        self.assertIn("prod has no effect, because * before it", logs.output[0])

    def test_interfaces_nobody_can_connect_to(self):
        for interface, host in (
            ("0.0.0.0", "localhost"),
            ("::", "localhost"),
            ("::1", "[::1]"),
        ):
            with self.subTest(interface=interface):
                self.options["http_interface"] = interface
                self.assertEqual(RunnerConfig.load().host, host)

    def test_environment_wins_over_file_wins_over_option(self):
        self.options.update(http_interface="option", http_port=1)
        self.write_section("host = file\nport = 2\nhttp_auth_password = 100%secret")
        os.environ["ODOO_QUEUE_JOB_PORT"] = " 3 "
        os.environ["ODOO_QUEUE_JOB_HOST"] = ""  # as if it were unset
        loaded = RunnerConfig.load()
        self.assertEqual((loaded.host, loaded.port), ("file", 3))
        self.assertEqual(loaded.http_auth_password, "100%secret")

    def test_section_of_server_environment(self):
        self.write_section("channels = root:2\nscheme = https")
        parser = ConfigParser()
        parser.read_dict({"queue_job": {"channels": "root:3"}})
        addon = types.ModuleType("odoo.addons.server_environment")
        addon.serv_config = parser
        with patch.dict(sys.modules, {addon.__name__: addon}):
            loaded = RunnerConfig.load()
        self.assertEqual((loaded.channels, loaded.scheme), ("root:3", "https"))

    def test_deprecated_variable(self):
        os.environ["ODOO_CONNECTOR_CHANNELS"] = "root:7"
        with self.assertLogs(LOGGER, "WARNING") as logs:
            self.assertEqual(RunnerConfig.load().channels, "root:7")
        self.assertIn("ODOO_QUEUE_JOB_CHANNELS", logs.output[0])
        os.environ["ODOO_QUEUE_JOB_CHANNELS"] = "root:8"
        self.assertEqual(RunnerConfig.load().channels, "root:8")

    def test_unknown_key_is_reported_once(self):
        self.write_section("chanels = root:4")
        with self.assertLogs(LOGGER, "WARNING") as logs:
            RunnerConfig.load()
            RunnerConfig.load()
        self.assertEqual(len(logs.output), 1)
        self.assertIn("did you mean channels?", logs.output[0])

    def test_wrong_values_are_named(self):
        for key, value, message in (
            ("channels", "root:4,a:x", "Invalid channel config a:x: invalid capacity"),
            ("channels", "a:2:sequential", "a:2:sequential: A sequential channel"),
            ("max_capacity", "ten", "JOB_MAX_CAPACITY: ten: ten is no number of jobs"),
            ("db_max_capacity", "a:1,b", "DB_MAX_CAPACITY: b: an entry is pattern:"),
            ("port", "http", "ODOO_QUEUE_JOB_PORT"),
            ("port", "70000", "1 to 65535"),
            ("scheme", "ftp", "http or https"),
            ("workers", "two", "ODOO_QUEUE_JOB_WORKERS: two is no whole number"),
            ("workers", "-1", "-1 is no whole number"),
            ("limit_memory_soft", "2GB", "2GB is no whole number"),
        ):
            environ = {f"ODOO_QUEUE_JOB_{key.upper()}": value}
            with (
                self.subTest(key=key, value=value),
                patch.dict(os.environ, environ),
                self.assertRaisesRegex(ValueError, message),
            ):
                RunnerConfig.load()

    def test_limits_with_which_no_job_would_run(self):
        for text, message in (
            ("limit_time_real = 4", r"limit_time_real \(4\) .* less than 5 seconds"),
            ("limit_memory_soft = 9\nlimit_memory_hard = 8", r"\(9\) .* larger"),
        ):
            with self.subTest(text=text):
                self.write_section(text)
                RunnerConfig.load()  # nobody uses them
                self.write_section(f"workers = 1\n{text}")
                with self.assertRaisesRegex(ValueError, message):
                    RunnerConfig.load()

    def test_another_address(self):
        loaded = RunnerConfig(channels="root:5").with_address(
            "https", "there", 443, "me", "secret"
        )
        self.assertEqual((loaded.host, loaded.channels), ("there", "root:5"))
        other = loaded.with_address("http", "::1", 80, None, None, "root:6")
        self.assertEqual((other.host, other.channels), ("[::1]", "root:6"))

    def test_section_is_read_when_somebody_asks(self):
        self.write_section("channels = root:4")
        self.assertEqual(jobrunner.queue_job_config, {"channels": "root:4"})
        with self.assertRaises(AttributeError):
            jobrunner.no_such_name  # noqa: B018
