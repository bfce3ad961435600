# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The dialog of each change of many jobs; this one runs them again.

It shows by state and function which of the jobs change, and why the others are left
out, before anything is written.
"""

from odoo import api, fields, models

from ..core.mass_changes import REQUEUE
from ..core.states import CANCELLED, DONE


class QueueRequeueJob(models.TransientModel):
    _name = "queue.requeue.job"
    _description = "Wizard to requeue a selection of jobs"

    #: The method of `queue.job` that the dialog asks for.
    _job_change = REQUEUE

    job_ids = fields.Many2many(
        comodel_name="queue.job",
        string="Jobs",
        default=lambda self: self._default_job_ids(),
    )
    # {"domain": ...} of the jobs instead of each of them; the domain may be empty.
    matching = fields.Json()
    reason = fields.Char(help="Kept in the messages of each job that changes.")
    run_done = fields.Boolean(
        string="Also run done jobs again",
        help="What they did is done once more.",
    )
    run_cancelled = fields.Boolean(string="Also run cancelled jobs")
    plan = fields.Html(compute="_compute_plan", sanitize=False)

    def _default_job_ids(self):
        context = self.env.context
        if context.get("active_model") != "queue.job":
            return False
        return context.get("active_ids") or False

    @api.depends("job_ids", "matching", "run_done", "run_cancelled")
    def _compute_plan(self):
        for wizard in self:
            wizard.plan = wizard._render_plan()

    def _render_plan(self):
        """Return the tables of what changes and what is left out."""
        jobs = self.env["queue.job"]
        jobs.check_access("read")
        domain = self._jobs_domain()
        return self._render_rows(
            jobs._plan_change(self._job_change, domain, self._again())
        )

    def _render_rows(self, rows):
        """Return the tables of rows (`mass_changes.Row`)."""
        jobs = self.env["queue.job"]
        values = {
            "states": dict(jobs._fields["state"]._description_selection(self.env)),
            "reason": lambda row: jobs._reason_texts(row.holders)[row.reason],
            "changed": [row for row in rows if row.reason is None],
            "left": [row for row in rows if row.reason is not None],
        }
        return self.env["ir.qweb"]._render("queue_job.mass_change_plan", values)

    def _jobs_domain(self):
        if self.matching:
            return self.matching["domain"]
        return [("id", "in", self.job_ids.ids)]

    def _again(self):
        """Return the ended states of which the user says that the jobs run again."""
        chosen = {DONE: self.run_done, CANCELLED: self.run_cancelled}
        return [state for state, wanted in chosen.items() if wanted]

    def requeue(self) -> dict:
        """Run the failed jobs again, ended ones where the user says so.

        :return: the action that closes the dialog, or shows the progress
        """
        return self._change_by_code(REQUEUE)

    def action_change(self) -> dict:
        """Make the change of this dialog.

        :return: the notification of what was changed, or the action that shows the
            progress of very many
        :raise AccessError: the user may not write jobs
        """
        self.ensure_one()
        return self._change(self._job_change)

    def _change(self, change):
        self.job_ids.check_access("write")
        return self.env["queue.job"]._change_many(
            change, self._jobs_domain(), self._again(), self.reason
        )

    def _change_by_code(self, change):
        """Make a change for code, which has no use for the notification."""
        action = self._change(change)
        return action["params"].get("next") or action
