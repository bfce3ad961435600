# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Since when a job might run, and how long it waited for its turn: `core/waits.py`."""

from odoo import api, fields, models

from ..core import waits


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    date_runnable = fields.Datetime(
        string="Runnable Since",
        readonly=True,
        copy=False,
        help="When it came back to the queue, or its last parent ended."
        " Empty for a job that could run from its creation on.",
    )
    wait_time = fields.Float(
        string="Waited (s)",
        compute="_compute_wait_time",
        help="Seconds between the moment the job could run and its start.",
    )

    @api.depends("date_started", *waits.SINCE)
    def _compute_wait_time(self):
        for job in self:
            since = (job[name] for name in waits.SINCE)
            job.wait_time = waits.waited_seconds(job.date_started, *since)
