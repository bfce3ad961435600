# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why jobs do not run yet, for form and list, the command line and RPC.

The rules are in `monitoring.waiting_reason`, the words in `monitoring.waiting_words`.
Nothing is stored. A row tells its cause by its reason; for a filter and the groups of a
list the database tells it, see `monitoring.waiting_causes`.
"""

from __future__ import annotations

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..core.states import WAITING
from ..monitoring.waiting_causes import CAUSE, CAUSES, cause_of
from ..monitoring.waiting_facts import read_causes, read_facts
from ..monitoring.waiting_reason import JOB, MOMENTARY, Reason, waiting_reason
from ..monitoring.waiting_words import Words

CAUSE_FIELD = "waiting_cause"


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    waiting_text = fields.Char(
        string="Why does it wait?",
        compute="_compute_waiting_text",
        help="What keeps a job from running, and what helps.",
    )
    waiting_cause = fields.Selection(
        selection=[
            ("parent_failed", "A job before it has failed"),
            ("parent", "Jobs before it"),
            ("key_failed", "A job of its key has failed"),
            ("key", "Jobs of its key"),
            ("date", "Its date"),
            ("retry", "Its next attempt"),
            ("server", "No job runs"),
            ("paused", "Its channel is paused"),
            ("sequence", "The order of its channel"),
            ("rate", "The rate of its channel"),
            ("full", "Its channel is full"),
            ("busy", "All workers are busy"),
            ("given", "A worker has it"),
            ("turn", "Its turn"),
        ],
        string="Waits For",
        compute="_compute_waiting_text",
        search="_search_waiting_cause",
        help="What a job that does not run waits for. It is its turn where nothing "
        "holds it: the runner starts such jobs in their order.",
    )
    waiting_remedy = fields.Char(compute="_compute_waiting_text")
    waiting_blocker = fields.Boolean(compute="_compute_waiting_text")

    @api.depends("state")
    @api.depends_context("uid", "allowed_company_ids", "lang", "tz")
    def _compute_waiting_text(self):
        reasons = self._waiting_reasons()
        words = Words(self.env, reasons.values())
        for job in self:
            reason = reasons.get(job._origin.id)
            record = reason.record if reason else None
            job.waiting_text = words.text(reason) if reason else False
            job.waiting_cause = cause_of(reason)
            job.waiting_remedy = words.remedy(reason)
            is_itself = record == (JOB, job._origin.id)
            job.waiting_blocker = words.shows(record) and not is_itself

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
        return Words(self.env, [reason]).values(reason) if reason else {}

    def action_cure_waiting(self) -> bool:
        """Do what lets a job run: requeue or run what blocks it, or resume a channel.

        :return: whether there was something to do
        :raise AccessError: the user may not write jobs, or what blocks this one
        """
        self.ensure_one()
        self.check_access("write")
        reason = self._waiting_reason()
        if not Words(self.env, [reason]).remedy(reason):
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
        if not reason or not Words(self.env, [reason]).shows(reason.record):
            return False
        model, record_id = reason.record
        return self.env[model].browse(record_id).get_formview_action()

    def _why_not_yet(self) -> str | bool:
        """Return why the job waits, False if it does so for a moment only."""
        reason = self._waiting_reason()
        if not reason or reason.code in MOMENTARY:
            return False
        return Words(self.env, [reason]).text(reason)

    def _waiting_reason(self) -> Reason | None:
        """Return the reason of one job; it holds what the user may not see."""
        return self._waiting_reasons().get(self._origin.id)

    def _waiting_reasons(self) -> dict[int, Reason | None]:
        """Return the reasons of jobs; they hold what the user may not see.

        :return: by the ids of the jobs that wait
        """
        waiting = self.sudo()._origin.filtered(lambda job: job.state in WAITING)
        if not waiting:
            return {}
        self.env.flush_all()
        facts = read_facts(self.env.cr, waiting.ids)
        return {job_id: waiting_reason(each) for job_id, each in facts.items()}

    # -- groups of a list ------------------------------------------------------------

    @api.model
    def _search_waiting_cause(self, operator, value):
        if operator != "in":
            return NotImplemented
        causes = [cause for cause in value if cause in CAUSES]
        states = {state for cause in causes for state in CAUSES[cause][0]}
        domain = Domain("state", "in", list(states)) & Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "%s = ANY(%s)", model._waiting_cause_sql(alias), causes
            )
        )
        if False in value:
            domain |= Domain("state", "not in", list(WAITING))
        return domain

    def _field_to_sql(self, alias, field_expr, query=None) -> SQL:
        """Return the value of a field; of the cause, which no column holds."""
        if field_expr != CAUSE_FIELD:
            return super()._field_to_sql(alias, field_expr, query)
        self._check_field_access(self._fields[CAUSE_FIELD], "read")
        return self._waiting_cause_sql(alias)

    def _waiting_cause_sql(self, alias: str) -> SQL:
        self.env.flush_all()
        values = read_causes(self.env.cr)
        return SQL(CAUSE, job=SQL.identifier(alias), **values)
