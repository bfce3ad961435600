# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs have done since ever, summed up by job function and channel.

The runner adds to these rows in the statement that writes the statistics of a minute.
They are what monitoring reads: they only grow, while the rows of the minutes are
deleted after a month, and there are few of them.
"""

from odoo import fields, models

# The ORM has no arrays; the columns are read and written by SQL only.
ADD_HISTOGRAMS = """
ALTER TABLE queue_job_total
  ADD COLUMN IF NOT EXISTS run_histogram bigint[],
  ADD COLUMN IF NOT EXISTS wait_histogram bigint[]
"""


class QueueJobTotal(models.Model):
    _name = "queue.job.total"
    _description = "Job Totals"
    _log_access = False
    _order = "function, channel"
    _rec_name = "function"

    function = fields.Char(required=True, readonly=True)
    channel = fields.Char(required=True, readonly=True)
    # Floats hold whole numbers up to 2**53: an integer column would end at 2**31.
    done = fields.Float(readonly=True, default=0)
    failed = fields.Float(readonly=True, default=0)
    retried = fields.Float(readonly=True, default=0)
    cancelled = fields.Float(readonly=True, default=0)
    dead = fields.Float(
        readonly=True, default=0, help="Attempts whose worker died while it ran them."
    )
    run_seconds = fields.Float(readonly=True, default=0)
    wait_seconds = fields.Float(readonly=True, default=0)

    _function_channel_uniq = models.UniqueIndex("(function, channel)")

    def init(self):
        self.env.cr.execute(ADD_HISTOGRAMS)
