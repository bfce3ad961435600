# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users do with jobs from the web client, besides the buttons of the model.

Changes of many jobs go over the whole selection, or over all jobs of a domain. More
than `BACKGROUND_FROM` of them are changed by jobs, as long as a runner is there to run
these; otherwise all are changed at once, which takes longer but always works.
"""

from odoo import api, models
from odoo.exceptions import AccessError, UserError

from ..delay import group
from ..health import is_alive
from ..job import Job
from ..states import PENDING, WAIT_DEPENDENCIES
from . import queue_job_dashboard_queries as queries

#: From so many jobs on, a change is made by jobs, each of so many.
BACKGROUND_FROM = 5000
CHUNK = 1000

#: The jobs which make the change overtake those that they change.
URGENT = 0

CHANGES = ("requeue", "button_done", "button_cancelled")


class QueueJobActions(models.AbstractModel):
    _name = "queue.job.actions"
    _description = "Actions on Jobs"

    # -- one job -------------------------------------------------------------------

    def action_run_now(self):
        """Let jobs run without waiting for their date."""
        self.check_access("write")
        jobs = self.sudo()._in_states(PENDING, WAIT_DEPENDENCIES)
        jobs.filtered("eta").write({"eta": False})
        return True

    def action_duplicate(self):
        """Enqueue the same call once more, and open the new job."""
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

    def action_requeue_all(self):
        """Requeue the selected jobs."""
        return self._change_many("requeue")

    def action_done_all(self):
        """Set the selected jobs to done."""
        return self._change_many("button_done")

    def action_cancel_all(self):
        """Cancel the selected jobs."""
        return self._change_many("button_cancelled")

    @api.model
    def change_matching(self, domain, change):
        """Change all jobs of a domain.

        :param change: name of the method of a button, one of `CHANGES`
        """
        return self.search(domain, order="id")._change_many(change)

    def _change_many(self, change):
        """Change these jobs, and return the notification which says so."""
        if change not in CHANGES:
            raise UserError(self.env._("This is no change of jobs: %s", change))
        self.check_access("write")
        if len(self) >= BACKGROUND_FROM and self._runner_is_alive():
            self._change_in_background(change)
            message = self.env._("%s jobs are being changed in the background.")
        else:
            getattr(self, change)()
            message = self.env._("%s job(s) changed.")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message % len(self),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _change_in_background(self, change):
        description = self.env._("Change of %s jobs", len(self))
        group(
            *(
                self.browse(self.ids[start : start + CHUNK])
                .delayable(priority=URGENT, description=description)
                ._change_chunk(change)
                for start in range(0, len(self), CHUNK)
            )
        ).delay()

    def _change_chunk(self, change):
        """Change a part of many jobs; those that are gone by now are left out."""
        getattr(self.exists(), change)()

    def _runner_is_alive(self):
        self.env.cr.execute(queries.RUNNERS)
        return any(is_alive(row["age"]) for row in self.env.cr.dictfetchall())
