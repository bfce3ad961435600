# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Undo of a change in the journal: the jobs that nobody has touched since go back.

It is asked for like the change itself: the dialog shows what will go back, and why the
rest will not; very many are left to a job, in parts; it stands in the journal.
"""

from collections import Counter
from uuid import uuid4

from odoo import Command, api, fields, models

from ..core.mass_changes import Row
from ..core.undo import NOT_KEPT
from . import queue_job_actions
from .queue_job_journal import PART_OF, UNDOABLE, PartOf
from .queue_job_undo import ENDLESS, KEPT_JOBS

RELOAD = {"type": "ir.actions.client", "tag": "soft_reload"}


# pylint: disable=consider-merging-classes-inherited
class QueueJobJournal(models.Model):
    _inherit = "queue.job.journal"

    undone_count = fields.Integer(string="Put Back", readonly=True, aggregator="sum")
    can_undo = fields.Boolean(compute="_compute_can_undo")

    def _compute_can_undo(self):
        kept = self._undoable()
        for row in self:
            row.can_undo = row in kept

    def _undoable(self):
        """Return the changes of which some jobs may go back."""
        rows = self.filtered(lambda row: row.action in UNDOABLE)
        return self.env["queue.job.undo"]._with_rows(rows)

    def action_undo(self) -> dict:
        """Ask whether to undo changes. Nothing changes before the answer.

        :return: the action that opens the dialog
        :raise AccessError: the user may not write jobs, or read the rows
        """
        self._check_undo()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_undo_change"
        )
        values = {"journal_ids": [Command.set(self.ids)]}
        wizard = self.env[action["res_model"]].create(values)
        return {**action, "res_id": wizard.id}

    @api.model
    def undo_change(self, change) -> dict:
        """Undo a change that the user has just made, all of its rows.

        :param change: its key, as the notification of the change has it
        :return: the notification of what went back, or the action that shows the
            progress of very many
        :raise AccessError: the user may not write jobs
        """
        domain = [("change", "=", change), ("user_id", "=", self.env.uid)]
        rows = self.search(domain) if change else self.browse()
        action = rows._undo()
        if action["tag"] == "display_notification":
            action["params"]["next"] = RELOAD  # of the view below the notification
        return action

    def _check_undo(self):
        self.env["queue.job"].check_access("write")
        self.check_access("read")

    def _undo(self, reason=None):
        """Undo these changes, and return the action that says what went back.

        :param reason: why, as the user says it; kept in the journal
        """
        self._check_undo()
        rows = self._undoable()
        jobs = self.env["queue.job"]
        changed = jobs.browse(self.env["queue.job.undo"]._job_ids(rows))
        choices = {"reason": reason or "", "key": uuid4().hex}
        if len(changed) < queue_job_actions.BACKGROUND_FROM:
            return rows._undo_told(rows._undo_part(0, ENDLESS, choices))
        ranges = changed._ranges()
        if not jobs._queue_runs():
            return rows._undo_ranges(ranges, choices)
        text = self.env._("Undo of a change of %s jobs", len(changed))
        job = rows.with_delay(**jobs._background_options(text))
        job = job._undo_ranges(ranges, choices)
        return jobs._wait_for_change(job, len(changed), jobs._told_stopped())

    def _undo_ranges(self, ranges, choices):
        """Put jobs back, range of ids by range, each committed by itself."""
        counts = self.env["queue.job"]._in_parts(
            ranges, lambda first, end: self._undo_part(first, end, choices)
        )
        return self._undo_told(counts)

    def _undo_told(self, counts):
        text = self.env._("%s job(s) put back.", counts["changed"])
        left = {NOT_KEPT: self._not_kept()}
        return self.env["queue.job"]._told(text, counts, left)

    def _not_kept(self):
        return sum(max(0, count - KEPT_JOBS) for count in self.mapped("job_count"))

    def _undo_part(self, first, end, choices):
        """Put back the jobs from an id on, and before another.

        :return: {"changed" or the reason of what was left out: jobs}
        """
        table = self.env["queue.job.undo"].sudo()
        jobs = self.env["queue.job"].browse(table._job_ids(self, first, end))
        kept = table._judge(self, jobs, lock=True)
        back = [row for row in kept if row.reason is None]
        details = self._details_of_undo()
        part_of = PartOf(choices["key"], choices["reason"], details)
        jobs = jobs.sudo().browse(row.job_id for row in back)
        if jobs:
            self.with_context(**{PART_OF: part_of})._add_jobs("undo", jobs)
            self._count_undone(back)
            jobs._put_back(back)
        return Counter(row.reason or "changed" for row in kept)

    def _count_undone(self, back):
        for journal_id, count in Counter(row.journal_id for row in back).items():
            row = self.sudo().browse(journal_id)
            row.undone_count += count

    def _details_of_undo(self):
        """Return which changes are undone, as a text."""
        actions = dict(self._fields["action"]._description_selection(self.env))
        users = self.sudo().user_id.mapped("display_name")
        names = {actions[action] for action in self.mapped("action")}
        return ", ".join([*sorted(names), *users])

    def _undo_plan(self):
        """Return the rows of `mass_changes.Row`: what would go back, and what not."""
        self._check_undo()
        table = self.env["queue.job.undo"].sudo()
        rows = self._undoable()
        jobs = self.env["queue.job"].browse(table._job_ids(rows))
        kept = table._judge(rows, jobs)
        visible = jobs.exists()._filtered_access("read")
        visible.fetch(["channel_method_name"])
        names = {job.id: job.channel_method_name or "" for job in visible}
        counts = Counter(
            (row.reason or "", row.was, names.get(row.job_id, "")) for row in kept
        )
        plan = [
            Row(was, function, count, reason or None)
            for (reason, was, function), count in sorted(counts.items())
        ]
        missing = self._not_kept()
        return [*plan, Row("", "", missing, NOT_KEPT)] if missing else plan
