# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How far jobs are: what they report, and where their interrupted loops go on.

Jobs call `self.env["queue.job"].report_progress(...)`. `reporting` writes the row that
is shown, one for each job, over a connection of its own: users see it while the job
runs.

A loop with a `resume_key` keeps its position in a row with that key (see `iteration`).
The job writes it in its own transaction, so that the position is committed or undone
together with the work. These rows are archived: searches find what is shown.

None of this is a column of the job, and the two kinds never share a row. Transactions
of Odoo are REPEATABLE READ: a row that two of them write makes the second one fail. So
nobody but its worker writes the row of a started job, and requests to stop it are rows
of `queue.job.signal`.
"""

from odoo import api, fields, models

from ..progress import reporting

#: The context of a job may ask for archived records as well.
SHOWN = [("active", "=", True)]


class QueueJobProgress(models.Model):
    _name = "queue.job.progress"
    _description = "Job Progress"
    _log_access = False
    _rec_name = "message"

    job_id = fields.Many2one(
        comodel_name="queue.job", required=True, readonly=True, ondelete="cascade"
    )
    key = fields.Char(readonly=True, help="Name of the loop; empty in what is shown.")
    active = fields.Boolean(default=True, readonly=True)
    value = fields.Float(readonly=True)
    valuemin = fields.Float(string="From", readonly=True)
    valuemax = fields.Float(string="To", readonly=True)
    percent = fields.Float(readonly=True)
    message = fields.Char(readonly=True)
    status = fields.Char(readonly=True)
    stage = fields.Char(readonly=True)
    date = fields.Datetime(readonly=True)

    _job_uniq = models.UniqueIndex("(job_id) WHERE key IS NULL")
    # also the one by which PostgreSQL finds the rows of a deleted job
    _job_key_uniq = models.UniqueIndex("(job_id, key)")


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    progress = fields.Float(
        string="Progress (%)", compute="_compute_progress", aggregator=False
    )
    progress_message = fields.Char(compute="_compute_progress")

    @api.depends("state")
    def _compute_progress(self):
        rows = self._present_progress()
        for job in self:
            row = rows.get(job.id)
            job.progress = 100 if job.state == "done" else row.percent if row else 0
            job.progress_message = row.message if row else False

    def _present_progress(self):
        """Return {id of a job: its row}; what earlier attempts said is left out."""
        progress = self.env["queue.job.progress"].sudo()
        began = {job.id: job.date_started for job in self}
        return {
            row.job_id.id: row
            for row in progress.search([("job_id", "in", self.ids), *SHOWN])
            if row.date and began[row.job_id.id] and row.date >= began[row.job_id.id]
        }

    @api.model
    @api.private
    def report_progress(
        self,
        message=None,
        progress=None,
        valuemin=None,
        valuemax=None,
        status=None,
        stage=None,
    ) -> None:
        """Tell how far the job is in which this is called; outside of jobs, nothing.

        May be called as often as you like: a few reports a second are sent, the last
        one always. What is left out stays as it was.

        :param message: what is being done, for the user
        :param progress: how far, from `valuemin` to `valuemax`; it never goes back
        :param valuemin: lower bound, with `valuemax` or not at all; default 0
        :param valuemax: upper bound; default 100
        :param status: a word for whoever listens to the messages
        :param stage: name of the part of the work; each begins its bar again
        :raise JobCancelled: somebody has asked to cancel the job
        :raise JobTimeout: the time of the job is over
        """
        reporting.report(
            self.env,
            message=message,
            progress=progress,
            valuemin=valuemin,
            valuemax=valuemax,
            status=status,
            stage=stage,
        )
