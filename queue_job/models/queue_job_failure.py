# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Failures that wait to be told in a digest.

A failing job leaves a row in the transaction which writes its failure; the scheduled
action "Digest of Failed Jobs" takes the rows and sends the messages in one transaction,
so that no failure is lost, or told twice. Rows that were told stay for one period, the
interval of the action: while there is one, the failures of its job function wait. The
first failure after that wakes the action up.
"""

from odoo import api, fields, models

from odoo.addons.base.models.ir_cron import _intervalTypes

from ..claim.claims import UTC_NOW

CRON = "queue_job.ir_cron_failure_digest"

#: Between two messages, whatever fails.
SPACING = {"minutes": 1}

#: Days after which a failure is no news any more, where the action is switched off.
STALE_DAYS = 7

# Are they the first of their job functions? The statement doesn't see its own rows.
NOTE = f"""
INSERT INTO queue_job_failure (job_id, function, exc_name, exc_message, date)
SELECT id, COALESCE(channel_method_name, '<' || model_name || '>.' || method_name),
       exc_name, left(exc_message, 500), {UTC_NOW}
  FROM queue_job
 WHERE id = ANY(%(job_ids)s)
 RETURNING NOT EXISTS (
    SELECT FROM queue_job_failure earlier
     WHERE earlier.function = queue_job_failure.function)
"""

FORGET_TOLD = "DELETE FROM queue_job_failure WHERE told_at <= %(before)s"

LAST_TOLD = "SELECT max(told_at) FROM queue_job_failure WHERE told_at IS NOT NULL"

TAKE = """
UPDATE queue_job_failure
   SET told_at = %(now)s
 WHERE told_at IS NULL
   AND function NOT IN (
       SELECT function FROM queue_job_failure WHERE told_at IS NOT NULL)
"""

NEXT_DUE = """
SELECT min(told.told_at)
  FROM queue_job_failure told
 WHERE told.told_at IS NOT NULL
   AND EXISTS (SELECT FROM queue_job_failure waiting
                WHERE waiting.function = told.function AND waiting.told_at IS NULL)
"""


class QueueJobFailure(models.Model):
    _name = "queue.job.failure"
    _description = "Job Failure to Tell"
    _log_access = False
    _order = "id"
    _rec_name = "function"

    job_id = fields.Many2one(
        comodel_name="queue.job",
        readonly=True,
        required=True,
        ondelete="cascade",
        index=True,
    )
    function = fields.Char(readonly=True, required=True, index=True)
    exc_name = fields.Char(string="Exception", readonly=True)
    exc_message = fields.Char(string="Exception Message", readonly=True)
    date = fields.Datetime(readonly=True, required=True)
    told_at = fields.Datetime(readonly=True)

    _told_idx = models.Index("(told_at) WHERE told_at IS NOT NULL")

    @api.model
    def _note(self, jobs):
        """Keep the failures of these jobs for the digest."""
        if not jobs:
            return
        jobs.flush_recordset()
        self.env.cr.execute(NOTE, {"job_ids": jobs.ids})
        if any(is_first for (is_first,) in self.env.cr.fetchall()):
            self._wake_up()

    @api.model
    def _wake_up(self, at=None):
        cron = self.env.ref(CRON, raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger(at)

    @api.model
    def _period(self):
        """Return how long a job function is quiet after its failures were told."""
        cron = self.env.ref(CRON).sudo()
        return _intervalTypes[cron.interval_type](cron.interval_number)

    @api.model
    def _send_digests(self):
        """Tell the failures that are due, to each user in one message."""
        self.env.flush_all()
        self._retry_mails()
        now = fields.Datetime.now()
        cr = self.env.cr
        period = self._period()
        # the action itself comes a few seconds earlier or later
        before = fields.Datetime.add(now - period, **SPACING)
        cr.execute(FORGET_TOLD, {"before": before})
        cr.execute(LAST_TOLD)
        (last,) = cr.fetchone()
        if last and last > fields.Datetime.subtract(now, **SPACING):
            self._wake_up(fields.Datetime.add(last, **SPACING))
            return
        cr.execute(TAKE, {"now": now})
        if cr.rowcount:
            self._tell(now)
        cr.execute(NEXT_DUE)
        (told_at,) = cr.fetchone()
        if told_at:
            self._wake_up(told_at + period)

    @api.autovacuum
    def _gc_stale(self):
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=STALE_DAYS)
        self.env.cr.execute("DELETE FROM queue_job_failure WHERE date < %s", (limit,))
