# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Methods which delay themselves, by _patch_job_auto_delay in _register_hook."""

from odoo.tests import tagged

from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.tests.common import trap_jobs

from .common import JobCommonCase


# The methods are patched by _register_hook, after the installation of all addons.
@tagged("post_install", "-at_install")
class TestAutoDelay(JobCommonCase):
    def setUp(self):
        super().setUp()
        self.model = self.env["test.queue.job"]

    def test_always(self):
        with trap_jobs() as trap:
            job = self.model.delay_me(1, kwarg=2)
        self.assertIsInstance(job, Job)
        self.assertEqual(job.args, (1,))
        self.assertEqual(job.kwargs, {"kwarg": 2})
        trap.assert_enqueued_job(self.model.delay_me, args=(1,), kwargs={"kwarg": 2})

    def test_options_of_the_method(self):
        with trap_jobs() as trap:
            self.model.delay_me_options()
        trap.assert_enqueued_job(
            self.model.delay_me_options,
            properties={"identity_key": "my_job_identity"},
        )

    def test_inside_the_job_it_runs(self):
        with trap_jobs() as trap:
            job = self.model.delay_me(1, kwarg=2)
            trap.perform_enqueued_jobs()
            trap.assert_jobs_count(0)
        self.assertEqual(job.result, (1, 2))

    def test_context_key(self):
        key = "auto_delay_delay_me_context_key"
        with trap_jobs() as trap:
            self.assertEqual(self.model.delay_me_context_key(), "ok")
            not_now = self.model.with_context(**{key: False})
            self.assertEqual(not_now.delay_me_context_key(), "ok")
            trap.assert_jobs_count(0)
            job = self.model.with_context(**{key: True}).delay_me_context_key()
            self.assertIsInstance(job, Job)
            trap.assert_jobs_count(1, only=self.model.delay_me_context_key)

    def test_no_delay(self):
        model = self.model.with_context(queue_job__no_delay=True)
        self.assertEqual(model.delay_me(1, kwarg=2), (1, 2))

    def test_patched_function_is_like_the_original(self):
        method = type(self.model).delay_me
        self.assertEqual(method.__name__, "delay_me")
        self.assertTrue(hasattr(method, "origin"))
