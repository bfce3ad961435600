# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What monitoring sees."""

from datetime import datetime, timedelta, timezone
from unittest import skipUnless
from unittest.mock import patch

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from ..controllers.metrics import TOKEN_PARAMETER
from ..monitoring import metrics
from ..monitoring.series import REST, Series
from ..monitoring.statistics import ADD, COUNT_DEAD, Statistics
from .job_case import JobCase

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:  # it is optional for the addon, and so for its tests
    text_string_to_metric_families = None

TOKEN = "a-secret-token"


@tagged("post_install", "-at_install")
@skipUnless(text_string_to_metric_families, "needs prometheus_client")
class TestMonitoring(HttpCase, JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param(TOKEN_PARAMETER, TOKEN)
        cls.env.cr.execute("DELETE FROM queue_job_runner")
        cls.env.cr.execute("DELETE FROM queue_job_statistic")
        cls.jobs.search([]).unlink()

    def get(self, path, **headers):
        return self.url_open(path, headers=headers)

    def families(self):
        self.env.flush_all()
        response = self.get("/queue_job/metrics", Authorization=f"Bearer {TOKEN}")
        self.assertEqual(response.status_code, 200, response.text)
        self.assertIn("text/plain", response.headers["Content-Type"])
        families = text_string_to_metric_families(response.text)
        return {family.name: family for family in families}

    def value(self, family, **labels):
        values = [
            sample.value
            for sample in family.samples
            if labels.items() <= sample.labels.items()
        ]
        self.assertEqual(len(values), 1, (family.samples, labels))
        return values[0]

    def runner(self, **values):
        self.env["queue.job.runner"].create(
            {
                "uuid": "runner",
                "host": "host",
                "pid": 42,
                "last_seen": datetime.now(timezone.utc).replace(tzinfo=None),
                "leader": True,
                "listening": True,
                **values,
            }
        )

    def report(self, **outcome):
        statistics = Statistics()
        entry = {"function": "<a>.b", "channel": "root", "state": "done"}
        statistics.add([{**entry, "seconds": 0.02, "wait": 0.2, **outcome}])
        for sums in statistics.take():
            self.env.cr.execute(ADD, sums)

    # -- the token -----------------------------------------------------------------

    @mute_logger("odoo.http")
    def test_both_doors_ask_for_the_token(self):
        for path in ("/queue_job/metrics", "/queue_job/health"):
            with self.subTest(path=path):
                self.assertEqual(self.get(path).status_code, 403)
                self.assertEqual(self.get(f"{path}?token=x").status_code, 403)
                bad = self.get(path, Authorization="Bearer wrong")
                self.assertEqual(bad.status_code, 403)
                good = self.get(f"{path}?token={TOKEN}")
                self.assertIn(good.status_code, (200, 503))

    @mute_logger("odoo.http")
    def test_closed_without_the_parameter(self):
        self.env["ir.config_parameter"].set_param(TOKEN_PARAMETER, False)
        self.assertEqual(self.get("/queue_job/metrics?token=").status_code, 403)
        self.assertEqual(self.get("/queue_job/health?token=False").status_code, 403)

    @mute_logger("odoo.http")
    def test_without_the_library(self):
        with patch.object(metrics, "exposition", None):
            response = self.get(f"/queue_job/metrics?token={TOKEN}")
        self.assertEqual(response.status_code, 501)
        self.assertIn("prometheus_client", response.text)

    # -- the figures ---------------------------------------------------------------

    def test_jobs_by_channel_and_state(self):
        for state in ("pending", "pending", "failed", "started"):
            self.job(state, channel="root.a")
        self.job("pending", channel="root.b", eta="2999-01-01", scheduled=True)
        self.job("wait_dependencies")
        self.job("done", date_done=datetime.now())
        families = self.families()
        jobs = families["queue_job_jobs"]
        self.assertEqual(self.value(jobs, channel="root.a", state="pending"), 2)
        self.assertEqual(self.value(jobs, channel="root.a", state="failed"), 1)
        self.assertEqual(self.value(jobs, channel="root.a", state="started"), 1)
        self.assertEqual(self.value(jobs, channel="root.b", state="scheduled"), 1)
        states = families["queue_job_state_jobs"]
        self.assertEqual(self.value(states, state="wait_dependencies"), 1)
        self.assertEqual(self.value(states, state="pending"), 2)

    def test_oldest_waiting(self):
        created = datetime.now(timezone.utc) - timedelta(minutes=5)
        self.job(channel="root.a", date_created=created.replace(tzinfo=None))
        oldest = self.families()["queue_job_oldest_waiting_seconds"]
        self.assertAlmostEqual(self.value(oldest, channel="root.a"), 300, delta=30)

    def test_capacity(self):
        root = self.env.ref("queue_job.channel_root")
        root.create({"name": "tenfold", "parent_id": root.id, "capacity": 10})
        root.create({"name": "free", "parent_id": root.id, "paused": True})
        families = self.families()
        capacity = families["queue_job_channel_capacity"]
        self.assertEqual(self.value(capacity, channel="root.tenfold"), 10)
        self.assertEqual(self.value(capacity, channel="root.free"), float("inf"))
        paused = families["queue_job_channel_paused"]
        self.assertEqual(self.value(paused, channel="root.free"), 1)
        self.assertEqual(self.value(paused, channel="root.tenfold"), 0)

    def test_many_channels_are_few_series(self):
        """What is beyond the limits is summed up, and nothing of it is lost."""
        for number in range(4):
            self.job("pending", channel=f"root.c{number}")
            self.report(channel=f"root.c{number}")
        counts = metrics.CHANNEL_COUNTS
        few = {
            state: query.replace("LIMIT 500", "LIMIT 2")
            for state, query in counts.items()
        }
        with (
            patch.object(metrics, "MOST_CHANNELS", 2),
            patch.object(metrics, "CHANNEL_COUNTS", few),
            patch.object(metrics, "Series", lambda: Series(limit=3)),
        ):
            families = self.families()
        jobs, attempts = families["queue_job_jobs"], families["queue_job_attempts"]
        self.assertEqual(self.value(jobs, channel="root.c1", state="pending"), 1)
        self.assertEqual(self.value(jobs, channel=REST, state="pending"), 2)
        done = {"function": "<a>.b", "outcome": "done"}
        self.assertEqual(self.value(attempts, channel="root.c2", **done), 1)
        self.assertEqual(self.value(attempts, channel=REST, **done), 1)

    def test_totals_only_grow(self):
        self.report()
        self.report(state="failed")
        attempts = self.families()["queue_job_attempts"]
        labels = {"function": "<a>.b", "channel": "root"}
        self.assertEqual(self.value(attempts, outcome="done", **labels), 1)
        self.assertEqual(self.value(attempts, outcome="failed", **labels), 1)
        self.env.cr.execute(
            "UPDATE queue_job_statistic SET minute = '2020-01-01'"
            " WHERE minute IS NOT NULL"
        )
        self.env["queue.job.statistic"]._gc_statistics()
        self.report()
        attempts = self.families()["queue_job_attempts"]
        self.assertEqual(self.value(attempts, outcome="done", **labels), 2)

    def test_the_dead_are_counted_before_anything_else(self):
        job = self.job("started", channel_method_name="<a>.b")
        self.env.flush_all()
        self.env.cr.execute(COUNT_DEAD, {"ids": job.ids})
        self.report()
        families = self.families()
        attempts = families["queue_job_attempts"]
        self.assertEqual(self.value(attempts, outcome="dead"), 1)
        self.assertEqual(self.value(attempts, outcome="done"), 1)
        run = families["queue_job_run_seconds"]
        self.assertEqual(self.value(run, le="+Inf"), 1)

    def test_histograms_are_cumulative_and_over_all_channels(self):
        self.report(seconds=0.02, wait=700)
        self.report(seconds=0.5, wait=0.001, channel="root.a")
        families = self.families()
        run = families["queue_job_run_seconds"]
        for bound, expected in (("0.01", 0), ("0.05", 1), ("0.5", 2), ("+Inf", 2)):
            self.assertEqual(self.value(run, le=bound), expected, bound)
        wait = families["queue_job_wait_seconds"]
        self.assertEqual(self.value(wait, le="600.0"), 1)
        self.assertEqual(self.value(wait, le="+Inf"), 2)
        sums = {sample.name: sample.value for sample in run.samples}
        self.assertAlmostEqual(sums["queue_job_run_seconds_sum"], 0.52)

    def test_runner(self):
        self.runner(root_capacity=4, running=3)
        families = self.families()
        leader = families["queue_job_runner_leader"]
        self.assertEqual(self.value(leader, host="host", pid="42"), 1)
        age = families["queue_job_runner_heartbeat_age_seconds"]
        self.assertLess(self.value(age), 30)
        running = families["queue_job_runner_running_jobs"]
        self.assertEqual(self.value(running), 3)

    # -- health --------------------------------------------------------------------

    def test_health_without_a_runner(self):
        response = self.get(f"/queue_job/health?token={TOKEN}")
        self.assertEqual(response.status_code, 503)
        answer = response.json()
        self.assertEqual(answer["status"], "down")
        self.assertTrue(answer["problems"][0]["text"])
        self.assertEqual(self.value(self.families()["queue_job_healthy"]), 0)

    def test_health_with_a_runner(self):
        self.runner()
        self.env.flush_all()
        response = self.get(f"/queue_job/health?token={TOKEN}")
        self.assertEqual(response.status_code, 200, response.text)
        self.assertIn(response.json()["status"], ("ok", "degraded"))
        self.assertEqual(self.value(self.families()["queue_job_healthy"]), 1)
