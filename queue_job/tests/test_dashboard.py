# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the web client asks for: figures, health, arguments, actions on jobs."""

from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import patch

from markupsafe import Markup

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tests import TransactionCase, new_test_user
from odoo.tools.misc import file_open

from ..jobrunner.dispatch.refusals import REMEDIES
from ..models import queue_job_actions, queue_job_dashboard
from ..monitoring import dashboard_queries, effective_settings
from ..monitoring.health import NOTES, Problem
from ..progress import tally


class DashboardCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM queue_job")
        cls.env.cr.execute("DELETE FROM queue_job_runner")
        cls.Dashboard = cls.env["queue.job.dashboard"]
        cls.now = fields.Datetime.now()
        cls.startClassPatcher(
            patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": ""}),
        )

    def create_job(self, state="pending", **values):
        number = self.env["queue.job"].search_count([]) + 1
        return self.env["queue.job"].create(
            {
                "uuid": f"dashboard-{number}",
                "state": state,
                "name": f"Job {number}",
                "model_name": "res.partner",
                "method_name": "name_create",
                "channel_method_name": "<res.partner>.name_create",
                "channel": "root",
                "priority": 10,
                "date_created": self.now,
                **values,
            }
        )

    def add_runner(self, seconds=1, **values):
        return self.env["queue.job.runner"].create(
            {
                "uuid": f"runner-{seconds}",
                "host": "app1",
                "pid": 4,
                "last_seen": self.now - timedelta(seconds=seconds),
                "leader": True,
                "listening": True,
                "root_capacity": 4,
                **values,
            }
        )


class TestFigures(DashboardCase):
    def test_states(self):
        self.create_job()
        self.create_job(eta=self.now + timedelta(days=1))
        self.create_job(gate="sequence:x", gate_state="waiting", scheduled=True)
        self.create_job("started", date_started=self.now)
        self.create_job("failed")
        self.create_job("done")
        states = self.Dashboard.get_figures()["states"]
        self.assertEqual(
            {state: each["count"] for state, each in states.items()},
            {
                "wait_dependencies": 0,
                "scheduled": 1,
                "held": 1,
                "pending": 1,
                "enqueued": 0,
                "started": 1,
                "failed": 1,
            },
        )

    def test_large_counts_are_estimates(self):
        row = {
            "state": "pending",
            "count": dashboard_queries.CAP,
            "index": "queue_job_ready_idx",
        }
        estimate = self.Dashboard._estimate(row)
        self.assertTrue(estimate["estimated"])
        self.assertGreaterEqual(estimate["count"], dashboard_queries.CAP)

    def test_every_counted_state_has_its_index(self):
        for _condition, index in dashboard_queries.COUNTED.values():
            self.env.cr.execute("SELECT to_regclass(%s)", (index,))
            self.assertTrue(self.env.cr.fetchone()[0], index)

    def test_channels(self):
        root = self.env.ref("queue_job.channel_root")
        root.capacity = 3
        self.env["queue.job.channel"].create(
            {"name": "dash", "parent_id": root.id, "capacity": 2}
        )
        old = self.now - timedelta(minutes=5)
        self.create_job(channel="root.dash", priority=5)
        self.create_job(channel="root.dash", priority=20, date_created=old)
        self.create_job("started", channel="root.dash", date_started=self.now)
        rows = {row["name"]: row for row in self.Dashboard.get_figures()["channels"]}
        dash = rows["root.dash"]
        self.assertEqual((dash["running"], dash["waiting"]), (1, 2))
        self.assertAlmostEqual(dash["oldest"], 300, delta=30)
        self.assertEqual((rows["root"]["running"], rows["root"]["capacity"]), (1, 3))
        self.assertEqual((dash["depth"], dash["fixed"]), (1, ""))

    def test_the_runner_that_leads_runs_what_the_channels_run(self):
        """What it last said of itself is some seconds old."""
        self.add_runner(running=0)
        self.add_runner(seconds=2, running=7, leader=False)
        self.create_job("started", date_started=self.now)
        figures = self.Dashboard.get_figures()
        self.assertEqual([row["running"] for row in figures["runners"]], [1, 7])

    def test_series_and_functions(self):
        minute = self.now.replace(second=0, microsecond=0) - timedelta(minutes=2)
        self.env["queue.job.statistic"].create(
            {
                "minute": minute,
                "function": "<dash>.run",
                "channel": "root",
                "done": 3,
                "failed": 1,
                "run_seconds": 8,
                "run_max": 5,
                "wait_seconds": 2,
                "wait_max": 1,
            }
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job_statistic SET run_histogram = %s"
            " WHERE function = '<dash>.run'",
            ([0, 0, 0, 0, 2, 2, 0, 0, 0, 0],),
        )
        figures = self.Dashboard.get_figures("hour")
        self.assertEqual(len(figures["series"]), 60)
        points = [point for point in figures["series"] if point["done"]]
        self.assertIn(
            (3, 1, 0.5), [(p["done"], p["failed"], p["wait"]) for p in points]
        )
        (row,) = (r for r in figures["slowest"] if r["function"] == "<dash>.run")
        self.assertEqual((row["attempts"], row["mean"]), (4, 2))
        self.assertTrue(1 < row["p95"] <= 5)
        self.assertIn("<dash>.run", [r["function"] for r in figures["failing"]])
        for period in ("day", "week"):
            self.assertTrue(self.Dashboard.get_figures(period)["series"])

    def test_failures_are_grouped_and_requeued(self):
        for _i in range(3):
            self.create_job("failed", exc_name="KeyError", exc_message="x")
        other = self.create_job("failed", exc_name="ValueError")
        first, second = self.Dashboard.get_figures()["failures"]
        self.assertEqual((first["exc_name"], first["count"]), ("KeyError", 3))
        self.assertEqual(second["exc_name"], "ValueError")
        action = self.Dashboard.requeue_failures(first["function"], "KeyError")
        self.env[action["res_model"]].browse(action["res_id"]).action_change()
        self.assertFalse(
            self.env["queue.job"].search_count(
                [("exc_name", "=", "KeyError"), ("state", "=", "failed")]
            )
        )
        self.assertEqual(other.state, "failed")

    def test_only_managers(self):
        user = new_test_user(self.env, "dash_user")
        dashboard = self.Dashboard.with_user(user)
        job = self.create_job("failed", exc_name="KeyError")
        for call in (
            lambda: dashboard.get_figures(),
            lambda: dashboard.get_problems(),
            lambda: dashboard.get_arguments(job.id),
            lambda: dashboard.requeue_failures("<res.partner>.name_create", "KeyError"),
        ):
            with self.assertRaises(AccessError):
                call()

    def test_managers(self):
        group = "base.group_user,queue_job.group_queue_job_manager"
        user = new_test_user(self.env, "dash_manager", groups=group)
        self.assertTrue(self.Dashboard.with_user(user).get_figures()["states"])

    def test_channel_form_shows_its_load(self):
        root = self.env.ref("queue_job.channel_root")
        self.create_job()
        self.create_job("started", date_started=self.now)
        root.invalidate_recordset()
        self.assertEqual((root.waiting_count, root.running_count), (1, 1))

    def test_pause_all_leaves_the_pause_of_each_channel_alone(self):
        root = self.env.ref("queue_job.channel_root")
        values = {"parent_id": root.id, "paused": True}
        channels = self.env["queue.job.channel"]
        paused = channels.create({"name": "on_purpose", **values})
        free = channels.create({"name": "free", **values, "paused": False})
        channels.action_pause_all()
        self.assertEqual((root.paused, paused.paused, free.paused), (True, True, False))
        channels.action_resume_all()
        self.assertEqual(
            (root.paused, paused.paused, free.paused), (False, True, False)
        )

    def test_resume_all_starts_a_neutralized_copy(self):
        channels = self.env["queue.job.channel"]
        with file_open("queue_job/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        channels.invalidate_model()
        self.assertTrue(self.env.ref("queue_job.channel_root").paused)
        channels.action_resume_all()
        self.assertFalse(channels.search_count([("paused", "=", True)]))


class TestHealth(DashboardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = {"workers": 0, "server_wide_modules": ["base", "web"]}
        for module in (queue_job_dashboard, effective_settings):
            cls.startClassPatcher(patch.object(module, "config", server))

    def codes(self):
        return [problem["code"] for problem in self.Dashboard.get_problems()]

    def test_runner(self):
        self.assertEqual(self.codes(), ["not_server_wide"])
        self.add_runner(1)
        self.assertEqual(self.codes(), [])

    def test_every_problem_has_a_text(self):
        problems = (
            ("config_error", {"error": "100 % wrong"}),
            ("disabled", {}),
            ("not_server_wide", {}),
            ("no_runner", {}),
            ("runner_lost", {"seconds": 16}),
            ("copy", {}),
            ("modules", {}),
            ("paused", {}),
            ("channels_paused", {"channels": "root.a"}),
            ("no_trigger", {}),
            ("deaf", {}),
            ("few_workers", {"capacity": 4, "workers": 2}),
            ("few_job_workers", {"capacity": 4, "workers": 2}),
            ("long_wait", {"channel": "root", "minutes": 10}),
            *((note, {"reason": ""}) for note in NOTES),
            *((code, {"reason": "answered 100 %"}) for code in REMEDIES),
        )
        for code, values in problems:
            with self.subTest(code):
                text = self.Dashboard._problem_text(Problem(code, "danger", values))
                self.assertTrue(all(str(value) in text for value in values.values()))

    def test_old_jobs_and_pauses(self):
        self.add_runner(1)
        self.create_job(date_created=self.now - timedelta(minutes=11))
        self.assertEqual(self.codes(), ["long_wait"])
        self.env.ref("queue_job.channel_root").paused = True
        self.assertEqual(self.codes(), ["paused"])

    def test_a_paused_channel_matters_if_jobs_wait_in_it(self):
        self.add_runner(1)
        channel = self.env["queue.job.channel"].create(
            {
                "name": "dash",
                "parent_id": self.env.ref("queue_job.channel_root").id,
                "paused": True,
            }
        )
        self.assertEqual(self.codes(), [])
        self.create_job(channel=channel.complete_name)
        self.assertEqual(self.codes(), ["channels_paused"])

    def test_wrong_configuration(self):
        with patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": "root:x"}):
            (problem,) = (
                p for p in self.Dashboard.get_problems() if p["code"] == "config_error"
            )
        self.assertIn("invalid capacity x", problem["text"])


class TestArguments(DashboardCase):
    def arguments(self, **values):
        job = self.create_job(**values)
        return {row["name"]: row for row in self.Dashboard.get_arguments(job.id)}

    def test_records_become_links(self):
        partner = self.env["res.partner"].create({"name": "Azure"})
        gone = self.env["res.partner"].create({"name": "Gone"})
        ids = [partner.id, gone.id]
        gone.unlink()
        rows = self.arguments(
            records=self.env["res.partner"].browse(ids),
            args=(partner, 5),
            kwargs={"when": self.now, "pair": (1, [2])},
        )
        self.assertEqual(
            rows["self"]["records"],
            [
                {"id": ids[0], "name": "Azure", "exists": True},
                {"id": ids[1], "name": None, "exists": False},
            ],
        )
        self.assertEqual(rows["1"]["kind"], "records")
        self.assertEqual(rows["2"]["text"], "5")
        self.assertEqual(rows["when"]["text"], self.now.isoformat())
        self.assertEqual(rows["pair"]["text"].split(), "[ 1, [ 2 ] ]".split())

    def test_data_without_its_tags(self):
        rows = self.arguments(
            args=({1: "a", "b": {2: (3,)}}, {1: "a", "1": "b"}, Markup("<b>")),
            kwargs={"_type": "python_set", "domain": Domain("a", "in", {1})},
        )
        self.assertEqual(
            {name: row["text"].split() for name, row in rows.items()},
            {
                "1": '{ "1": "a", "b": { "2": [ 3 ] } }'.split(),
                "2": '[ [ 1, "a" ], [ "1", "b" ] ]'.split(),
                "3": ["<b>"],
                "_type": ["python_set"],
                "domain": '[ [ "a", "in", [ 1 ] ] ]'.split(),
            },
        )

    def test_a_model_that_is_gone(self):
        job = self.create_job()
        self.env.cr.execute(
            "UPDATE queue_job SET records = %s WHERE id = %s",
            (
                '"{\\"_type\\": \\"odoo_recordset\\", \\"model\\": \\"gone\\",'
                ' \\"ids\\": [1], \\"uid\\": 1}"',
                job.id,
            ),
        )
        (row,) = self.Dashboard.get_arguments(job.id)
        self.assertEqual((row["model"], row["known"]), ("gone", False))

    def test_long_texts_are_cut(self):
        text = self.arguments(kwargs={"text": "x" * 30000})["text"]
        self.assertEqual(
            (len(text["text"]), text["cut"], text["length"]), (500, True, 30000)
        )

    def test_names_of_records_the_manager_may_not_read(self):
        group = "base.group_user,queue_job.group_queue_job_manager"
        user = new_test_user(self.env, "dash_manager", groups=group)
        secret = self.env["ir.config_parameter"].create({"key": "dash", "value": "1"})
        job = self.create_job(records=secret)
        dashboard = self.Dashboard.with_user(user)
        (row,) = dashboard.get_arguments(job.id)
        self.assertEqual(
            row["records"], [{"id": secret.id, "name": None, "exists": True}]
        )


class TestActions(DashboardCase):
    def test_run_now(self):
        job = self.create_job(eta=self.now + timedelta(days=1))
        self.assertTrue(job.scheduled)
        job.action_run_now()
        self.assertFalse(job.eta or job.scheduled)

    def test_enqueue_again(self):
        partner = self.env["res.partner"].create({"name": "Azure"})
        partner.with_delay(priority=3, description="Again").name_create("Blue")
        job = self.env["queue.job"].search([("name", "=", "Again")])
        job.state = "failed"
        action = job.action_duplicate()
        new = self.env["queue.job"].browse(action["res_id"])
        self.assertNotEqual(new, job)
        self.assertEqual(
            (new.state, new.priority, new.name, new.args, new.records),
            ("pending", 3, "Again", ["Blue"], partner),
        )

    def test_enqueue_again_what_does_not_exist(self):
        job = self.create_job("failed", method_name="is_gone")
        with self.assertRaises(UserError):
            job.action_duplicate()

    def test_very_many_in_the_background(self):
        jobs = sum(
            (self.create_job("failed") for _i in range(5)), self.create_job("failed")
        )
        other = self.create_job("failed", channel="root.other")
        done = self.create_job("done")
        moved = jobs[2]
        self.add_runner(1)
        with (
            patch.object(queue_job_actions, "BACKGROUND_FROM", 6),
            patch.object(queue_job_actions, "CHUNK", 4),
        ):
            action = self.env["queue.job"]._change_many(
                "requeue", [("channel", "=", "root")], reason="Again"
            )
        self.assertEqual(action["tag"], "queue_job_wait")
        change = self.env["queue.job"].search([("uuid", "=", action["params"]["uuid"])])
        self.assertEqual((change.priority, change.method_name), (0, "_change_ranges"))
        self.assertEqual(set(jobs.mapped("state")), {"failed"})
        ranges = change.args[2]
        self.assertEqual(
            [[job.id for job in jobs if a <= job.id < b] for a, b in ranges],
            [jobs.sorted("id").ids[:4], jobs.sorted("id").ids[4:]],
        )
        moved.button_done()  # in between
        result = change.records._change_ranges(*change.args)
        self.assertEqual(set((jobs - moved).mapped("state")), {"pending"})
        self.assertEqual(
            (other.state, done.state, moved.state), ("failed", "done", "done")
        )
        message = result["params"]["message"]
        self.assertIn("5 job(s) changed. 1 left out: done or cancelled", message)
        self.assertIn("Again", jobs[0].message_ids[0].body)

    def test_a_job_of_an_older_version_goes_on(self):
        jobs = self.create_job("failed") + self.create_job("done")
        domain = [("id", "in", jobs.ids)]
        self.env["queue.job"]._change_ranges("requeue", domain, jobs._ranges(), 2)
        self.assertEqual(jobs.mapped("state"), ["pending", "done"])

    def test_the_figures_of_all_attempts_are_added_up(self):
        job = self.create_job("started", date_started=self.now)
        run = SimpleNamespace(job=job)
        for _attempt in range(2):
            with patch.object(tally, "current_run", lambda env: run):
                counts = tally.Tally(self.env)
                counts.add({"changed": 3, "busy": 0})
        self.assertEqual(counts.total(), {"changed": 6})

    def test_what_runs_is_stopped_before_very_many_are_cancelled(self):
        jobs = self.create_job() + self.create_job("started", date_started=self.now)
        self.add_runner(1)
        with patch.object(queue_job_actions, "BACKGROUND_FROM", 2):
            domain = [("id", "in", jobs.ids)]
            action = jobs._change_many("button_cancelled", domain)
        self.assertEqual(action["tag"], "queue_job_wait")
        change = self.env["queue.job"].search([("uuid", "=", action["params"]["uuid"])])
        signal = self.env["queue.job.signal"].search([])
        self.assertEqual(signal.job_id, jobs[1])
        self.assertEqual(jobs[0].state, "pending")
        result = change.records._change_ranges(*change.args)
        self.assertIn("2 job(s) changed.", result["params"]["message"])

    def test_without_a_runner_nothing_is_left_to_the_background(self):
        jobs = self.create_job("failed") + self.create_job("failed")
        with patch.object(queue_job_actions, "BACKGROUND_FROM", 2):
            jobs._change_many("requeue", [("id", "in", jobs.ids)])
        self.assertEqual(set(jobs.mapped("state")), {"pending"})

    def test_only_changes_that_are_one(self):
        with self.assertRaises(UserError):
            self.env["queue.job"].change_matching([], "unlink")
