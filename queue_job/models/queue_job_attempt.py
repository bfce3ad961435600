# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The attempts of a job that did not end well.

Each one that was postponed, failed, lost its worker or was stopped leaves a row.
The attempt which succeeds leaves none: it is on the job itself, and most jobs need
no other.
"""

from odoo import fields, models


class QueueJobAttempt(models.Model):
    _name = "queue.job.attempt"
    _description = "Job Attempt"
    _log_access = False
    _order = "job_id, number, id"
    _rec_name = "number"

    job_id = fields.Many2one(
        comodel_name="queue.job",
        readonly=True,
        required=True,
        ondelete="cascade",
        index=True,
    )
    number = fields.Integer(string="Attempt", readonly=True)
    date_start = fields.Datetime(string="Start Date", readonly=True)
    date_end = fields.Datetime(string="End Date", readonly=True)
    worker_host = fields.Char(readonly=True)
    worker_pid = fields.Integer(string="Worker PID", readonly=True)
    outcome = fields.Selection(
        selection=[
            ("done", "Done"),
            ("postponed", "Postponed"),
            ("failed", "Failed"),
            ("conflict", "Concurrent Update"),
            ("dead", "Worker Lost"),
            ("timeout", "Timed Out"),
            ("cancelled", "Cancelled"),
            ("returned", "Returned"),
        ],
        readonly=True,
    )
    exc_name = fields.Char(string="Exception", readonly=True)
    message = fields.Text(readonly=True)
