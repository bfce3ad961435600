# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users do with jobs from the web client, besides the buttons of the model.

Changes of many jobs go over the whole selection, or over all jobs of a domain. From
`BACKGROUND_FROM` of them on, a job makes the change, in parts, while the user watches
its progress. Where no job would run the request itself goes through the parts.
"""

from odoo import api, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import config

from ..core.states import PENDING, STARTED, WAIT_DEPENDENCIES
from ..job import Job
from ..monitoring.health import DANGER
from ..progress import iteration
from ..progress.reporting import current_run

#: From so many jobs on, a change is made by a job, in parts of so many.
BACKGROUND_FROM = 500
CHUNK = 500

#: Seconds after which the user is offered to leave it to the background.
PATIENCE = 10

#: The job which makes the change overtakes those that it changes.
URGENT = 0

# What a worker or another user is changing now is left to them.
LOCK = "SELECT id FROM queue_job WHERE id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED"

CHANGES = ("requeue", "button_done", "button_cancelled")


class QueueJobActions(models.AbstractModel):
    _name = "queue.job.actions"
    _description = "Actions on Jobs"

    # -- one job -------------------------------------------------------------------

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
        return getattr(delayed, job.method_name)(*job.args, **job.kwargs)

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
        """Requeue the selected jobs; see `change_matching`."""
        return self._change_many("requeue")

    def action_done_all(self) -> dict:
        """Set the selected jobs to done; see `change_matching`."""
        return self._change_many("button_done")

    def action_cancel_all(self) -> dict:
        """Cancel the selected jobs; see `change_matching`."""
        return self._change_many("button_cancelled")

    @api.model
    def change_matching(self, domain, change) -> dict:
        """Change all jobs of a domain.

        :param domain: of `queue.job`
        :param change: name of the method of a button, one of `CHANGES`
        :return: an action that says how many were changed, or shows the progress
        :raise UserError: there is no such change
        :raise AccessError: the user may not write jobs
        """
        return self.search(domain, order="id")._change_many(change, domain)

    def _change_many(self, change, domain=None):
        """Change these jobs, and return the action which says so.

        :param domain: what they have been found by
        """
        if change not in CHANGES:
            raise UserError(self.env._("This is no change of jobs: %s", change))
        self.check_access("write")
        if len(self) < BACKGROUND_FROM:
            getattr(self, change)()
            return self._changed(len(self))
        domain = list(domain or [("id", "in", self.ids)])
        if not self._queue_runs():
            return self._change_ranges(change, domain, self._ranges(), len(self))
        if change == "button_cancelled":  # they may hold the slot which this needs
            self.search([*domain, ("state", "=", STARTED)]).button_cancelled()
        return self._change_in_background(change, domain)

    def _changed(self, count):
        """Return the notification that so many jobs were changed."""
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("%s job(s) changed.", count),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _change_in_background(self, change, domain):
        """Enqueue the job which makes the change, and return the wait for it."""
        job = self.browse().with_delay(
            priority=URGENT,
            max_retries=0,  # of conflicts with who changes the same jobs
            description=self.env._("Change of %s jobs", len(self)),
        )
        job = job._change_ranges(change, domain, self._ranges(), len(self))
        return job.wait_action(
            cancellable=True,
            message=self.env._("%s jobs are being changed.", len(self)),
            timeout=PATIENCE,
        )

    def _ranges(self):
        """Return [(first id, id after the last), ...] of parts of these jobs."""
        ids = sorted(self.ids)
        starts = ids[::CHUNK]
        return list(zip(starts, [*starts[1:], ids[-1] + 1], strict=True))

    def _change_ranges(self, change, domain, ranges, count):
        """Change the jobs of a domain, range of ids by range, each committed by itself.

        :param ranges: as `_ranges` returns them
        :param count: of the jobs in all of them
        """
        parts = iteration.job_until_timeout(
            self.env,
            ranges,
            message=self.env._("Changing jobs: part {progress} of {valuemax}"),
            savepoint=False,
            resume_key="ranges",
            commit_seconds=0,
        )
        for first, end in parts:
            part = [*domain, ("id", ">=", first), ("id", "<", end)]
            self.search(part)._change_unlocked(change)
            if not config["test_enable"] and current_run(self.env) is None:
                self.env.cr.commit()  # pylint: disable=invalid-commit
        return self._changed(count)

    def _change_unlocked(self, change):
        """Change those of the jobs which nobody else is changing.

        They are locked first: the runner passes them over, and claims others.
        """
        self.env.cr.execute(LOCK, (self.ids,))
        jobs = self.browse(job_id for (job_id,) in self.env.cr.fetchall())
        getattr(jobs, change)()

    def _queue_runs(self):
        """Whether a job that is enqueued now will run soon."""
        problems = self.env["queue.job.dashboard"].get_problems()
        return all(problem["level"] != DANGER for problem in problems)
