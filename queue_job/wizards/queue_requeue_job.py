# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run the selected jobs again."""

from odoo import fields, models


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

    def requeue(self):
        self.job_ids.requeue()
        return {"type": "ir.actions.act_window_close"}
