# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pages of job functions: all that ran, without a record, of one's companies."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from ..monitoring import function_queries, module_versions
from ..monitoring.statistics import ADD, Statistics
from .job_case import MANAGER_GROUP, JobCase

NAME = "<res.partner>.name_create"


class TestFunctionPage(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM queue_job_statistic")
        cls.env.cr.execute("DELETE FROM queue_job_statistic_hour")
        cls.now = fields.Datetime.now()
        cls.pages = cls.env["queue.job.function.page"].with_user(cls.manager)
        cls.second = cls.env["res.company"].create({"name": "Second"})

    def ran(self, seconds, times=1, ago=timedelta(), **values):
        """Let a job function run, as the reports of leases tell it."""
        statistics = Statistics()
        entry = {
            "function": NAME,
            "channel": "root",
            "state": "done",
            "seconds": seconds,
            "wait": 0.2,
            "company": self.env.company.id,
            **values,
        }
        statistics.add([entry] * times, self.now - ago)
        for params in statistics.take():
            self.env.cr.execute(ADD, params)

    def rows(self, user=None):
        pages = self.pages.with_user(user or self.manager)
        return {row["name"]: row for row in pages.get_functions()}

    # -- the list ------------------------------------------------------------------

    def test_what_ran_is_listed_without_a_record(self):
        self.ran(1.0, 3)
        self.ran(2.0, 1, state="failed")
        self.assertFalse(self.env["queue.job.function"].search([("name", "=", NAME)]))
        row = self.rows()[NAME]
        self.assertEqual((row["runs"], row["failed"]), (4, 1))
        self.assertAlmostEqual(row["median"], 1.0, delta=0.4)
        self.assertFalse(row["has_settings"])
        self.assertTrue(row["last_run"])
        self.assertTrue(row["label"].startswith("Contact: "), row["label"])

    def test_what_ran_long_ago_is_listed_too(self):
        self.ran(1.0, ago=timedelta(days=60))
        self.env["queue.job.statistic"]._gc_statistics()
        self.env.cr.execute("SELECT count(*) FROM queue_job_statistic_hour")
        self.assertEqual(self.env.cr.fetchone(), (0,))
        row = self.rows()[NAME]
        self.assertEqual((row["runs"], row["last_run"]), (0, False))
        self.assertTrue(self.pages.get_function(NAME))

    def test_settings_alone_are_listed(self):
        function = self.env["queue.job.function"].create({"name": NAME, "timeout": 60})
        row = self.rows()[NAME]
        self.assertEqual((row["runs"], row["has_settings"]), (0, True))
        self.assertEqual(self.pages.get_function(NAME)["settings"]["timeout"], 60)
        action = self.pages.action_settings(NAME)
        self.assertEqual(action["res_id"], function.id)

    def test_code_that_is_gone_is_listed(self):
        for name in ("<gone.model>.push_all", "?", "<res.partner>.gone_now"):
            self.ran(1.0, function=name)
            self.assertIn(name, self.rows())
            self.assertTrue(self.pages.get_function(name)["label"])
        self.assertEqual(self.rows()["<gone.model>.push_all"]["label"], "push all")

    def test_it_slows_down(self):
        self.ran(0.1, 100, ago=timedelta(days=3))
        self.ran(0.1, 30, ago=timedelta(hours=2))
        self.assertFalse(self.rows()[NAME]["slower"])
        self.assertFalse(self.pages.get_function(NAME)["slower"])
        self.ran(3.0, 90, ago=timedelta(hours=1))
        self.assertGreater(self.rows()[NAME]["slower"], 10)
        slower = self.pages.get_function(NAME)["slower"]
        self.assertAlmostEqual(slower["median"], 3.0, delta=1)
        self.assertAlmostEqual(slower["median_before"], 0.1, delta=0.05)

    # -- a page --------------------------------------------------------------------

    def test_this_week_beside_the_week_before(self):
        self.ran(1.0, 4, ago=timedelta(days=1))
        self.ran(10.0, 6, ago=timedelta(days=8))
        page = self.pages.get_function(NAME)
        self.assertEqual((page["week"]["attempts"], page["before"]["attempts"]), (4, 6))
        self.assertAlmostEqual(page["before"]["median"], 10, delta=4)
        for what in ("run", "wait"):
            classes = page[f"{what}_histogram"]
            self.assertEqual(sum(each["week"] for each in classes), 4)
            self.assertEqual(sum(each["before"] for each in classes), 6)
            self.assertLess(len(classes), 10)
        self.assertEqual(sum(point["done"] for point in page["series"]), 4)
        self.assertEqual(sum(point["runs_before"] for point in page["series"]), 6)
        self.assertEqual(len(page["series"]), 42)

    def test_its_failed_jobs(self):
        for number in range(3):
            exc_name = "KeyError" if number else "ValueError"
            self.job("failed", channel_method_name=NAME, exc_name=exc_name)
        self.job("failed", channel_method_name="<res.users>.read", exc_name="Other")
        self.ran(1.0)
        failures = self.pages.get_function(NAME)["failures"]
        self.assertEqual(
            [(each["exc_name"], each["count"]) for each in failures],
            [("KeyError", 2), ("ValueError", 1)],
        )
        self.assertNotIn("message", failures[0])

    def test_versions_of_the_modules_that_define_it(self):
        self.ran(1.0)
        cr = self.env.cr
        cr.execute("DELETE FROM queue_job_module_version")
        module_versions.note(cr)  # what was there before
        self.assertFalse(self.pages.get_function(NAME)["versions"])
        cr.execute(
            "UPDATE ir_module_module SET latest_version = '19.0.99.0'"
            " WHERE name IN ('base', 'web')"
        )
        for _again in range(2):
            module_versions.note(cr)
        page = self.pages.get_function(NAME)
        self.assertIn("base", page["modules"])
        self.assertNotIn("web", page["modules"])
        (version,) = page["versions"]
        self.assertEqual((version["module"], version["version"]), ("base", "19.0.99.0"))
        self.assertAlmostEqual(version["time"], self.now.timestamp(), delta=600)

    def test_a_database_before_its_update_is_left_alone(self):
        self.env.cr.execute("DROP TABLE queue_job_module_version")
        module_versions.note(self.env.cr)

    def test_settings_that_nobody_has_made_yet(self):
        self.ran(1.0)
        self.assertFalse(self.pages.get_function(NAME)["settings"])
        context = self.pages.action_settings(NAME)["context"]
        model = self.env.ref("base.model_res_partner")
        self.assertEqual(
            context, {"default_model_id": model.id, "default_method": "name_create"}
        )
        with self.assertRaisesRegex(UserError, "no model any more .* <gone>.x"):
            self.pages.action_settings("<gone>.x")

    def test_from_the_job_and_from_the_settings(self):
        function = self.env["queue.job.function"].create({"name": NAME})
        job = self.job(channel_method_name=NAME)
        for action in (job.action_open_function(), function.action_open_page()):
            self.assertEqual(action["params"], {"function": NAME})

    # -- companies and rights ------------------------------------------------------

    def other_manager(self):
        return new_test_user(
            self.env,
            "second_manager",
            groups=f"base.group_user,{MANAGER_GROUP}",
            company_id=self.second.id,
            company_ids=[(6, 0, self.second.ids)],
        )

    def test_a_manager_sees_the_runs_of_the_own_companies(self):
        self.ran(1.0, 3)
        self.ran(1.0, 2, company=self.second.id)
        self.ran(1.0, 1, company=None)
        secret = "<res.partner>.secret_of_the_first"
        self.ran(1.0, function=secret)
        self.job("failed", channel_method_name=NAME, company_id=self.env.company.id)
        other = self.other_manager()
        rows = self.rows(other)
        self.assertEqual(rows[NAME]["runs"], 3)
        self.assertNotIn(secret, rows)
        pages = self.pages.with_user(other)
        page = pages.get_function(NAME)
        self.assertEqual((page["week"]["attempts"], page["failures"]), (3, []))
        self.assertEqual(sum(point["done"] for point in page["series"]), 3)
        self.assertEqual(pages.get_function(secret), {})

    def test_others_see_nothing(self):
        pages = self.pages.with_user(self.plain_user)
        for call in (
            lambda: pages.get_functions(),
            lambda: pages.get_function(NAME),
            lambda: pages.action_settings(NAME),
        ):
            with self.assertRaises(AccessError):
                call()

    # -- plans ---------------------------------------------------------------------

    def test_the_statements_read_indexes(self):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        values = {"since": self.now, "middle": self.now, "function": NAME}
        values.update(step=3600, companies=None)
        for query, index in (
            (function_queries.SPANS, "queue_job_statistic_hour_hour_idx"),
            (function_queries.SPANS_OF_ONE, "queue_job_statistic_hour_pkey"),
            (function_queries.SERIES_OF_ONE, "queue_job_statistic_hour_pkey"),
            (function_queries.FAILURES_OF_ONE, "queue_job_failed_"),
        ):
            self.env.cr.execute("EXPLAIN " + query, values)
            plan = "\n".join(line for (line,) in self.env.cr.fetchall())
            self.assertIn(index, plan)
