# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run the selected jobs again."""

from odoo import fields, models

from ..models.queue_job_actions import BACKGROUND_FROM


class QueueRequeueJob(models.TransientModel):
    _name = "queue.requeue.job"
    _description = "Wizard to requeue a selection of jobs"

    job_ids = fields.Many2many(
        comodel_name="queue.job",
        string="Jobs",
        default=lambda self: self._default_job_ids(),
    )

    def _default_job_ids(self):
        context = self.env.context
        if context.get("active_model") != "queue.job":
            return False
        return context.get("active_ids") or False

    def requeue(self) -> dict:
        """Run the selected jobs again.

        :return: the action that closes the dialog, or shows the progress
        """
        return self._change("requeue")

    def _change(self, change):
        """Change the selected jobs, very many of them in the background."""
        if len(self.job_ids) >= BACKGROUND_FROM:
            return self.job_ids._change_many(change)
        getattr(self.job_ids, change)()
        return {"type": "ir.actions.act_window_close"}
