# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Failures that wait to be told in a digest, and the digest.

A failing job leaves a row in the transaction which writes its failure; the scheduled
action "Digest of Failed Jobs" takes the rows and sends the messages in one transaction,
so that no failure is lost, or told twice. Rows that were told stay for one period, the
interval of the action: while there is one, the failures of its job function wait. The
first failure after that wakes the action up.

The digest is one message for each user who follows one of the jobs. It is a
notification, in the user's inbox or by mail as the user prefers. It tells how many jobs
of which function have failed, and when; who may read jobs is told the first error
message and gets links as well. Arguments and tracebacks stay on the job.
"""

import logging
from itertools import groupby
from operator import itemgetter
from urllib.parse import urlencode

from odoo import api, fields, models
from odoo.tools import format_datetime

from odoo.addons.base.models.ir_cron import _intervalTypes

from ..claim.claims import UTC_NOW
from ..sessions import prepared_statements

_logger = logging.getLogger(__name__)

CRON = "queue_job.ir_cron_failure_digest"

#: Between two messages, whatever fails.
SPACING = {"minutes": 1}

#: Days after which a failure is no news any more, where the action is switched off.
STALE_DAYS = 7

# Are they the first of their job functions? The statement doesn't see its own rows.
NOTE = f"""
INSERT INTO queue_job_failure
       (job_id, function, exc_name, exc_message, date, failure_kind)
SELECT id, COALESCE(channel_method_name, '<' || model_name || '>.' || method_name),
       exc_name, left(exc_message, 500), {UTC_NOW}, failure_kind
  FROM queue_job
 WHERE id = ANY(%(job_ids)s::int[])
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

SUBTYPE = "queue_job.mt_failure_digest"
LINK_PATH = "/odoo/failed-jobs"
LIST_PATH = "/odoo/job-failures"

#: Lines of a message; what has failed most often comes first.
MAX_LINES = 20

#: Days after which a mail that cannot be sent is given up.
MAIL_DAYS = 3
HOPELESS = ("mail_email_invalid", "mail_email_missing")

# Those who follow a failed job; a user hears nothing of other companies, and nobody of
# what their managers ignore. What failed by the ORM has got its kind since.
SUMMARY = """
SELECT summary.*, first.exc_message
  FROM (
    SELECT users.id AS user_id, failure.function, failure.exc_name,
           COALESCE(failure.failure_kind, job.failure_kind) AS kind,
           count(DISTINCT job.id) AS count,
           count(DISTINCT job.id) FILTER (WHERE job.state <> 'failed') AS settled,
           min(failure.date) AS first_date, max(failure.date) AS last_date,
           min(failure.id) AS first_id
      FROM queue_job_failure failure
      JOIN queue_job job ON job.id = failure.job_id
      JOIN mail_followers follower
        ON follower.res_model = 'queue.job' AND follower.res_id = job.id
      JOIN mail_followers_mail_message_subtype_rel wanted
        ON wanted.mail_followers_id = follower.id
       AND wanted.mail_message_subtype_id = %(subtype_id)s
      JOIN res_users users
        ON users.partner_id = follower.partner_id AND users.active
       AND users.share IS NOT TRUE
      LEFT JOIN queue_job_failure_kind kind
        ON kind.fingerprint = COALESCE(failure.failure_kind, job.failure_kind)
       AND kind.company_id IS NOT DISTINCT FROM job.company_id
     WHERE failure.told_at = %(told_at)s AND kind.state IS DISTINCT FROM 'ignored'
       AND (job.company_id IS NULL
            OR EXISTS (SELECT FROM res_company_users_rel allowed
                        WHERE allowed.user_id = users.id
                          AND allowed.cid = job.company_id))
     GROUP BY users.id, failure.function, failure.exc_name,
              COALESCE(failure.failure_kind, job.failure_kind)
  ) AS summary
  JOIN queue_job_failure first ON first.id = summary.first_id
 ORDER BY user_id, count DESC, first_id
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
    failure_kind = fields.Char(string="Kind of Failure", readonly=True)

    _told_idx = models.Index("(told_at) WHERE told_at IS NOT NULL")

    @api.model
    def _note(self, jobs, *, wake_up=False):
        """Keep the failures of these jobs for the digest.

        :param wake_up: another failure, kept already, is the first of its function
        """
        if jobs:
            jobs.flush_recordset()
            prepared_statements.execute(self.env.cr, NOTE, {"job_ids": jobs.ids})
            wake_up |= any(is_first for (is_first,) in self.env.cr.fetchall())
        if wake_up:
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
        self.env["queue.job.failure.kind"]._refresh()
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

    # -- the digest ----------------------------------------------------------------

    @api.model
    def _tell(self, told_at):
        """Send what was taken at this moment to the users who follow the jobs."""
        cr = self.env.cr
        subtype_id = self.env.ref("queue_job.mt_job_failed").id
        cr.execute(SUMMARY, {"told_at": told_at, "subtype_id": subtype_id})
        for user_id, rows in groupby(cr.dictfetchall(), itemgetter("user_id")):
            user = self.env["res.users"].browse(user_id)
            self.with_context(lang=user.lang, tz=user.tz)._tell_user(user, list(rows))

    def _tell_user(self, user, rows):
        count = sum(row["count"] for row in rows)
        may_read = self.env["queue.job"].with_user(user).has_access("read")
        body = self.env["ir.qweb"]._render(
            "queue_job.failure_digest",
            {
                "rows": [self._line(row, may_read) for row in rows[:MAX_LINES]],
                "more": len(rows) - MAX_LINES,
                "may_read": may_read,
                "list_url": self.get_base_url() + LIST_PATH,
            },
        )
        self.env["mail.thread"].message_notify(
            partner_ids=user.partner_id.ids,
            subject=self._subject(count, rows),
            body=body,
            subtype_xmlid=SUBTYPE,
            email_layout_xmlid="mail.mail_notification_light",
        )
        _logger.info("digest of %s failed job(s) sent to user %s", count, user.id)

    def _subject(self, count, rows):
        function = rows[0]["function"]
        if len({row["function"] for row in rows}) > 1:
            return self.env._("%(count)s jobs failed", count=count)
        if count > 1:
            return self.env._(
                "%(count)s jobs of %(function)s failed", count=count, function=function
            )
        return self.env._("A job of %(function)s failed", function=function)

    def _line(self, row, may_read):
        """Return what a user may know of the failures of a row."""
        line = {
            "function": row["function"],
            "count": row["count"],
            "settled": row["settled"],
            "first": format_datetime(self.env, row["first_date"]),
            "last": format_datetime(self.env, row["last_date"]),
        }
        if may_read:
            names = ("function", "exc_name", "kind")
            known = {name: row[name] for name in names if row[name]}
            line.update(
                exc_name=row["exc_name"],
                exc_message=row["exc_message"],
                url=f"{self.get_base_url()}{LINK_PATH}?{urlencode(known)}",
            )
        return line

    @api.model
    def _retry_mails(self):
        """Send the digests again which the mail server did not take."""
        now = fields.Datetime.now()
        mails = self.env["mail.mail"].search(
            [
                ("state", "=", "exception"),
                ("mail_message_id.subtype_id", "=", self.env.ref(SUBTYPE).id),
                ("failure_type", "not in", HOPELESS),
                ("create_date", ">", fields.Datetime.subtract(now, days=MAIL_DAYS)),
            ]
        )
        if mails:
            mails.mark_outgoing()
            self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()
