# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Undo changes of the journal: jobs that nobody has touched since go back."""

from odoo import fields, models


class UndoChange(models.TransientModel):
    _name = "queue.jobs.to.undo"
    _description = "Undo a change of jobs"

    journal_ids = fields.Many2many("queue.job.journal", string="Changes")
    reason = fields.Char(help="Kept in the journal.")
    plan = fields.Html(compute="_compute_plan", sanitize=False)

    def _compute_plan(self):
        requeue = self.env["queue.requeue.job"]
        for wizard in self:
            wizard.plan = requeue._render_rows(wizard.journal_ids._undo_plan())

    def action_change(self) -> dict:
        """Undo the changes.

        :return: the notification of what went back, or the action that shows the
            progress of very many
        :raise AccessError: the user may not write jobs, or read the changes
        """
        self.ensure_one()
        return self.journal_ids._undo(self.reason)
