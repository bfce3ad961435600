# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a downstream addon adds to ``queue.job``: a field and related actions."""

from datetime import timedelta

from odoo import api, fields, models


class QueueJob(models.Model):
    _inherit = "queue.job"

    additional_info = fields.Char(help="Filled through _job_store_values")

    # -- related actions -------------------------------------------------------------

    def testing_related_method(self, **kwargs) -> tuple:
        """Return the job and what the related action was given."""
        return self, kwargs

    def testing_related__none(self, **kwargs) -> None:
        """Related action that opens nothing."""
        return

    def testing_related__url(self, **kwargs) -> dict:
        """Related action that opens a page about the first argument."""
        return {
            "type": "ir.actions.act_url",
            "target": "new",
            "url": kwargs["url"].format(subject=self.args[0]),
        }

    # -- rows as the runner leaves them ----------------------------------------------

    @api.model
    def _create_test_started_job(self, uuid):
        """Create the row of a job that a worker runs."""
        return self._create_test_job(uuid, state="started")

    @api.model
    def _create_test_enqueued_job(self, uuid):
        """Create the row of a job sent to a worker a minute ago."""
        sent = fields.Datetime.now() - timedelta(minutes=1)
        return self._create_test_job(uuid, state="enqueued", date_enqueued=sent)

    @api.model
    def _create_test_job(self, uuid, **values):
        with_sentinel = self.with_context(_job_edit_sentinel=self.EDIT_SENTINEL)
        return with_sentinel.create(
            {
                "uuid": uuid,
                "model_name": "queue.job",
                "method_name": "write",
                **values,
            }
        )
