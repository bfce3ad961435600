# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When things happened to a job, and how long they took.

Since when it might run, and how long it waited for its turn: `core/waits.py`. A failed
job has no end of its own: its last attempt has.
"""

from odoo import api, fields, models

from ..core import waits
from ..core.states import DONE, FAILED
from ..storage.odd_rows import readable

LAST_ATTEMPTS = f"""
SELECT DISTINCT ON (job_id) job_id, {readable("date_start")}, {readable("date_end")}
  FROM queue_job_attempt
 WHERE job_id = ANY(%s) AND date_end IS NOT NULL
 ORDER BY job_id, id DESC
"""


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
    run_time = fields.Float(
        string="Ran (s)",
        compute="_compute_run_time",
        help="Seconds that the last attempt of a done or failed job took.",
    )

    @api.depends("date_started", *waits.SINCE)
    def _compute_wait_time(self):
        for job in self:
            since = (job[name] for name in waits.SINCE)
            job.wait_time = waits.waited_seconds(job.date_started, *since)

    @api.depends("state", "exec_time", "attempt_ids")
    def _compute_run_time(self):
        attempts = self.filtered(lambda job: job.state == FAILED)._last_attempts()
        for job in self:
            start, end = attempts.get(job._origin.id, (None, None))
            job.run_time = waits.seconds_between(start, end)
            if job.state == DONE:
                job.run_time = job.exec_time

    def _last_attempts(self):
        """Return {id: (start, end)} of the last attempt of each job that has one."""
        if not self:
            return {}
        self.env["queue.job.attempt"].flush_model()
        self.env.cr.execute(LAST_ATTEMPTS, (self._origin.ids,))
        return {row[0]: row[1:] for row in self.env.cr.fetchall()}
