# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a job does not run yet, for the form, the command line and RPC.

The rules are in `monitoring.waiting_reason`. What blocks a job may be a job of somebody
else: it is named, and linked, only for those who may read it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from odoo import api, fields, models

from ..monitoring.waiting_facts import read_facts
from ..monitoring.waiting_reason import JOB, MOMENTARY, Reason, waiting_reason
from ..monitoring.waiting_texts import FOR_USERS, OF_SERVER, TEXTS

MINUTE, HOUR, DAY = 60, 3600, 86400

#: Seconds; a date further ahead is said to be this far.
FURTHEST = 100 * 365 * DAY


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    waiting_text = fields.Text(
        string="Why does it wait?",
        compute="_compute_waiting_text",
        help="What keeps a job from running, and what helps.",
    )
    waiting_remedy = fields.Char(compute="_compute_waiting_text")
    waiting_blocker = fields.Boolean(compute="_compute_waiting_text")

    @api.depends("state")
    @api.depends_context("uid", "allowed_company_ids", "lang", "tz")
    def _compute_waiting_text(self):
        for job in self:
            reason = job._waiting_reason()
            values = job._reason_values(reason) if reason else {}
            job.waiting_text = values.get("text")
            job.waiting_remedy = job._remedy(reason)
            job.waiting_blocker = bool(values.get("record")) and (
                values["record"] != [JOB, job.id]
            )

    @api.model
    @api.readonly
    def waiting_reason(self, uuid) -> dict:
        """Return why a job does not run, to its user and to who reads all jobs.

        :param uuid: of the job
        :return: code, text, record ([model, id] of what blocks, or False), remedy (a
            method of this record, or False), and because (the same of a blocker that
            waits itself, or False); empty if the job runs, has ended, or is of others
        """
        job = self._awaited(uuid).sudo(self.env.su)
        reason = job._waiting_reason() if job else None
        return self._reason_values(reason) if reason else {}

    def action_cure_waiting(self) -> bool:
        """Do what lets a job run: requeue or run what blocks it, or resume a channel.

        :return: whether there was something to do
        :raise AccessError: the user may not write jobs, or what blocks this one
        """
        self.ensure_one()
        self.check_access("write")
        reason = self._waiting_reason()
        if not self._remedy(reason):
            return False
        model, record_id = reason.cure.record
        getattr(self.env[model].browse(record_id), reason.cure.remedy)()
        return True

    def action_open_blocker(self) -> dict | bool:
        """Open what keeps a job from running.

        :return: an action, False if there is nothing that the user may see
        :raise AccessError: the user may not read the job
        """
        self.ensure_one()
        self.check_access("read")
        reason = self._waiting_reason()
        if not (reason and reason.record and self._is_shown(*reason.record)):
            return False
        model, record_id = reason.record
        return self.env[model].browse(record_id).get_formview_action()

    def _remedy(self, reason: Reason | None) -> str | bool:
        """Return the method which helps, False if the user can't call it."""
        cure = reason.cure if reason else None
        if not cure or not cure.record:
            return False
        model, record_id = cure.record
        record = self.env[model].browse(record_id).exists()
        return cure.remedy if record and record.has_access("write") else False

    def _why_not_yet(self) -> str | bool:
        """Return why the job waits, False if it does so for a moment only."""
        reason = self._waiting_reason()
        if not reason or reason.code in MOMENTARY:
            return False
        return self._reason_text(reason)

    def _waiting_reason(self) -> Reason | None:
        """Return the reason of one job; it holds what the user may not see."""
        job_id = self._origin.id
        if not job_id:
            return None
        self.env.flush_all()
        facts = read_facts(self.env.cr, job_id)
        return waiting_reason(facts) if facts else None

    def _reason_values(self, reason: Reason) -> dict[str, Any]:
        shown = bool(reason.record) and self._is_shown(*reason.record)
        because = reason.because
        return {
            "code": reason.code,
            "text": self._reason_text(reason),
            "record": list(reason.record) if shown else False,
            "remedy": reason.remedy or False if shown else False,
            "because": self._reason_values(because) if because else False,
        }

    def _is_shown(self, model: str, record_id: int) -> bool:
        """Tell whether the user may know of a record."""
        record = self.env[model].browse(record_id).exists()
        if model == JOB and record.sudo().user_id == self.env.user:
            return True
        return bool(record) and record.has_access("read")

    def _reason_text(self, reason: Reason) -> str:
        values = dict(reason.values)
        if "job" in values:
            values["job"] = self._name_of_job(values["job"], values.get("steps", 1))
        if "until" in values:
            values["until"] = self._time_text(values["until"])
        if "duration" in values:
            values["duration"] = self._duration_text(values["duration"])
        if reason.because:
            values["because"] = self._reason_text(reason.because)
        code = reason.code
        if code in OF_SERVER and not (self.env.su or self._reads_all_jobs()):
            code = FOR_USERS
        text = self.env._(TEXTS[code])
        return text % values

    def _name_of_job(self, job_id: int, steps: int) -> str:
        name = self.env._("(of another user or company)")
        if self._is_shown(JOB, job_id):
            job = self.sudo().browse(job_id)
            name = f"{job.name or job.method_name or ''} [{job.uuid}]"
        if steps > 1:
            return self.env._("%(job)s (%(steps)s steps up)", job=name, steps=steps)
        return name

    def _time_text(self, seconds: float) -> str:
        """Return a moment of today as a time, and any other with its date."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        # to the nearest second: what was read is a little less than what is stored
        moment = now + timedelta(seconds=min(seconds, FURTHEST) + 0.5)
        now, moment = (
            fields.Datetime.context_timestamp(self, each) for each in (now, moment)
        )
        pattern = "%H:%M:%S" if moment.date() == now.date() else "%Y-%m-%d %H:%M:%S"
        return moment.strftime(pattern)

    def _duration_text(self, seconds: float) -> str:
        seconds = min(seconds, FURTHEST)
        if seconds < 2 * MINUTE:
            return self.env._("%s s", round(max(seconds, 1)))
        if seconds < 2 * HOUR:
            return self.env._("%s min", round(seconds / MINUTE))
        if seconds < 2 * DAY:
            return self.env._("%s h", round(seconds / HOUR))
        return self.env._("%s days", round(seconds / DAY))
