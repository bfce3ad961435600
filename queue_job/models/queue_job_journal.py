# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The journal: who changed jobs, channels and job functions, when, and why.

One row is one change by a user, of however many jobs of a company; the parts of a
large change, which are committed one by one, add to the same row. What data files and
the queue itself write is not in it. Nobody edits it. Its rows are kept as long as the
jobs.
"""

from collections import Counter
from typing import NamedTuple

from odoo import api, fields, models

#: Days that a row is kept, where no channel keeps its jobs longer.
KEEP_DAYS = 31

#: Jobs of a change that can be listed; of a larger one, the first.
LISTED = 1000

#: Job functions that are named in a row.
NAMED = 5

#: Those that can be undone while nothing has built on them.
UNDOABLE = ("set_done", "cancel")

#: The key of the context that joins the parts of a change, and what it holds.
PART_OF = "queue_job_change"


class PartOf(NamedTuple):
    """Of which change something is a part; an object, so that no RPC can forge it.

    :param key: the same for all parts
    :param reason: that the user has given
    :param details: what else stands in the row
    """

    key: str | None = None
    reason: str | None = None
    details: str | None = None


ACTIONS = [
    ("requeue", "Requeued"),
    ("set_done", "Set to done"),
    ("cancel", "Cancelled"),
    ("undo", "Undone"),
    ("delete", "Deleted"),
    ("create", "Created"),
    ("change", "Changed"),
    ("pause", "Paused"),
    ("resume", "Resumed"),
]


class QueueJobJournal(models.Model):
    _name = "queue.job.journal"
    _description = "Job Queue Journal"
    _log_access = False
    _order = "date DESC, id DESC"
    _rec_name = "subject"

    date = fields.Datetime(readonly=True, required=True, index=True)
    user_id = fields.Many2one("res.users", readonly=True, ondelete="set null")
    action = fields.Selection(ACTIONS, readonly=True, required=True)
    kind = fields.Selection(
        [("job", "Jobs"), ("channel", "Channel"), ("function", "Job Function")],
        string="What",
        readonly=True,
        required=True,
    )
    subject = fields.Char(
        readonly=True, help="The job functions, or the name of what was changed."
    )
    job_count = fields.Integer(string="Jobs", readonly=True, aggregator="sum")
    details = fields.Char(readonly=True, help="What was there before and after.")
    reason = fields.Char(readonly=True)
    company_id = fields.Many2one("res.company", readonly=True, ondelete="set null")
    functions = fields.Json(readonly=True)  # {job function: jobs}
    listed = fields.Json(readonly=True)  # ids of jobs
    change = fields.Char(readonly=True, index="btree_not_null")  # of which it is a part

    # -- writing -------------------------------------------------------------------

    @api.model
    def _add_missing_default_values(self, values) -> dict:
        """What a row says comes from the code alone, not from a caller's context."""
        return values

    @api.model
    def _add_jobs(self, action, jobs, date=None):
        """Note a change of jobs by the user of the environment.

        :param action: a key of `ACTIONS`
        :param jobs: that will be changed
        :param date: the date of their end that the change will write, if it does
        :return: the rows of the journal
        """
        rows = self.sudo().browse()
        for company, part in jobs.sudo().grouped("company_id").items():
            row = self._row_of(action, company)
            rows += row
            if action in UNDOABLE:
                self.env["queue.job.undo"]._keep(row, part, date)
            counts = Counter(row.functions or {})
            counts.update(Counter(job.channel_method_name or "" for job in part))
            row.write(
                {
                    "job_count": row.job_count + len(part),
                    "functions": dict(counts),
                    "subject": self._names_of(counts),
                    "listed": [*(row.listed or []), *part.ids][:LISTED],
                }
            )
        return rows

    def _keep_followers(self, job_ids):
        """Keep, for an undo, jobs that were cancelled in the course of this change."""
        if job_ids:
            self.env["queue.job.undo"]._keep_followers(self[:1], job_ids)

    def _row_of(self, action, company):
        """Return the row to which a part of a change is added, or a new one."""
        part_of = self.env.context.get(PART_OF)
        if not isinstance(part_of, PartOf):  # RPC can send no object
            part_of = PartOf()
        key = part_of.key
        values = {"change": key, "action": action, "company_id": company.id}
        values["user_id"] = self.env.uid  # a key may have been read from another's row
        rows = self.sudo()
        row = rows.search(
            [(name, "=", value) for name, value in values.items()], limit=1
        )
        if key and row:
            return row
        told = {"reason": part_of.reason, "details": part_of.details}
        values.update(self._signed(action), kind="job", job_count=0, **told)
        return rows.create(values)

    @api.model
    def _names_of(self, counts):
        """Return the most frequent job functions, as a text."""
        named = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        text = ", ".join(f"{name} ({count})" for name, count in named[:NAMED])
        if len(named) > NAMED:
            return self.env._(
                "%(named)s and %(more)s more", named=text, more=len(named) - NAMED
            )
        return text

    @api.model
    def _signed(self, action):
        return {
            "date": fields.Datetime.now(),
            "user_id": self.env.uid,
            "action": action,
        }

    # -- reading -------------------------------------------------------------------

    def action_open_jobs(self) -> dict:
        """Return the action that lists the jobs of a change, those that are left.

        :raise AccessError: the user may not read the row
        """
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {**action, "domain": [("id", "in", self.listed or [])], "context": {}}

    @api.autovacuum
    def _gc_journal(self):
        ((done, failed),) = self.env["queue.job.channel"]._read_group(
            [], aggregates=["removal_interval:max", "failed_removal_interval:max"]
        )
        days = max(KEEP_DAYS, done or 0, failed or 0)
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=days)
        self.search([("date", "<", limit)]).unlink()
