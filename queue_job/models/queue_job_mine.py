# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""My jobs: what every user sees of the jobs that concern the user, and may do to them.

Those are the jobs which the user has delayed, and those that are meant for the user by
the option `meant_for`. There are no records here, and so no domains, orders and groups
by which what is hidden could be guessed: the methods return plain dictionaries, made of
the columns in `storage.own_jobs`. Arguments and tracebacks are not among them, and of
errors only those written for people.

Who may cancel and retry is a setting of the job function (`cancel_by`, `retry_by`).
"""

from datetime import datetime, timezone

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..core import plain_words
from ..core.states import ALL_STATES, CANCELLED, DONE, FAILED, FINAL, STARTED
from ..storage import own_jobs, results

#: Jobs of one answer, at most.
MOST_JOBS = 100

#: Of a job function: who may do something to a job of one's own.
MANAGERS, USER, MEANT_FOR = "managers", "user", "meant_for"

CHOICES = [
    (MANAGERS, "Only job queue managers"),
    (USER, "The user who delayed it, as well"),
    (MEANT_FOR, "This user, and who it is meant for"),
]


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    _delayed_by_idx = models.Index(own_jobs.DELAYED_INDEX)
    _meant_for_idx = models.Index(own_jobs.MEANT_INDEX)

    def _are_cancelled_by(self, user) -> bool:
        """Tell whether a user may cancel these jobs without being a manager."""
        functions = self.env["queue.job.function"]
        return all(
            job.user_id == user
            and functions._may("cancel_by", job.channel_method_name, is_user=True)
            for job in self
        )


# pylint: disable=consider-merging-classes-inherited
class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    cancel_by = fields.Selection(
        selection=CHOICES,
        string="Cancelled by",
        required=True,
        default=USER,
        help="Who may cancel the jobs of this function.",
    )
    retry_by = fields.Selection(
        selection=CHOICES,
        string="Retried by",
        required=True,
        default=MANAGERS,
        help="Who may run a failed job of this function again. It runs with the rights "
        "of the user who delayed it.",
    )

    @api.model
    def _may(self, change: str, name: str | None, *, is_user: bool) -> bool:
        """Tell whether a job may be changed by one of its own people.

        :param change: "cancel_by" or "retry_by"
        :param name: of the job function
        :param is_user: the job was delayed by this user, and isn't just meant for
            the user
        """
        allowed = getattr(self.job_config(name or ""), change)
        return allowed == MEANT_FOR or (allowed == USER and is_user)


class QueueJobMine(models.AbstractModel):
    _name = "queue.job.mine"
    _description = "My Jobs"

    @api.model
    @api.readonly
    def get_jobs(self, states=None, before=None, limit=40) -> list[dict]:
        """Return the newest of your jobs.

        :param states: only those in one of these
        :param before: only older ones than the job of this id, which came last
        :param limit: so many at most, 100 in any case
        :return: of each id, uuid, name, state, phase (in words), moment (UTC, of the
            phase), percent and message of its progress, error, result, link, has_action
            (see `open_result`), may_ask (why it waits), may_cancel and may_retry
        """
        if not self._whose():
            return []
        states = ALL_STATES if states is None else [str(state) for state in states]
        limit = min(max(int(limit or 0), 0), MOST_JOBS)
        self.env.flush_all()
        rows = own_jobs.read(
            self.env.cr, *self._whose(), states, before and int(before), limit
        )
        return [self._shown(row) for row in rows]

    @api.model
    @api.readonly
    def get_news(self) -> dict:
        """Return how many of your jobs have not ended, and what to tell you.

        :return: open (at most 100), and notices (see `queue.job.notice`): id, uuid,
            awaited, and seconds since the end
        """
        if not self._whose():
            return {"open": 0, "notices": []}
        self.env.flush_all()
        return own_jobs.news(self.env.cr, *self._whose())

    @api.model
    def claim_notices(self, ids=None, uuid=None) -> list[dict]:
        """Return notices that you are told now: nothing else will tell you of them.

        :param ids: of notices
        :param uuid: of a job for whose end you have waited
        :return: those of these which you were not told yet
        """
        if not self._whose():
            return []
        return self.env["queue.job.notice"]._claim(self.env.user, ids, uuid)

    @api.model
    def cancel(self, uuid) -> bool:
        """Cancel one of your jobs; one that is running is stopped.

        :param uuid: of the job
        :raise AccessError: it is of others, or its function leaves that to managers
        :raise UserError: it has ended
        """
        row = self._changeable(uuid, "cancel_by")
        if row["state"] in FINAL:
            raise UserError(self.env._("The job has ended already."))
        job = self.env["queue.job"].sudo().browse(row["id"])
        job._cancel(self.env._("Cancelled by %s", self.env.user.name))
        return True

    @api.model
    def retry(self, uuid) -> bool:
        """Run one of your failed jobs again.

        :param uuid: of the job
        :raise AccessError: it is of others, or its function leaves that to managers
        :raise UserError: it has not failed
        """
        row = self._changeable(uuid, "retry_by")
        if row["state"] != FAILED:
            raise UserError(self.env._("Only a job that has failed is run again."))
        return self.env["queue.job"].sudo().browse(row["id"]).requeue()

    @api.model
    @api.readonly
    def open_result(self, uuid) -> dict | bool:
        """Return the action that one of your jobs has returned, False if it has not.

        :param uuid: of the job
        :raise AccessError: it is of others
        """
        row = self._row(uuid)
        action = results.as_action(results.load(row["result_json"]))
        user = self.env.user
        is_customer = row["user_id"] != user.id and not user._is_internal()
        if is_customer and not plain_words.link_of(action):
            return False
        return self.env["queue.job"]._for_client(action)

    # -- whose ---------------------------------------------------------------------

    def _whose(self):
        """Return the ids of the user and the partner; nothing for who is not known.

        All visitors of a website are one user.
        """
        user = self.env.user
        return None if user._is_public() else (user.id, user.partner_id.id)

    def _row(self, uuid):
        self.env.flush_all()
        whose = self._whose()
        row = whose and own_jobs.read_one(self.env.cr, *whose, str(uuid))
        if not row:
            raise AccessError(self.env._("This job does not exist, or is not yours."))
        return row

    def _changeable(self, uuid, change):
        row = self._row(uuid)
        if not self._may(change, row):
            raise AccessError(
                self.env._("Only job queue managers do that to this kind of job.")
            )
        return row

    def _may(self, change, row):
        is_user = row["user_id"] == self.env.uid
        functions = self.env["queue.job.function"].sudo()
        return functions._may(change, row["function"], is_user=is_user)

    # -- what is shown -------------------------------------------------------------

    def _shown(self, row):
        """Return what the user is told of a job."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        phase = plain_words.phase(row["state"], row["eta"], row["retry"] or 0, now)
        action = results.as_action(results.load(row["result_json"]))
        is_user = row["user_id"] == self.env.uid
        return {
            "id": row["id"],
            "uuid": row["uuid"],
            "name": row["name"] or self.env._("Job"),
            "state": row["state"],
            "phase": self._phase_texts()[phase],
            "moment": fields.Datetime.to_string(self._moment(row, phase)),
            "percent": row["percent"] if row["state"] == STARTED else None,
            "message": row["message"] if row["state"] == STARTED else None,
            "error": self._error(row),
            "result": self._result(row, action) if is_user else None,
            "link": plain_words.link_of(action),
            "has_action": bool(action),
            "may_ask": is_user,
            "may_cancel": row["state"] not in FINAL and self._may("cancel_by", row),
            "may_retry": row["state"] == FAILED and self._may("retry_by", row),
        }

    def _phase_texts(self):
        return {
            "waiting": self.env._("Waiting"),
            "scheduled": self.env._("Planned"),
            "again": self.env._("Did not work, and will be tried again"),
            "after_others": self.env._("Waiting for other jobs"),
            "next": self.env._("About to begin"),
            "running": self.env._("Running"),
            "done": self.env._("Done"),
            "cancelled": self.env._("Cancelled"),
            "failed": self.env._("Failed"),
        }

    def _moment(self, row, phase):
        """Return when the job came into its phase, or will leave it."""
        column = {
            "scheduled": "eta",
            "again": "eta",
            "running": "date_started",
            "done": "date_done",
            "cancelled": "date_cancelled",
            "failed": "failed_at",
        }.get(phase, "date_created")
        return row[column] or row["date_started"] or row["date_created"]

    def _error(self, row):
        if row["state"] != FAILED:
            return None
        return row["error"] or self.env._(
            "Something unexpected went wrong. Your administrator can see what it was."
        )

    def _result(self, row, action):
        if action or row["state"] not in (DONE, CANCELLED) or not row["result"]:
            return None
        return plain_words.shortened(row["result"])
