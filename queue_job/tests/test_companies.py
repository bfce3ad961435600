# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a manager sees and may do who works in one company of several."""

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import Form, new_test_user

from ..monitoring import metrics, visible_companies
from ..monitoring.statistics import ADD, COUNT_DEAD, Statistics
from .job_case import MANAGER_GROUP
from .test_dashboard import DashboardCase

GROUPS = f"base.group_user,{MANAGER_GROUP}"


class TestCompanies(DashboardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM queue_job_statistic")
        cls.first = cls.env.company
        cls.second = cls.env["res.company"].create({"name": "Second"})
        cls.manager = cls.user("second_manager", cls.second)
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.mine, cls.of_all = cls.env["queue.job.channel"].create(
            [
                {
                    "name": "mine",
                    "parent_id": cls.root.id,
                    "company_id": cls.second.id,
                },
                {"name": "of_all", "parent_id": cls.root.id},
            ]
        )

    @classmethod
    def user(cls, login, companies, groups=GROUPS):
        return new_test_user(
            cls.env,
            login,
            groups=groups,
            company_id=companies[0].id,
            company_ids=[Command.set(companies.ids)],
        )

    def of_each(self, state="pending", **values):
        """Make three jobs of the first company, two of the second, one of none."""
        for company in (self.first,) * 3 + (self.second,) * 2 + (None,):
            company_id = company.id if company else False
            self.create_job(state, company_id=company_id, **values)

    def figures(self, user):
        self.env.flush_all()
        return self.Dashboard.with_user(user).get_figures()

    # -- what is counted -----------------------------------------------------------

    def test_each_figure_is_that_of_the_list(self):
        states = ("pending", "enqueued", "started", "failed", "wait_dependencies")
        for state in states:
            self.of_each(state, date_started=self.now, exc_name="Oops")
        both = self.user("both", self.first + self.second)
        for user, expected in ((self.manager, 3), (both, 6)):
            with self.subTest(user.login):
                figures = self.figures(user)
                counts = figures["states"]
                jobs = self.env["queue.job"].with_user(user)
                for state in states:
                    listed = jobs.search_count([("state", "=", state)])
                    self.assertEqual((counts[state]["count"], listed), (expected,) * 2)
                root = figures["channels"][0]
                self.assertEqual(root["waiting"], expected)
                self.assertEqual(root["running"], 2 * expected)
                (failure,) = figures["failures"]
                self.assertEqual(failure["count"], expected)
                self.assertEqual(len(figures["running"]), expected)

    def test_a_company_that_the_context_names_twice_is_one(self):
        self.of_each()
        twice = self.Dashboard.with_user(self.manager).with_context(
            allowed_company_ids=self.second.ids * 50
        )
        self.env.flush_all()
        counts = twice.get_figures()["states"]
        self.assertEqual(counts["pending"]["count"], 3)

    def test_a_company_without_jobs_sees_none(self):
        third = self.env["res.company"].create({"name": "Third"})
        for _ in range(3):
            self.create_job(company_id=self.first.id)
        figures = self.figures(self.user("third_manager", third))
        self.assertEqual(figures["states"]["pending"]["count"], 0)
        self.assertEqual(figures["channels"][0]["waiting"], 0)

    def test_the_companies_that_are_ticked(self):
        both = self.user("both", self.first + self.second)
        self.of_each()
        ticked = self.Dashboard.with_user(both).with_context(
            allowed_company_ids=self.second.ids
        )
        self.assertEqual(ticked.get_figures()["states"]["pending"]["count"], 3)
        seen = visible_companies.visible_companies(ticked.env)
        self.assertEqual(seen, self.second.ids)
        self.assertIsNone(visible_companies.visible_companies(self.env))

    def test_health_is_that_of_all(self):
        old = "2026-01-01 00:00:00"
        self.create_job(company_id=self.first.id, date_created=old)
        codes = {each["code"] for each in self.figures(self.manager)["problems"]}
        self.assertTrue(codes)

    def test_many_of_others_give_no_estimate(self):
        self.patch(self.Dashboard.__class__, "_rows", lambda *args, **params: [])
        row = {"state": "pending", "count": 10_000, "index": "queue_job_ready_idx"}
        count = self.Dashboard.with_user(self.manager)._estimate(row)
        self.assertEqual(count["count"], 10_000)
        self.assertTrue(count["at_least"])

    # -- statistics ----------------------------------------------------------------

    def add_statistics(self):
        statistics = Statistics()
        for company, number in ((self.first, 3), (self.second, 2), (None, 1)):
            entry = {
                "function": "<a>.b",
                "channel": "root",
                "company": company and company.id,
                "state": "done",
                "seconds": 1.0,
                "wait": 1.0,
            }
            statistics.add([entry] * number)
        for params in statistics.take():
            self.env.cr.execute(ADD, params)

    def test_statistics(self):
        self.add_statistics()
        figures = self.figures(self.manager)
        self.assertEqual(sum(point["done"] for point in figures["series"]), 3)
        (function,) = figures["slowest"]
        self.assertEqual(function["attempts"], 3)
        rows = self.env["queue.job.statistic"].with_user(self.manager).search([])
        self.assertEqual(set(rows.mapped("company")), {0, self.second.id})

    def test_runs_of_a_function(self):
        self.add_statistics()
        function = self.env["queue.job.function"].create(
            {"model_id": self.env.ref("base.model_res_partner").id, "method": "read"}
        )
        self.env.cr.execute(
            "UPDATE queue_job_statistic SET function = %s", [function.name]
        )
        self.assertEqual(function.run_count, 6)
        self.assertEqual(function.with_user(self.manager).run_count, 3)

    def test_metrics_sum_up_all(self):
        if not metrics.is_available():
            self.skipTest("prometheus_client is not installed")
        self.add_statistics()
        self.of_each("started", channel_method_name="<a>.b")
        self.env.flush_all()
        for job in self.env["queue.job"].search([("state", "=", "started")]):
            self.env.cr.execute(COUNT_DEAD, {"ids": job.ids})
        text = metrics.exposition_text(self.env)[0].decode()
        labels = 'channel="root",function="<a>.b"'
        for outcome in ("done", "dead"):
            line = f'queue_job_attempts_total{{{labels},outcome="{outcome}"}} 6.0'
            ordered = line.replace(labels, 'function="<a>.b",channel="root"')
            self.assertTrue(line in text or ordered in text, text)

    # -- who may change what holds for all ------------------------------------------

    def test_channels_of_all_companies_are_left_alone(self):
        for channel in (self.root, self.of_all):
            channel = channel.with_user(self.manager)
            self.assertFalse(channel.may_change)
            for method in ("action_pause", "action_resume", "action_pause_all"):
                with self.assertRaises(AccessError):
                    getattr(channel, method)()
        with self.assertRaises(AccessError):
            self.of_all.with_user(self.manager).unlink()
        with self.assertRaises(AccessError):
            self.mine.with_user(self.manager).company_id = self.first
        self.assertFalse(self.root.paused)

    def test_those_of_the_company_are_changed(self):
        mine = self.mine.with_user(self.manager)
        self.assertTrue(mine.may_change)
        mine.action_pause()
        self.assertTrue(self.mine.paused)
        with Form(mine) as form:
            form.capacity = 2
        self.assertEqual(self.mine.capacity, 2)

    def test_who_works_in_all_companies_changes_all(self):
        every = self.env["res.company"].search([])
        administrator = self.user("admin_2", self.second, f"{GROUPS},base.group_system")
        for user in (self.user("everywhere", every), administrator):
            channel = self.of_all.with_user(user)
            self.assertTrue(channel.may_change)
            channel.action_pause()
            channel.action_resume()

    def test_a_new_company_is_not_one_of_all(self):
        every = self.user("everywhere", self.env["res.company"].search([]))
        self.of_all.with_user(every).action_pause()
        self.env["res.company"].create({"name": "Later"})
        with self.assertRaises(AccessError):
            self.of_all.with_user(every).action_resume()

    def test_job_functions(self):
        model = self.env.ref("base.model_res_partner").id
        functions = self.env["queue.job.function"].create(
            [
                {"model_id": model, "method": "read", "channel_id": channel.id}
                for channel in (self.mine,)
            ]
        )
        functions += functions.create(
            {"model_id": model, "method": "write", "channel_id": self.of_all.id}
        )
        mine, of_all = functions.with_user(self.manager)
        mine.timeout = 5
        for record, values in (
            (of_all, {"timeout": 5}),
            (mine, {"channel_id": self.of_all.id}),
            (mine, {"method": "unlink"}),
            (mine, {"former_names": "create"}),
        ):
            with self.subTest(values), self.assertRaises(AccessError):
                record.write(values)
        with self.assertRaises(AccessError):  # it would hold for all companies
            mine.create(
                {"model_id": model, "method": "copy", "channel_id": self.mine.id}
            )

    def test_the_dashboard_offers_what_is_allowed(self):
        rows = {
            row["name"]: row["may_change"]
            for row in self.figures(self.manager)["channels"]
        }
        self.assertEqual(
            (rows["root"], rows["root.mine"], rows["root.of_all"]),
            (False, True, False),
        )
