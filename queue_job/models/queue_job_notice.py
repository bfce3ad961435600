# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Notices of the end of jobs: each is told once, in one of three ways.

`settle.end_notice` leaves a row in the transaction that ends the job, and a message on
the bus with its id. Whoever deletes the row tells it:

1. a web client that the user looks at: it has heard of the notice by the bus, or with
   the number of the user's open jobs (`queue.job.mine`), and shows a toast;
2. the dialog that waits for the job, with what comes after the job;
3. the scheduled action "Ends of Jobs", when nobody has claimed the notice for two
   minutes: in Odoo's inbox or by mail, as the user prefers.
"""

import logging

import psycopg2
from markupsafe import Markup

from odoo import api, fields, models

from ..settle.end_notice import CRON, PATIENCE

_logger = logging.getLogger(__name__)

#: Days after which an end is no news any more, where the action is switched off.
STALE_DAYS = 7

#: Notices of one run of the action.
MOST = 500

_COLUMNS = """
    id, partner_id, uuid, name, state, error,
    (SELECT id FROM queue_job job WHERE job.uuid = queue_job_notice.uuid) AS job_id
"""

CLAIM = f"""
DELETE FROM queue_job_notice
 WHERE partner_id = %(partner_id)s AND (id = ANY(%(ids)s) OR uuid = %(uuid)s)
RETURNING {_COLUMNS}
"""

# What a client claims at this moment is told by the client.
TAKE = f"""
DELETE FROM queue_job_notice
 WHERE id IN (SELECT id FROM queue_job_notice
               WHERE date <= %(before)s
               ORDER BY id LIMIT %(limit)s
                 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""

NEXT = "SELECT min(date) FROM queue_job_notice"


class QueueJobNotice(models.Model):
    _name = "queue.job.notice"
    _description = "End of a Job to Tell"
    _log_access = False
    _order = "id"

    partner_id = fields.Many2one(
        comodel_name="res.partner",
        required=True,
        readonly=True,
        ondelete="cascade",
        index=True,
    )
    uuid = fields.Char(string="Job UUID", required=True, readonly=True)
    name = fields.Char(string="Description", readonly=True)
    state = fields.Char(required=True, readonly=True)
    error = fields.Char(readonly=True)
    awaited = fields.Boolean(readonly=True)  # only who waits for it wants to know
    date = fields.Datetime(required=True, readonly=True)

    @api.model
    def _claim(self, user, ids, uuid) -> list[dict]:
        """Forget notices of the user, who is told them now."""
        ids = [int(each) for each in ids or ()]
        values = {"ids": ids, "uuid": str(uuid or ""), "partner_id": user.partner_id.id}
        self.env.cr.execute(CLAIM, values)
        return [
            {name: value for name, value in row.items() if name != "partner_id"}
            for row in self.env.cr.dictfetchall()
        ]

    # -- away ----------------------------------------------------------------------

    @api.model
    def _tell_the_absent(self) -> None:
        """Send what no client has told, to each partner in one message."""
        now = fields.Datetime.now()
        before = fields.Datetime.subtract(now, seconds=PATIENCE)
        self.env.cr.execute(TAKE, {"before": before, "limit": MOST})
        rows_of: dict[int, list[dict]] = {}
        for row in self.env.cr.dictfetchall():
            rows_of.setdefault(row["partner_id"], []).append(row)
        for partner in self.env["res.partner"].browse(rows_of):
            told = self.with_context(lang=partner.lang)
            try:
                with self.env.cr.savepoint():
                    told._tell(partner, rows_of[partner.id])
            except psycopg2.OperationalError:
                raise  # all is rolled back, and told by the next run
            except Exception:  # the others are told nevertheless
                uuids = ", ".join(row["uuid"] for row in rows_of[partner.id])
                _logger.exception(
                    "%s: partner %s was not told that these jobs have ended: %s",
                    self.env.cr.dbname,
                    partner.id,
                    uuids,
                )
        self.env.cr.execute(NEXT)
        (date,) = self.env.cr.fetchone()
        if date:
            due = fields.Datetime.add(date, seconds=PATIENCE)
            self.env.ref(CRON).sudo()._trigger(max(due, now))

    def _tell(self, partner, rows):
        lines = [(self._text(row), row["error"]) for row in rows]
        subject = lines[0][0]
        if len(rows) > 1:
            subject = self.env._("%s jobs have ended", len(rows))
        items = Markup().join(
            Markup("<li>%s%s</li>") % (text, Markup("<br/>%s") % error if error else "")
            for text, error in lines
        )
        link = Markup('<p><a href="%s">%s</a></p>') % (
            self._my_jobs_url(partner),
            self.env._("My Jobs"),
        )
        self.env["mail.thread"].message_notify(
            partner_ids=partner.ids,
            subject=subject,
            body=Markup("<ul>%s</ul>") % items + link,
            email_layout_xmlid="mail.mail_notification_light",
        )
        _logger.info("%s end(s) of jobs told to partner %s", len(rows), partner.id)

    def _text(self, row):
        texts = {
            "done": self.env._("Done: %s", row["name"]),
            "failed": self.env._("Failed: %s", row["name"]),
            "cancelled": self.env._("Cancelled: %s", row["name"]),
        }
        return texts[row["state"]]

    @api.model
    def _my_jobs_url(self, partner):
        """Return where the partner sees the jobs; there is a portal in other addons."""
        return f"{self.get_base_url()}/odoo/my-jobs"

    @api.autovacuum
    def _gc_stale(self):
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=STALE_DAYS)
        self.env.cr.execute("DELETE FROM queue_job_notice WHERE date < %s", (limit,))
