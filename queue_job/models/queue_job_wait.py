# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Waiting for a job in the web client, and reading what jobs have returned.

A button returns `job.wait_action()`; the client then asks `wait_state` until the job
has ended, for the bus alone could lose the news. Only the user of the job and those who
read all jobs get an answer, and it holds no arguments; the traceback is for the latter.
"""

from odoo import api, fields, models

from ..core.states import DONE, FAILED, WAITING
from ..progress.progress import percent_of_stages
from ..storage import caches, results

#: Seconds after which the web client asks whether to wait any longer.
WAIT_SECONDS = 1200

# The end of this job is told over the bus. The row of a started job is its worker's;
# who waits for one hears of its end by asking.
MARK_AWAITED = """
UPDATE queue_job
   SET options = CASE jsonb_typeof(options) WHEN 'object' THEN options ELSE '{}' END
                 || '{"awaited": true}'
 WHERE id = %s AND state IN ('pending', 'wait_dependencies')
"""


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    result_json = fields.Text(
        string="Result (JSON)", readonly=True, help="The result of a job as data."
    )

    # -- waiting -------------------------------------------------------------------

    @api.private
    def wait_action(
        self,
        next_action=None,
        cancellable=False,
        quiet=False,
        message=None,
        stages=None,
        timeout=WAIT_SECONDS,
    ) -> dict:
        """Return an action which shows how far the job is, until it has ended.

        Then follows the action which the job has returned, or else `next_action`, or
        else the view is loaded again. A failure is shown in a dialog.

            return self.with_delay().compute_report().wait_action()

        :param next_action: an action, or its XML id
        :param cancellable: let the user cancel the job, if its function allows that
        :param quiet: no dialog, just the usual sign that something is loading
        :param message: shown until the job reports one
        :param stages: [(name, weight), ...] of the stages which the job reports
        :param timeout: seconds after which the user is asked whether to wait on
        :return: a client action
        """
        self.ensure_one()
        self.flush_recordset(["options", "state"])
        self.env.cr.execute(MARK_AWAITED, (self.id,))
        caches.written(self.env, self.ids, ["options"])
        job = self.sudo()
        cancellable = cancellable and (
            job._are_cancelled_by(job.user_id) or self.sudo(False).has_access("write")
        )
        return self._waiting_action(
            self.uuid, next_action, cancellable, quiet, message, stages, timeout
        )

    @api.model
    def _waiting_action(
        self,
        uuid,
        next_action=None,
        cancellable=False,
        quiet=False,
        message=None,
        stages=None,
        timeout=WAIT_SECONDS,
    ) -> dict:
        """Return the action that waits for the job of a uuid, see `wait_action`."""
        if isinstance(next_action, str):
            next_action = self.env["ir.actions.actions"]._for_xml_id(next_action)
        return {
            "type": "ir.actions.client",
            "tag": "queue_job_wait",
            "params": {
                "uuid": uuid,
                "next_action": self._for_client(next_action),
                "cancellable": cancellable,
                "quiet": quiet,
                "message": message or False,
                "stages": [list(stage) for stage in stages or ()],
                "timeout": timeout,
            },
        }

    @api.model
    @api.readonly
    def wait_state(self, uuid, stages=None) -> dict:
        """Return how far a job is, to its user and to who reads all jobs.

        The state is "unknown" for anybody else, and when there is no such job.

        :param uuid: of the job
        :param stages: [(name, weight), ...]: the percentage is that of the whole
        :return: state, percent (0 to 100) and message; of a done job the next action,
            of a failed one the exception, of one that waits for more than a moment why
        """
        job = self._awaited(uuid)
        if not job:
            return {"uuid": uuid, "state": "unknown"}
        nothing = self.env["queue.job.progress"]
        progress = job._present_progress().get(job.id, nothing)
        percent = progress.percent if progress else None
        if stages and progress:
            percent = percent_of_stages(stages, progress.stage, percent)
        answer = {
            "uuid": job.uuid,
            "id": job.id,
            "name": job.name,
            "state": job.state,
            "percent": 100 if job.state == DONE else percent,
            "message": progress.message,
            "stage": progress.stage,
            "may_open": self._reads_all_jobs(),
        }
        if job.state == DONE:
            answer["action"] = self._result_action(job)
        elif job.state == FAILED:
            answer.update(self._failure(job))
        elif job.state in WAITING:
            answer["waiting"] = job.sudo(self.env.su)._why_not_yet()
        return answer

    @api.model
    def wait_cancel(self, uuid) -> bool:
        """Cancel a job, by its user or a manager; see `cancel`.

        :param uuid: of the job; without a job of this uuid nothing happens
        """
        return self._awaited(uuid).sudo(False).cancel()

    def _awaited(self, uuid):
        """Return the job if the user may know of it, as superuser."""
        jobs = self.sudo().search([("uuid", "=", uuid)], limit=1)
        if jobs.user_id == self.env.user:
            return jobs
        if self._reads_all_jobs():
            return jobs.sudo(False)._filtered_access("read").sudo()
        return jobs.browse()

    @api.model
    def _reads_all_jobs(self) -> bool:
        """Whether the user sees the jobs of others: a manager, or a watcher."""
        return bool(self.sudo(False).has_access("read"))

    def _result_action(self, job):
        return self._for_client(results.as_action(results.of_record(job)))

    def _for_client(self, action):
        """Return an action as buttons return it, with its views."""
        # not before: this module is loaded with the server, web with the database
        from odoo.addons.web.controllers.utils import clean_action

        if not action:
            return False
        action = dict(action)
        if action["type"] == "ir.actions.act_window" and not action.get("views"):
            modes = "form" if action.get("res_id") else "list,form"
            action.setdefault("view_mode", modes)
        return clean_action(action, env=self.env)

    def _failure(self, job):
        failure = {"exc_name": job.exc_name, "exc_message": job.exc_message}
        if self._reads_all_jobs():
            failure["exc_info"] = job.exc_info
        return failure

    # -- results -------------------------------------------------------------------

    @api.model
    @api.private
    def parents_results(self) -> list:
        """Return, inside a job, the results of the jobs which it has waited for.

        In the order in which those were created; None where there is no result.
        """
        uuid = self.env.context.get("job_uuid")
        waited = self.sudo().search([("uuid", "=", uuid)])
        return results.of_parents(self.env, waited.id or None)
