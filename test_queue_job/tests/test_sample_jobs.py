# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""GET /queue_job/create_test_job: sample jobs, made through HTTP."""

from odoo.tests import HttpCase, new_test_user
from odoo.tools import mute_logger

from odoo.addons.queue_job.tests.common import JobMixin

URL = "/queue_job/create_test_job"


class TestSampleJobs(JobMixin, HttpCase):
    def setUp(self):
        super().setUp()
        self.counter = self.job_counter()

    def open(self, parameters="", groups="base.group_erp_manager"):
        user = new_test_user(self.env, f"sample_{len(groups)}", groups=groups)
        self.authenticate(user.login, user.login)
        response = self.url_open(f"{URL}?{parameters}")
        self.env.invalidate_all()
        return response, self.counter.search_created()

    def test_one_job(self):
        response, job = self.open()
        self.assertEqual(response.text, f"job uuid: {job.uuid}")
        self.assertEqual(job.name, "Test job")
        self.assertEqual(job.method_name, "_test_job")
        self.assertEqual(len(self.drain(self.counter).done), 1)

    def test_options(self):
        _response, job = self.open(
            "priority=3&max_retries=2&channel=root.x&description=Sample"
            "&failure_rate=1&failure_retry_seconds=7&job_duration=oops"
        )
        self.assertEqual(job.priority, 3)
        self.assertEqual(job.max_retries, 2)
        self.assertEqual(job.channel, "root.x")
        self.assertEqual(job.name, "Sample")
        self.assertEqual(job.kwargs["failure_rate"], 1)
        self.assertEqual(job.kwargs["failure_retry_seconds"], 7)
        self.assertEqual(job.kwargs["job_duration"], 0)

    def test_graph(self):
        response, jobs = self.open("size=12")
        self.assertEqual(len(jobs), 12)
        (graph_uuid,) = set(jobs.mapped("graph_uuid"))
        self.assertEqual(response.text, f"graph uuid: {graph_uuid}")
        self.assertIn("Test job #1", jobs.mapped("name"))
        self.assertEqual(len(self.drain(self.counter).done), 12)

    def test_refused(self):
        with mute_logger("odoo.http"):
            self.assertEqual(self.open("failure_rate=2")[0].status_code, 400)
            response, jobs = self.open(groups="base.group_user")
        self.assertEqual(response.status_code, 403)
        self.assertFalse(jobs)

    def test_none(self):
        response, jobs = self.open("size=0")
        self.assertEqual(response.text, "")
        self.assertFalse(jobs)
