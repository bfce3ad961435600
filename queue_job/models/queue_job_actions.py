# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users do with jobs from the web client, besides the buttons of the model.

Changes of many jobs go over the whole selection, or over all jobs of a domain. A dialog
(`wizards/`) shows what will change, and why the rest will not (`core/mass_changes`),
before anything is written. From `BACKGROUND_FROM` jobs on, a job makes the change, in
parts, while the user watches its progress. Where no job would run the request itself
goes through the parts.
"""

from collections import Counter, defaultdict
from uuid import uuid4

from odoo import Command, api, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import config

from ..core import mass_changes
from ..core.mass_changes import BUSY, CANCEL, KEY_HELD, REQUEUE, SET_DONE
from ..core.states import PENDING, STARTED, WAIT_DEPENDENCIES
from ..job import Job
from ..monitoring.health import DANGER
from ..progress import iteration
from ..progress.reporting import current_run
from ..progress.tally import Tally
from ..storage.identity_slots import find_duplicates
from .queue_job_journal import PART_OF, PartOf

#: From so many jobs on, a change is made by a job, in parts of so many.
BACKGROUND_FROM = 500
CHUNK = 500

#: Of a job, what a change reads: no tracebacks, no arguments.
READ = (
    *("uuid", "state", "eta", "identity_key", "claim_token", "company_id"),
    *("channel_method_name", "model_name", "method_name"),
)

#: Seconds before its time limit at which a job that makes a change pauses.
MARGIN = 15

#: Seconds after which the user is offered to leave it to the background.
PATIENCE = 10

#: The job which makes the change overtakes those that it changes.
URGENT = 0

# What a worker or another user is changing now is left to them.
LOCK = "SELECT id FROM queue_job WHERE id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED"

#: change -> the dialog that asks for it
WIZARDS = {
    REQUEUE: "queue_job.action_requeue_job",
    SET_DONE: "queue_job.action_set_jobs_done",
    CANCEL: "queue_job.action_set_jobs_cancelled",
}


class QueueJobActions(models.AbstractModel):
    _name = "queue.job.actions"
    _description = "Actions on Jobs"

    # -- one job -------------------------------------------------------------------
    # The buttons of the form: as a change of many, of one.

    def action_requeue(self) -> dict:
        """Run failed jobs again; ended ones ask for a word of their own.

        :return: the notification of what changed, and why the rest did not
        :raise AccessError: the user may not write jobs
        """
        self.check_access("write")
        return self._change_many(REQUEUE, [("id", "in", self.ids)])

    def action_set_done(self) -> dict:
        """Set jobs to done without running them.

        :return: the notification of what changed, with a button that undoes it
        :raise AccessError: the user may not write jobs
        """
        self.check_access("write")
        return self._change_many(SET_DONE, [("id", "in", self.ids)])

    def action_cancel(self) -> dict:
        """Cancel jobs and all that wait for them; started ones are stopped.

        :return: the notification of what changed, with a button that undoes it
        :raise AccessError: the user may not write jobs
        """
        self.check_access("write")
        return self._change_many(CANCEL, [("id", "in", self.ids)])

    def action_run_now(self) -> bool:
        """Let jobs run without waiting for their date.

        :raise AccessError: the user may not write jobs
        """
        self.check_access("write")
        jobs = self.sudo()._in_states(PENDING, WAIT_DEPENDENCIES)
        jobs.filtered("eta").write({"eta": False})
        return True

    def action_duplicate(self) -> dict | bool:
        """Enqueue the same call once more, and open the new job.

        :return: the action that opens it; True where the user may not see it
        :raise UserError: the code of the job is gone
        """
        self.ensure_one()
        self.check_access("write")
        try:
            job = Job.load(self.env, self.uuid)
            new = self._enqueue_again(job)
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(
                self.env._("The code of this job does not exist any more: %s", error)
            ) from error
        record = self.search([("uuid", "=", new.uuid)])
        return record.get_formview_action() if record else True

    def _enqueue_again(self, job):
        _exists = job.func  # before anything is prepared
        delayed = job.recordset.with_delay(
            priority=job.priority,
            max_retries=job.max_retries,
            description=job.description,
            channel=job.channel,
            **job.key_options(),
        )
        return getattr(delayed, job.present_method)(*job.args, **job.kwargs)

    # -- whose job -----------------------------------------------------------------

    def _check_handing_over(self, user_id):
        """A job runs with the rights of its user: not everybody may choose them."""
        if self.env.su or user_id == self.env.uid:
            return
        if self.env.user.has_group("base.group_system"):
            return
        if any(job.user_id.id != user_id for job in self):
            raise AccessError(
                self.env._("Only administrators let another user run a job.")
            )

    def _hand_records_over(self, user_id):  # pylint: disable=missing-return
        """Let another user run the jobs."""
        user = self.env["res.users"].browse(user_id)
        for job in self.with_context(_job_edit_sentinel=self.EDIT_SENTINEL):
            try:
                records = job.records
            except KeyError:  # a model that is gone: nobody will run the job
                continue
            if records.env.uid != user_id:
                job.write({"records": records.with_user(user)})

    # -- many jobs -----------------------------------------------------------------

    def action_requeue_all(self) -> dict:
        """Ask how to requeue the selected jobs; see `change_matching`."""
        return self._ask(REQUEUE, self)

    def action_done_all(self) -> dict:
        """Ask whether to set the selected jobs to done; see `change_matching`."""
        return self._ask(SET_DONE, self)

    def action_cancel_all(self) -> dict:
        """Ask whether to cancel the selected jobs; see `change_matching`."""
        return self._ask(CANCEL, self)

    @api.model
    def change_matching(self, domain, change) -> dict:
        """Ask how to change all jobs of a domain. Nothing changes before the answer.

        :param domain: of `queue.job`
        :param change: name of the method of a button, one of `WIZARDS`
        :return: the action that opens the dialog
        :raise UserError: there is no such change
        :raise AccessError: the user may not write jobs
        """
        return self._ask(change, self.browse(), {"domain": list(domain)})

    @api.model
    def _ask(self, change, jobs, matching=None):
        """Return the action that opens the dialog of a change."""
        if change not in WIZARDS:
            raise UserError(self.env._("This is no change of jobs: %s", change))
        self.check_access("write")
        action = self.env["ir.actions.act_window"]._for_xml_id(WIZARDS[change])
        wizard = self.env[action["res_model"]].create(
            {"job_ids": [Command.set(jobs.ids)], "matching": matching}
        )
        return {**action, "res_id": wizard.id}

    @api.model
    def _plan_change(self, change, domain, again=()):
        """Return the rows of `mass_changes.plan` for the jobs of a domain."""
        groups = self._read_group(domain, ["state", "channel_method_name"], ["__count"])
        held = defaultdict(list)
        if change == REQUEUE:
            with_key = [*domain, ("identity_key", "!=", False)]
            holders = self._touched(with_key, change, again)._key_holders()
            for job in self.browse(holders):
                held[job.state, job.channel_method_name or ""].append(holders[job.id])
        return mass_changes.plan(
            change,
            {(state, function or ""): count for state, function, count in groups},
            again,
            held,
        )

    def _touched(self, domain, change, again):
        """Return the jobs of a domain which the change touches, by their states."""
        states = mass_changes.touched_states(change, again)
        return self.search([*domain, ("state", "in", states)], order="id")

    def _key_holders(self):
        """Return {id of each of these ended jobs whose key is held: id of the holder}.

        Of several with the same identity key the first one gets it.
        """
        jobs = self.filtered("identity_key").sorted("id")
        taken = find_duplicates(self.env, set(jobs.mapped("identity_key")))
        holders = {}
        for job in jobs:
            holder = taken.setdefault(job.identity_key, job.id)
            if holder != job.id:
                holders[job.id] = holder
        return holders

    def _with_held_key(self):
        """Return those of these ended jobs whose identity key another job holds."""
        return self.browse(self._key_holders())

    @api.model
    def _change_many(self, change, domain, again=(), reason=None):
        """Change the jobs of a domain, and return the action which says what changed.

        :param again: the ended states (`mass_changes.AGAIN`) that run again as well
        :param reason: why, as the user says it; kept with each job
        """
        self.check_access("write")
        rows = self._plan_change(change, domain, again)
        choices = self._choices(rows, again, reason)
        jobs = self._touched(domain, change, again)
        if len(jobs) < BACKGROUND_FROM:
            return self._changed(change, jobs._change_part(change, choices), choices)
        states = mass_changes.touched_states(change, again)
        domain = [*domain, ("state", "in", list(states))]
        if not self._queue_runs():
            return self._change_ranges(change, domain, jobs._ranges(), choices)
        if change == CANCEL:  # they may hold the slot which this needs
            running = jobs._in_states(STARTED)
            running._change_part(change, choices)
            choices["stopped"] = len(running)
            domain.append(("id", "not in", running.ids))
        return jobs._change_in_background(change, domain, choices)

    def _choices(self, rows, again, reason):
        """Return what the parts of a change have to know; it goes through JSON.

        :param rows: of the plan
        """
        plan = mass_changes.sum_up(rows)
        return {
            "again": list(again),
            "reason": reason or "",
            "left": {why: n for why, n in plan.items() if why not in (None, KEY_HELD)},
            "holders": list(mass_changes.holders_of(rows)),
            "key": uuid4().hex,  # the parts are one row of the journal
        }

    def _changed(self, change, counts, choices):
        """Return the notification of what was changed, and what was not.

        It offers to undo what can be undone.

        :param counts: {"changed" or reason: jobs} of those which were touched
        :param choices: see `_choices`
        """
        text = self.env._("%s job(s) changed.", counts["changed"])
        action = self._told(
            text, counts, choices.get("left", {}), choices.get("holders", ())
        )
        if counts["changed"]:
            self._offer_undo(action, change, choices)
        return action

    @api.model
    def _offer_undo(self, action, change, choices):
        """Let a notification offer to undo a change, where that can be undone."""
        if change in (SET_DONE, CANCEL) and choices.get("key"):
            action["tag"] = "queue_job_changed"
            action["params"]["undo"] = choices["key"]

    def _change_in_background(self, change, domain, choices):
        """Enqueue the job which makes the change, and return the wait for it."""
        text = self.env._("Change of %s jobs", len(self))
        job = self.browse().with_delay(**self._background_options(text))
        job = job._change_ranges(change, domain, self._ranges(), choices)
        stopped = self._told_stopped()
        self._offer_undo(stopped, change, choices)
        return self._wait_for_change(job, len(self), stopped)

    @api.model
    def _background_options(self, description):
        """Return the options of a job that makes a change."""
        return {
            "priority": URGENT,
            "max_retries": 0,  # of conflicts with who changes the same jobs
            "description": description,
        }

    @api.model
    def _wait_for_change(self, job, count, stopped):
        """Return the wait for a job that makes a change, with a button that stops it.

        :param count: of the jobs that change
        :param stopped: the action after it was stopped
        """
        action = job.wait_action(
            cancellable=True,
            message=self.env._("%s jobs are being changed.", count),
            timeout=PATIENCE,
        )
        action["params"]["stopped_action"] = stopped
        return action

    def _ranges(self):
        """Return [(first id, id after the last), ...] of parts of these jobs."""
        ids = sorted(self.ids)
        starts = ids[::CHUNK]
        return list(zip(starts, [*starts[1:], ids[-1] + 1], strict=True))

    def _change_ranges(self, change, domain, ranges, choices):
        """Change the jobs of a domain, range of ids by range, each committed by itself.

        :param ranges: as `_ranges` returns them
        :param choices: what the user said, and what was left out before; a number in
            the jobs of versions before 19.0.3.1, where the user said nothing
        """
        choices = choices if isinstance(choices, dict) else {}

        def change_part(first, end):
            part = [*domain, ("id", ">=", first), ("id", "<", end)]
            return self.search(part)._change_part(change, choices)

        counts = self._in_parts(ranges, change_part)
        counts["changed"] += choices.get("stopped", 0)
        return self._changed(change, counts, choices)

    @api.model
    def _in_parts(self, ranges, change_part):
        """Make a change range of ids by range, each committed by itself.

        In a job it shows how far it is, and can be stopped between two parts.

        :param change_part: function of (first, end) which returns counts
        :return: the sums of the counts
        """
        tally = Tally(self.env)
        parts = iteration.job_until_timeout(
            self.env,
            ranges,
            margin=MARGIN,
            message=self.env._("Changing jobs: part {progress} of {valuemax}"),
            savepoint=False,
            resume_key="ranges",
            commit_seconds=0,
        )
        for first, end in parts:
            tally.add(change_part(first, end))
            if not config["test_enable"] and current_run(self.env) is None:
                self.env.cr.commit()  # pylint: disable=invalid-commit
        return tally.total()

    def _change_part(self, change, choices):
        """Change those of the jobs which the change touches and nobody else changes.

        They are locked first: the runner passes them over, and claims others.

        :return: {"changed" or the reason of what was left out: jobs}
        """
        self.env.cr.execute(LOCK, (self.ids,))
        locked = self.browse(job_id for (job_id,) in self.env.cr.fetchall())
        locked.fetch(READ)
        states = mass_changes.touched_states(change, choices.get("again", ()))
        jobs = locked._in_states(*states)
        held = jobs._with_held_key() if change == REQUEUE else self.browse()
        jobs -= held
        part_of = PartOf(choices.get("key"), choices.get("reason"))
        getattr(jobs.with_context(**{PART_OF: part_of}), change)()
        jobs._note_reason(change, choices.get("reason"))
        counts = {"changed": jobs, KEY_HELD: held, BUSY: self - locked}
        return Counter({name: len(part) for name, part in counts.items()})

    def _queue_runs(self):
        """Whether a job that is enqueued now will run soon."""
        problems = self.env["queue.job.dashboard"].get_problems()
        return all(problem["level"] != DANGER for problem in problems)
