# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A row of its own for each job, which may be locked while the job row is written.

A worker that keeps a row lock on the job itself would stop everybody who only
wants to reference the job. The lock row takes that part: `Job.lock()` locks it
with SKIP LOCKED, and who finds it locked knows that a worker is alive. Liveness
in this queue is an advisory lock (see `queue_job_signal`); the table stays for the
code and the databases which know it.
"""

from odoo import fields, models


class QueueJobLock(models.Model):
    _name = "queue.job.lock"
    _description = "Queue Job Lock"

    queue_job_id = fields.Many2one(
        comodel_name="queue.job",
        string="Job",
        required=True,
        ondelete="cascade",
        index=True,
    )
