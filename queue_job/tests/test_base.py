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


class TestContext(TransactionCase):
    """What of the context reaches the job."""

    def reached(self, **context):
        """Return the context of a job as a worker loads it, without its uuid."""
        record = self.env["res.partner"].with_context(lang="en_US", **context)
        job = record.with_delay().search([])
        self.env.flush_all()
        found = dict(Job.load(self.env, job.uuid).func.__self__.env.context)
        self.assertEqual(found.pop("job_uuid"), job.uuid)
        return found

    def test_the_keys_of_the_model(self):
        self.assertEqual(self.reached(mine=1), {"lang": "en_US"})

    def test_these_in_addition(self):
        found = self.reached(mine=(1, 2), other=3, queue_job_context_keys=["mine"])
        self.assertEqual(found, {"lang": "en_US", "mine": (1, 2)})
        found = self.reached(mine=1, queue_job_context_keys="mine")
        self.assertEqual(found, {"lang": "en_US", "mine": 1})

    def test_a_value_that_cannot_be_stored(self):
        message = "the key 'mine' of the context"
        with self.assertRaisesRegex(TypeError, message):
            self.reached(mine=object(), queue_job_context_keys=["mine"])

    def test_what_is_no_name(self):
        for names in (5, [5], {"mine": True}):
            with (
                self.subTest(names),
                self.assertRaisesRegex(TypeError, "queue_job_context_keys=.*a list"),
            ):
                self.reached(queue_job_context_keys=names)

    def test_the_whole_context(self):
        found = self.reached(
            mine={"a": [1]},
            never=object(),
            queue_job_keep_context=True,
            queue_job_context_keys=["job_uuid"],
            install_mode=True,
        )
        self.assertEqual(found, {"lang": "en_US", "mine": {"a": [1]}})

    def test_a_call_inside_the_job_is_a_call_of_its_own(self):
        record = self.env["res.partner"].with_context(
            mine=1, queue_job_keep_context=True
        )
        job = Job.load(self.env, record.with_delay().search([]).uuid)
        inner = job.func.__self__.with_delay().search([])
        self.assertNotIn("mine", Job.load(self.env, inner.uuid).env.context)
