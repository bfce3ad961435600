# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The digest of failed jobs: one message for each user who follows one of them.

It is a notification, in the user's inbox or by mail as the user prefers. It tells how
many jobs of which function have failed, and when; who may read jobs is told the first
error message and gets links as well. Arguments and tracebacks stay on the job.
"""

import logging
from itertools import groupby
from operator import itemgetter
from urllib.parse import urlencode

from odoo import api, fields, models
from odoo.tools import format_datetime

_logger = logging.getLogger(__name__)

SUBTYPE = "queue_job.mt_failure_digest"
LIST_PATH = "/odoo/failed-jobs"

#: Lines of a message; what has failed most often comes first.
MAX_LINES = 20

#: Days after which a mail that cannot be sent is given up.
MAIL_DAYS = 3
HOPELESS = ("mail_email_invalid", "mail_email_missing")

# Those who follow a failed job; a user hears nothing of other companies.
SUMMARY = """
SELECT summary.*, first.exc_message
  FROM (
    SELECT users.id AS user_id, failure.function, failure.exc_name,
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
     WHERE failure.told_at = %(told_at)s
       AND (job.company_id IS NULL
            OR EXISTS (SELECT FROM res_company_users_rel allowed
                        WHERE allowed.user_id = users.id
                          AND allowed.cid = job.company_id))
     GROUP BY users.id, failure.function, failure.exc_name
  ) AS summary
  JOIN queue_job_failure first ON first.id = summary.first_id
 ORDER BY user_id, count DESC, first_id
"""


class QueueJobFailure(models.Model):
    _inherit = "queue.job.failure"

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
            known = {key: row[key] for key in ("function", "exc_name") if row[key]}
            line.update(
                exc_name=row["exc_name"],
                exc_message=row["exc_message"],
                url=f"{self.get_base_url()}{LIST_PATH}?{urlencode(known)}",
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
