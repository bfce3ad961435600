# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The databases that the runner of a server serves."""

from unittest.mock import patch

from odoo.tests import BaseCase
from odoo.tools import config as odoo_config

from ..jobrunner import runner
from ..jobrunner.runner import QueueJobRunner

LOGGER = "odoo.addons.queue_job.jobrunner.runner"


class TestServedDatabases(BaseCase):
    def setUp(self):
        super().setUp()
        self.options = {"db_name": [], "dbfilter": "", "list_db": False}
        options = odoo_config.options.new_child(self.options)
        self.databases = ["test", "prod_b", "prod_a"]
        for patcher in (
            patch.object(runner, "odoo_config", options),
            patch("odoo.service.db.list_dbs", lambda force: self.databases),
        ):
            patcher.start()
            self.addCleanup(patcher.stop)
        self.runner = QueueJobRunner()

    def served(self):
        return self.runner.get_db_names()

    def test_all(self):
        with self.assertNoLogs(LOGGER):
            self.assertEqual(self.served(), ["prod_a", "prod_b", "test"])

    def test_what_the_filter_shows_to_everybody(self):
        self.options["dbfilter"] = "^prod"
        with self.assertLogs(LOGGER) as logs:
            self.assertEqual(self.served(), ["prod_a", "prod_b"])
            self.assertEqual(self.served(), ["prod_a", "prod_b"])
        (line,) = logs.output
        self.assertIn("dbfilter '^prod' leaves 1 databases", line)
        self.assertTrue(line.endswith(": test"), line)

    def test_each_database_is_said_to_be_left_once(self):
        self.options["dbfilter"] = "^prod"
        self.databases += [f"other_{number:02}" for number in range(30)]
        with self.assertLogs(LOGGER) as logs:
            self.served()
            self.databases.append("one_more")
            self.served()
        first, second = logs.output
        self.assertIn("leaves 31 databases", first)
        self.assertTrue(first.endswith("other_19 and 11 more"), first)
        self.assertTrue(second.endswith(": one_more"), second)

    def test_a_filter_by_host(self):
        for dbfilter in ("^%d$", "^%h$"):
            self.options["dbfilter"] = dbfilter
            with self.assertNoLogs(LOGGER):
                self.assertEqual(self.served(), ["prod_a", "prod_b", "test"])

    def test_named_databases(self):
        self.options.update(db_name=["b", "a"], dbfilter="^prod")
        with self.assertNoLogs(LOGGER):
            self.assertEqual(self.served(), ["a", "b"])

    def test_a_filter_that_is_none(self):
        self.options["dbfilter"] = "^("
        with self.assertRaisesRegex(ValueError, "dbfilter"):
            self.served()
