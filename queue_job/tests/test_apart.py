# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that exist even if their caller rolls back, in real transactions."""

from unittest import mock

from odoo.tests import TransactionCase, tagged

from odoo.addons.queue_job.exception import JobError
from odoo.addons.queue_job.job import Job

from .common import trap_jobs

APART = "odoo.addons.queue_job.enqueue.apart"


@tagged("post_install", "-at_install")
class TestApart(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env.user.partner_id

    def setUp(self):
        super().setUp()
        self.patch(self.module(), "config", {"test_enable": False})
        self.patch(self.module(), "LOCK_SECONDS", 1)
        self.addCleanup(self.delete_jobs)

    def module(self):
        return __import__(APART, fromlist=["config"])

    def delete_jobs(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE channel = 'root.apart'")

    def delay(self, records=None, **options):
        if records is None:
            records = self.partner
        return records.with_delay_apart(channel="root.apart", **options)

    def committed(self, uuid):
        """Return the job as other transactions see it, a value of each column."""
        with self.registry.cursor() as cr:
            job = Job.load(self.env(cr=cr), uuid)
            return job.state, job.args, dict(job.recordset.env.context)

    def test_it_is_committed(self):
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            uuid = self.delay().write({"ref": self.partner})
            raise ZeroDivisionError
        state, args, context = self.committed(uuid)
        self.assertEqual((state, args), ("pending", ({"ref": self.partner},)))
        self.assertEqual(context, {})

    def test_the_present_transaction_goes_on(self):
        self.partner.ref = "mine"
        self.delay().write({})
        self.assertEqual(self.partner.ref, "mine")
        with self.registry.cursor() as cr:
            self.assertNotEqual(self.partner.with_env(self.env(cr=cr)).ref, "mine")

    def test_what_is_not_committed_is_refused(self):
        new = self.env["res.partner"].create({"name": "New"})
        for call in (
            lambda: self.delay(new).write({}),
            lambda: self.delay().write({"parent_id": [new]}),
        ):
            with self.assertRaisesRegex(ValueError, "is not committed.*pass the val"):
                call()
        with self.assertRaisesRegex(TypeError, "is not saved"):
            self.delay(self.env["res.partner"].new()).write({})

    def test_a_key_of_the_present_transaction(self):
        self.partner.with_delay(channel="root.apart", identity_key="key").write({})
        with self.assertRaisesRegex(JobError, "holds a lock .*identity key"):
            self.delay(identity_key="key").write({})

    def test_a_key_of_a_committed_job(self):
        first = self.delay(identity_key="key").write({})
        self.assertEqual(self.delay(identity_key="key").write({}), first)

    def test_unknown_options(self):
        with self.assertRaisesRegex(TypeError, "with_delay_apart.*'colour'"):
            self.delay(colour="red")

    def test_where_jobs_run_at_once(self):
        partner = self.partner.with_context(queue_job__no_delay=True)
        found = []

        def testing(partner):
            found.append(partner.env.cr)

        testing.__name__ = "testing"
        model = type(self.partner)
        with mock.patch.object(model, "testing", testing, create=True):
            self.delay(partner).testing()
        self.assertIsNot(found[0], self.env.cr)

    def test_trapped(self):
        with trap_jobs() as trap:
            self.delay().write({"ref": "x"})
        trap.assert_enqueued_job(self.partner.write, args=({"ref": "x"},))


class TestApartInTests(TransactionCase):
    def test_it_is_in_the_only_transaction(self):
        uuid = self.env.user.partner_id.with_delay_apart().write({})
        self.assertEqual(Job.load(self.env, uuid).state, "pending")
