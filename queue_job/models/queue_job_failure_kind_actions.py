# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The page of a kind of failure: what managers do with it, and what it shows.

Whoever may change jobs may say what becomes of a kind: acknowledge it, ignore it until
it comes back, call it solved, open it again. Some jobs are requeued on trial, before
the rest is; the kind remembers which, and tells how they ended. All of it stands in the
journal.
"""

import json

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..core import failure_kinds
from ..core.failure_kinds import ACKNOWLEDGED, IGNORED, OPEN, SOLVED
from ..core.mass_changes import REQUEUE
from ..core.states import CANCELLED, DONE, FAILED
from ..monitoring.kind_queries import RECORDS, VERSIONS_AT

#: Jobs that are requeued on trial.
ON_TRIAL = 3

#: Jobs of a kind on its page, and jobs whose records are looked at.
SHOWN = 40
LOOKED_AT = 1000


# pylint: disable=consider-merging-classes-inherited
class QueueJobFailureKind(models.Model):
    _inherit = "queue.job.failure.kind"

    message = fields.Text(
        string="Latest Message",
        compute="_compute_jobs",
        help="Of the job that failed last, as it is.",
    )
    job_ids = fields.Many2many(
        "queue.job", string="Latest Failed Jobs", compute="_compute_jobs"
    )
    record_count = fields.Integer(
        string="Records",
        compute="_compute_record_count",
        help="Records whose methods failed, in the latest 1,000 failed jobs.",
    )
    trial_ids = fields.Json(readonly=True)  # of jobs
    trial_date = fields.Datetime(string="Tried On", readonly=True)
    trial_user_id = fields.Many2one(
        "res.users", string="Tried By", readonly=True, ondelete="set null"
    )
    trial_text = fields.Char(string="On Trial", compute="_compute_trial_text")
    first_version = fields.Char(
        string="First Seen in",
        compute="_compute_versions",
        help="The version of the module when a job failed so for the first time.",
    )
    changed_since = fields.Char(
        compute="_compute_versions",
        help="Modules whose version is another now than it was then.",
    )

    # -- what the page shows -------------------------------------------------------

    def _jobs_domain(self):
        """Return the domain of the failed jobs of a kind."""
        self.ensure_one()
        return [
            ("state", "=", FAILED),
            ("failure_kind", "=", self.fingerprint),
            ("company_id", "=", self.company_id.id),
        ]

    def _latest_jobs(self, limit):
        return self.env["queue.job"].search(
            self._jobs_domain(), order="failed_at DESC", limit=limit
        )

    @api.depends("job_count")
    def _compute_jobs(self):
        for kind in self:
            kind.job_ids = kind._latest_jobs(SHOWN)
            kind.message = kind.job_ids[:1].exc_message

    @api.depends("job_count")
    def _compute_record_count(self):
        for kind in self:
            kind.record_count = sum(map(len, kind._records().values()))

    def _records(self):
        """Return {model: ids} of the records whose methods failed."""
        self.ensure_one()
        values = {"kind": self.fingerprint, "company_id": self.company_id.id or None}
        self.env.cr.execute(RECORDS, {**values, "limit": LOOKED_AT})
        found = {}
        for (text,) in self.env.cr.fetchall():
            model, ids = _model_and_ids(text)
            if model in self.env:
                found.setdefault(model, set()).update(ids)
        return {model: sorted(ids) for model, ids in found.items() if ids}

    @api.depends("trial_ids")
    def _compute_trial_text(self):
        for kind in self:
            kind.trial_text = kind._trial_text()

    def _trial_text(self):
        ids = self.trial_ids or []
        jobs = self.env["queue.job"].search([("id", "in", ids)])
        pairs = [(job.state, job.failure_kind) for job in jobs]
        outcome = failure_kinds.trial_outcome(pairs, self.fingerprint, len(ids))
        texts = {
            failure_kinds.SAME: self.env._("%s failed the same way"),
            failure_kinds.OTHER: self.env._("%s failed in another way"),
            CANCELLED: self.env._("%s cancelled"),
            failure_kinds.GONE: self.env._("%s deleted"),
            failure_kinds.UNDER_WAY: self.env._("%s not ended yet"),
        }
        done = self.env._("%(done)s of %(all)s done", done=outcome[DONE], all=len(ids))
        parts = [text % outcome[key] for key, text in texts.items() if outcome[key]]
        return ", ".join([done, *parts]) if ids else False

    @api.depends("first_seen", "module")
    def _compute_versions(self):
        now = self._versions_at(fields.Datetime.now())
        for kind in self:
            then = self._versions_at(kind.first_seen)
            version = then.get(kind.module)
            kind.first_version = version and f"{kind.module} {version}"
            kind.changed_since = failure_kinds.changed_versions(then, now)

    @api.model
    def _versions_at(self, date):
        """Return {module: version} at a date."""
        self.env.cr.execute(VERSIONS_AT, {"date": date})
        return dict(self.env.cr.fetchall())

    # -- states --------------------------------------------------------------------

    def action_acknowledge(self) -> bool:
        """Say that the user cares for these kinds.

        :raise AccessError: the user may not write jobs
        """
        return self._set_state(ACKNOWLEDGED, "acknowledge")

    def action_ignore(self) -> bool:
        """Leave these kinds out of the digest until they come back.

        :raise AccessError: the user may not write jobs
        """
        return self._set_state(IGNORED, "ignore")

    def action_solve(self) -> bool:
        """Say that these kinds do not occur any more, until they do.

        :raise AccessError: the user may not write jobs
        """
        return self._set_state(SOLVED, "solve")

    def action_reopen(self) -> bool:
        """Take back what was said of these kinds.

        :raise AccessError: the user may not write jobs
        """
        return self._set_state(OPEN, "reopen")

    def _set_state(self, state, action):
        self._check_may_change()
        self._refresh()  # what failed before is not what comes back
        forget = {"trial_ids": False, "trial_date": False, "trial_user_id": False}
        for kind in self.sudo():
            was = kind.state
            kind.write(
                {
                    **(forget if state == SOLVED else {}),
                    "state": state,
                    "state_date": fields.Datetime.now(),
                    "user_id": self.env.uid if state != OPEN else False,
                    "came_back": False,
                    "ignored_count": kind.day_count,
                }
            )
            labels = dict(self._fields["state"]._description_selection(self.env))
            kind._note(action, f"{labels[was]} → {labels[state]}")
        return True

    def _check_may_change(self):
        self.env["queue.job"].check_access("write")
        self.check_access("read")

    def _note(self, action, details=""):
        """Note in the journal what the user does with a kind."""
        journal = self.env["queue.job.journal"].sudo()
        journal.create(
            {
                **journal._signed(action),
                "kind": "failure",
                "subject": self.display_name,
                "job_count": self.job_count,
                "details": details,
                "company_id": self.company_id.id,
            }
        )

    # -- jobs ----------------------------------------------------------------------

    def action_try(self) -> dict:
        """Requeue some of the failed jobs, and remember them.

        :return: the notification of what was changed
        :raise AccessError: the user may not write jobs
        :raise UserError: no job is failed
        """
        self.ensure_one()
        self._check_may_change()
        jobs = self._latest_jobs(ON_TRIAL)
        if not jobs:
            raise UserError(self.env._("No job of this kind is failed any more."))
        reason = self.env._("On trial: %s", self.display_name)
        domain = [("id", "in", jobs.ids)]
        action = self.env["queue.job"]._change_many(REQUEUE, domain, reason=reason)
        jobs.invalidate_recordset(["state"])
        tried = jobs.filtered(lambda job: job.state != FAILED)
        if tried:
            self.sudo().write(
                {
                    "trial_ids": tried.ids,
                    "trial_date": fields.Datetime.now(),
                    "trial_user_id": self.env.uid,
                }
            )
            action["params"]["next"] = {
                "type": "ir.actions.client",
                "tag": "soft_reload",
            }
        return action

    def action_requeue_all(self) -> dict:
        """Ask how to requeue all failed jobs of a kind; see `change_matching`."""
        self.ensure_one()
        self.check_access("read")
        return self.env["queue.job"].change_matching(self._jobs_domain(), REQUEUE)

    def action_open_jobs(self) -> dict:
        """Return the action that lists the failed jobs of a kind."""
        self.ensure_one()
        self.check_access("read")
        return self._list("queue.job", self._jobs_domain())

    def action_open_trial(self) -> dict:
        """Return the action that lists the jobs on trial."""
        self.ensure_one()
        self.check_access("read")
        return self._list("queue.job", [("id", "in", self.trial_ids or [])])

    def action_open_records(self) -> dict:
        """Return the action that lists the records whose methods failed.

        :raise UserError: there is none
        """
        self.ensure_one()
        self.check_access("read")
        for model, ids in self._records().items():
            return self._list(model, [("id", "in", ids)])
        raise UserError(self.env._("No failed job of this kind is about a record."))

    def _list(self, model, domain):
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": model,
            "views": [(False, "list"), (False, "form")],
            "domain": domain,
            "context": {},
        }

    @api.model
    def open_kind(self, fingerprint) -> dict:
        """Return the action that opens a kind, as the links of a digest do.

        :param fingerprint: of the kind
        :return: its page; the list, where several companies have jobs of the kind, or
            it is not there any more
        :raise AccessError: the user may not read jobs
        """
        self.check_access("read")
        self._refresh()
        kinds = self.search([("fingerprint", "=", fingerprint)])
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job_failure_kind"
        )
        if len(kinds) == 1:
            return {**action, "res_id": kinds.id, "views": [(False, "form")]}
        domain = [("id", "in", kinds.ids)] if kinds else []
        return {**action, "domain": domain, "context": {}}


def _model_and_ids(text):
    """Return (model, ids) of stored records, ("", []) where there is something else."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        return "", []
    if not isinstance(value, dict):
        return "", []
    ids = value.get("ids")
    ids = [each for each in ids if isinstance(each, int)] if type(ids) is list else []
    return value.get("model") or "", ids


# pylint: disable=consider-merging-classes-inherited
class QueueJobJournal(models.Model):
    _inherit = "queue.job.journal"

    action = fields.Selection(
        selection_add=[
            ("acknowledge", "Acknowledged"),
            ("ignore", "Ignored"),
            ("solve", "Called solved"),
            ("reopen", "Opened again"),
        ],
        ondelete=dict.fromkeys(("acknowledge", "ignore", "solve", "reopen"), "cascade"),
    )
    kind = fields.Selection(
        selection_add=[("failure", "Kind of Failure")], ondelete={"failure": "cascade"}
    )
