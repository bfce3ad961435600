# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What every model gains."""

from unittest import mock

from odoo.tests import TransactionCase

from ..delay import Delayable
from ..job import Job
from ..models import base

SIX = {
    "priority": 1,
    "eta": 2,
    "max_retries": 3,
    "description": "d",
    "channel": "root.a",
    "identity_key": "k",
}


class TestBase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Partner"})

    def test_with_delay_passes_exactly_six_options(self):
        with mock.patch.object(base, "DelayableRecordset") as proxy:
            self.partner.with_delay()
            proxy.assert_called_once_with(self.partner, **dict.fromkeys(SIX))
            proxy.reset_mock()
            self.partner.with_delay(**SIX)
            proxy.assert_called_once_with(self.partner, **SIX)

    def test_other_options_only_when_given(self):
        with mock.patch.object(base, "DelayableRecordset") as proxy:
            self.partner.with_delay(timeout=5, notify=None)
            proxy.assert_called_once_with(self.partner, **dict.fromkeys(SIX), timeout=5)

    def test_unknown_option(self):
        for method in (self.partner.with_delay, self.partner.delayable):
            with self.assertRaisesRegex(TypeError, "'colour'"):
                method(colour="blue")

    def test_delayable(self):
        delayable = self.partner.delayable(priority=3)
        delayable._generated_job = True
        self.assertIsInstance(delayable, Delayable)
        self.assertEqual(delayable.priority, 3)

    def test_context_keys(self):
        keys = self.partner._job_prepare_context_before_enqueue_keys()
        self.assertEqual(
            keys, ("tz", "lang", "allowed_company_ids", "force_company", "active_test")
        )
        record = self.partner.with_context(tz="UTC", other=1)
        context = record._job_prepare_context_before_enqueue()
        self.assertEqual(context.get("tz"), "UTC")
        self.assertNotIn("other", context)

    def test_hook_is_empty(self):
        self.assertEqual(self.partner._job_store_values(None), {})

    def patched(self, context_key=None, job_options=None):
        """Delay each call of `copy` of a partner, for one test."""
        cls = type(self.partner)
        auto_delay = self.partner._patch_job_auto_delay("copy", context_key)
        self.patch(cls, "copy", auto_delay)
        if job_options:
            cls.copy_job_options = lambda self, *args, **kwargs: job_options
            self.addCleanup(delattr, cls, "copy_job_options")
        return auto_delay

    def test_auto_delay(self):
        origin = type(self.partner).copy
        auto_delay = self.patched()
        self.assertIs(auto_delay.origin, origin)
        self.assertEqual(auto_delay.__name__, "copy")
        job = self.partner.copy({"name": "Copy"})
        self.assertIsInstance(job, Job)
        self.assertEqual(job.args, ({"name": "Copy"},))

    def test_auto_delay_runs_in_a_job(self):
        self.patched()
        job = self.partner.copy({"name": "Copy"})
        with self.assertLogs("odoo.addons.queue_job.models.base", "DEBUG") as logs:
            self.assertEqual(job.perform().name, "Copy")
        self.assertIn("not enqueued, res.partner.copy runs now", logs.output[0])

    def test_auto_delay_options(self):
        self.patched(job_options={"priority": 3, "identity_key": "mine"})
        job = self.partner.copy()
        self.assertEqual((job.priority, job.identity_key), (3, "mine"))

    def test_auto_delay_context_key(self):
        self.patched(context_key="auto_delay_copy")
        self.assertEqual(self.partner.copy()._name, "res.partner")
        job = self.partner.with_context(auto_delay_copy=True).copy()
        self.assertIsInstance(job, Job)

    def test_auto_delay_is_switched_off(self):
        self.patched()
        record = self.partner.with_context(queue_job__no_delay=True)
        self.assertEqual(record.copy()._name, "res.partner")
