# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What hostile jobs do to their own row, their owner, and the queue."""

from odoo import models

WRITES = {
    "pending": "UPDATE queue_job SET state = 'pending' WHERE uuid = %s",
    "token": "UPDATE queue_job SET claim_token = claim_token + 1 WHERE uuid = %s",
    "deleted": "DELETE FROM queue_job WHERE uuid = %s",
}


class TestQueueJobHostileRow(models.AbstractModel):
    _name = "test.queue.job.hostile.row"
    _description = "What hostile jobs do to their row and the queue"

    # -- its own row ---------------------------------------------------------------

    def _do_write_own(self, values):
        self._work()
        job = self._own_job()
        job.with_context(_job_edit_sentinel=job.EDIT_SENTINEL).write(values)

    def _do_write_own_by_sql(self, what):
        self._work()
        self.env.cr.execute(WRITES[what], [self.env.context["job_uuid"]])

    def _do_unlink_own(self):
        self._work()
        self._own_job().unlink()

    def _do_change_own(self, method):
        """Press a button of its own form."""
        self._work()
        getattr(self._own_job(), method)()

    # -- its owner -----------------------------------------------------------------

    def _do_unlink_user(self):
        self._work()
        self.env.user.sudo().unlink()

    def _do_archive_user(self):
        self._work()
        self.env.user.sudo().active = False

    def _do_unlink_company(self):
        self._work()
        self._own_job().company_id.unlink()

    # -- the queue -----------------------------------------------------------------

    def _do_enqueue(self, channel, **options):
        """Enqueue a job that leaves an effect of this one, twice."""
        self._work()
        path = self.env.context["journal"]
        partner = self.env["res.partner"].browse(self.env.context["partner_id"])
        arguments = {"job_uuid": self.env.context["job_uuid"]}
        for _number in range(2):
            delayed = self.with_delay(channel=channel, **options)
            delayed._plain(path, "work_for_parent", arguments, partner)

    def _do_work_for_parent(self, job_uuid):
        self._work("child", job_uuid=job_uuid)

    def _do_work(self):
        self._work()
