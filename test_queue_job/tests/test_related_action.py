# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The button which opens what a job is about."""

from odoo.exceptions import UserError

from odoo.addons.queue_job.job import Job

from .common import JobCommonCase


class TestRelatedAction(JobCommonCase):
    def stored(self, method, *args):
        job = Job(method, args=args)
        job.store()
        self.env.flush_all()
        return job

    def test_switched_off(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__no)
        self.assertIsNone(job.related_action())
        with self.assertRaisesRegex(UserError, "No action available for this job"):
            job.db_record().open_related_action()

    def test_method_that_returns_none(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__return_none)
        self.assertIsNone(job.related_action())

    def test_own_method(self):
        job = self.stored(self.method)
        self.assertEqual(job.related_action(), (job.db_record(), {}))

    def test_keyword_arguments(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__kwargs)
        self.assertEqual(job.related_action(), (job.db_record(), {"b": 4}))

    def test_stored_arguments(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__store, "Discworld")
        self.assertEqual(
            job.db_record().open_related_action(),
            {
                "type": "ir.actions.act_url",
                "target": "new",
                "url": "https://en.wikipedia.org/wiki/Discworld",
            },
        )

    def test_default_opens_the_record(self):
        record = self.env["test.queue.job"].create({"name": "x"})
        job = self.stored(record.no_description)
        self.assertEqual(
            job.related_action(),
            {
                "name": "Related Record",
                "type": "ir.actions.act_window",
                "view_mode": "form",
                "res_model": "test.queue.job",
                "res_id": record.id,
            },
        )

    def test_default_opens_the_list(self):
        records = self.env["test.queue.job"].create([{"name": "x"}, {"name": "y"}])
        job = self.stored(records.no_description)
        self.assertEqual(
            job.related_action(),
            {
                "name": "Related Records",
                "type": "ir.actions.act_window",
                "view_mode": "list,form",
                "res_model": "test.queue.job",
                "domain": [("id", "in", records.ids)],
            },
        )

    def test_default_without_record(self):
        record = self.env["test.queue.job"].create({"name": "x"})
        job = self.stored(record.no_description)
        record.unlink()
        self.assertIsNone(job.related_action())
        self.assertIsNone(
            self.stored(self.env["test.queue.job"].no_description).related_action()
        )
