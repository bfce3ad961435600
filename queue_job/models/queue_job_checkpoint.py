# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where interrupted loops go on: see `iteration`.

The rows are written by the job itself, in its own transaction, so that the position
is as true as the work is kept.
"""

from odoo import fields, models


class QueueJobCheckpoint(models.Model):
    _name = "queue.job.checkpoint"
    _description = "Job Checkpoint"
    _log_access = False
    _rec_name = "key"

    job_id = fields.Many2one(
        comodel_name="queue.job", required=True, readonly=True, ondelete="cascade"
    )
    key = fields.Char(required=True, readonly=True, help="Name of the loop.")
    position = fields.Integer(readonly=True, help="Items that are done.")

    _job_key_uniq = models.UniqueIndex("(job_id, key)")
