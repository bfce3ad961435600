# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of jobs: fields, indexes, what users may change, and its upkeep.

A job is written by `Job.store()`, claimed and settled by the runner and the workers
(`claims`, `repository`); this model is what users and other addons see of it.

- Nobody creates a job or changes what it executes through RPC: `create` is private,
  and `write` refuses the protected fields.
- Users cancel jobs, set them to done and requeue them, any number at once.
- A started job is its worker's: it is cancelled by a signal (`queue_job_signal`).
- Each index serves one query and is partial where it can be, so that a waiting
  backlog costs the runner nothing.

The dependencies between jobs, and what a change of state means for them, are in
`queue_job_graph`; the upkeep is in `storage.retention` and
`jobrunner.recovery.stuck_jobs`.
"""

import logging
from random import random
from time import sleep

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools.misc import file_open

from ..core.states import (
    CANCELLED,
    DONE,
    FAILED,
    FINAL,
    PENDING,
    STARTED,
    STATES,
    WAITING,
)
from ..exception import JobCancelled, JobError, RetryableJobError
from ..fields import JobSerialized
from ..job import Job
from ..jobrunner.recovery.stuck_jobs import requeue_stuck
from ..storage.retention import old_job_ids
from ..storage.row_mapper import ENGINE_COLUMNS
from .queue_job_failure_policy import MANAGER_GROUP

_logger = logging.getLogger(__name__)

# What a user may set to done, and cancel without asking a worker.
OPEN_STATES = (*WAITING, FAILED)

# An edge may lead to jobs which the user may not see: none is written by users.
GRAPH_FIELDS = ("dependencies", "graph_uuid")


class QueueJob(models.Model):
    _name = "queue.job"
    _description = "Queue Job"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "queue.job.actions",
        "queue.job.failure.notice",
    ]
    _log_access = False
    _order = "date_created DESC, date_done DESC"

    _removal_interval = 30  # days
    _default_related_action = "related_action_open_record"

    # Compared by identity: a context that came through RPC cannot hold them.
    EDIT_SENTINEL = object()
    PUT_BACK = object()  # by an undo: not a new failure
    _protected_fields = (
        "uuid",
        "name",
        "date_created",
        "model_name",
        "method_name",
        "func_string",
        "channel_method_name",
        "job_function_id",
        "records",
        "args",
        "kwargs",
        "gate",
        "gate_limit",
        "gate_state",
    )

    uuid = fields.Char(string="UUID", readonly=True, required=True)
    graph_uuid = fields.Char(string="Graph UUID", readonly=True, index="btree_not_null")
    user_id = fields.Many2one(comodel_name="res.users", string="User ID")
    company_id = fields.Many2one(comodel_name="res.company", string="Company")
    name = fields.Char(string="Description", readonly=True)
    model_name = fields.Char(string="Model", readonly=True)
    method_name = fields.Char(readonly=True)
    records = JobSerialized(
        string="Record(s)", base_type=models.BaseModel, readonly=True
    )
    args = JobSerialized(base_type=tuple, readonly=True)
    kwargs = JobSerialized(base_type=dict, readonly=True)
    func_string = fields.Char(string="Task", readonly=True)
    state = fields.Selection(selection=STATES, readonly=True, required=True)
    priority = fields.Integer(aggregator=False)
    exc_name = fields.Char(string="Exception", readonly=True)
    exc_message = fields.Char(string="Exception Message", readonly=True, tracking=True)
    exc_info = fields.Text(string="Exception Info", readonly=True)
    result = fields.Text(readonly=True)
    date_created = fields.Datetime(string="Created Date", readonly=True)
    date_started = fields.Datetime(string="Start Date", readonly=True)
    date_enqueued = fields.Datetime(string="Enqueue Time", readonly=True)
    date_done = fields.Datetime(readonly=True)
    date_cancelled = fields.Datetime(readonly=True)
    exec_time = fields.Float(
        string="Execution Time (avg)",
        aggregator="avg",
        readonly=True,
        help="Time required to execute this job in seconds. Average when grouped.",
    )
    eta = fields.Datetime(string="Execute only after")
    retry = fields.Integer(string="Current try")
    max_retries = fields.Integer(
        string="Max. retries",
        help="The job will fail if the number of tries reaches it. 0 means no limit.",
    )
    channel_method_name = fields.Char(string="Complete Method Name", readonly=True)
    job_function_id = fields.Many2one(
        comodel_name="queue.job.function", string="Job Function", readonly=True
    )
    channel = fields.Char()
    identity_key = fields.Char(readonly=True)
    worker_pid = fields.Integer(string="Worker PID", readonly=True)
    worker_host = fields.Char(readonly=True)

    # How the queue works with the row: see claims.py and repository.py.
    claim_token = fields.Integer(default=0, readonly=True)  # of the last claim
    lease_id = fields.Integer(string="Lease", readonly=True)
    scheduled = fields.Boolean(readonly=True, help="Waits for its date.")
    identity_slot = fields.Char(readonly=True)  # the key, while the job holds it
    identity_scope = fields.Selection(
        selection=[("start", "Until it starts"), ("done", "Until it is done")],
        readonly=True,
    )
    timeout = fields.Integer(
        string="Timeout (s)", readonly=True, help="0 or empty means no limit."
    )
    options = fields.Json(readonly=True)
    attempt_ids = fields.One2many(
        comodel_name="queue.job.attempt",
        inverse_name="job_id",
        string="Attempts",
        readonly=True,
    )

    _uuid_uniq = models.UniqueIndex("(uuid)")
    # The next jobs to run, in order (for those that are held, see queue_job_gate).
    _ready_idx = models.Index(
        "(channel, priority, date_created, id)"
        " WHERE state = 'pending' AND scheduled IS NOT TRUE"
    )
    # What runs, to recover it from the dead.
    _in_flight_idx = models.Index("(id) WHERE state IN ('enqueued', 'started')")
    # What waits for its parents, for the sweep that repairs missed releases.
    _waiting_idx = models.Index("(id) WHERE state = 'wait_dependencies'")
    # A sequential channel waits for its failed jobs; the list opens on them.
    _failed_channel_idx = models.Index("(channel) WHERE state = 'failed'")
    # Two transactions cannot both enqueue the same identity key.
    _identity_slot_uniq = models.UniqueIndex(
        "(identity_slot) WHERE identity_slot IS NOT NULL",
        "A job with the same identity key is waiting already.",
    )
    _identity_key_state_partial_index = models.Index(
        "(identity_key) WHERE state IN ('pending', 'enqueued', 'wait_dependencies')"
        " AND identity_key IS NOT NULL"
    )
    # What is old enough to be deleted. Partial, as all the others: each change of a
    # state adds an entry to every index that holds the row.
    _channel_date_done_date_created_index = models.Index(
        "(channel, date_done, date_created) WHERE date_done IS NOT NULL"
    )
    _channel_date_cancelled_idx = models.Index(
        "(channel, date_cancelled) WHERE date_cancelled IS NOT NULL"
    )

    def init(self) -> None:
        """Create the triggers which notify the runner; tune the table."""
        for path in ("queue_job/sql/notify.sql", "queue_job/sql/storage.sql"):
            with file_open(path) as script:
                self.env.cr.execute(script.read())

    @api.model
    def search_panel_select_range(self, field_name, **kwargs) -> dict:
        """Offer the channels in the search panel, without counting any job."""
        if field_name != "channel":
            return super().search_panel_select_range(field_name, **kwargs)
        names = (
            self.env["queue.job.channel"]
            .search_fetch([("complete_name", "!=", False)], ["complete_name"])
            .mapped("complete_name")
        )
        values = [{"id": name, "display_name": name} for name in names]
        return {"parent_field": False, "values": values}

    # -- CRUD ----------------------------------------------------------------------

    @api.private
    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create jobs without a message in their chatter; a date makes them wait."""
        quiet = self.with_context(mail_create_nolog=True, mail_create_nosubscribe=True)
        now = fields.Datetime.now()
        for vals in vals_list:
            eta = fields.Datetime.to_datetime(vals.get("eta"))
            if eta and eta > now and vals.get("state") == PENDING:
                vals.setdefault("scheduled", True)
        return super(QueueJob, quiet).create(vals_list).with_env(self.env)

    def write(self, vals) -> bool:
        """Write values, with the columns that follow from them; tell new failures.

        :raise AccessError: a field that only the queue itself may write
        """
        if self.env.context.get("_job_edit_sentinel") is not self.EDIT_SENTINEL:
            self._check_protected_fields(vals)
        if "user_id" in vals:
            self._hand_records_over(vals["user_id"])
        newly_failed = self.browse()
        put_back = self.env.context.get("_put_back") is self.PUT_BACK
        if vals.get("state") == FAILED and not put_back:
            newly_failed = self.filtered(lambda job: job.state != FAILED)
        for jobs, values in self._split_by_schedule(vals):
            super(QueueJob, jobs).write(values)
        newly_failed._message_post_on_failure()
        return True

    def _check_protected_fields(self, vals):
        protected = set(self._protected_fields)
        if not self.env.su:
            protected.update(ENGINE_COLUMNS, GRAPH_FIELDS)
        denied = [name for name in vals if name in protected]
        if denied:
            raise AccessError(
                self.env._("Not allowed to change field(s): %s", ", ".join(denied))
            )
        if "user_id" in vals:
            self._check_handing_over(vals["user_id"])

    def _split_by_schedule(self, vals):
        """Yield (jobs, values), the values with the columns that follow from them.

        `scheduled` follows from `state` and `eta`; an ended job holds no key.
        """
        if vals.get("state") in FINAL:
            vals = {**vals, "identity_slot": False}
        if "scheduled" in vals or not vals.keys() & {"state", "eta"}:
            return [(self, vals)]
        now = fields.Datetime.now()

        def waits(job):
            eta = fields.Datetime.to_datetime(vals.get("eta", job.eta))
            return vals.get("state", job.state) == PENDING and eta and eta > now

        later = self.filtered(waits)
        parts = [(later, True), (self - later, False)]
        return [(jobs, {**vals, "scheduled": flag}) for jobs, flag in parts if jobs]

    # -- actions -------------------------------------------------------------------
    # An AccessError is raised where the user may not write jobs.

    def _in_states(self, *states):
        return self.filtered(lambda job: job.state in states)

    def button_done(self) -> bool:
        """Set jobs to done without running them; those which wait for them go on."""
        self.check_access("write")
        result = self.env._("Manually set to done by %s", self.env.user.name)
        self.sudo()._in_states(*OPEN_STATES)._change_job_state(DONE, result=result)
        return True

    def button_cancelled(self) -> bool:
        """Cancel jobs and all that wait for them; started ones are stopped."""
        self.check_access("write")
        self.sudo()._cancel(self.env._("Cancelled by %s", self.env.user.name))
        return True

    def cancel(self, message=None) -> bool:
        """Cancel jobs, by a manager or by the user who enqueued them.

        :param message: kept as the result of the jobs
        :raise AccessError: no manager, and not the user's own jobs, or of a function
            whose jobs only managers cancel
        :raise JobCancelled: inside a job that cancels itself: its method ends here
        """
        if not self.env.su and not self.sudo()._are_cancelled_by(self.env.user):
            self.check_access("write")
        default = self.env._("Cancelled by %s", self.env.user.name)
        self.sudo()._cancel(message or default)
        return True

    def _cancel(self, message):
        own_uuid = self.env.context.get("job_uuid")
        if own_uuid and own_uuid in self._in_states(STARTED).mapped("uuid"):
            raise JobCancelled(message)  # by its own method: it ends here
        self._in_states(*OPEN_STATES)._change_job_state(CANCELLED, result=message)
        self._in_states(STARTED)._signal("cancel", message)

    def _signal(self, kind, message):
        """Tell the workers of started jobs to stop (see `queue_job_signal`)."""
        self.env["queue.job.journal"]._add_jobs("cancel", self)
        signals = self.env["queue.job.signal"].sudo()
        signals.create(
            [
                {
                    "job_id": job.id,
                    "claim_token": job.claim_token,
                    "kind": kind,
                    "user_id": self.env.uid,
                    "message": message,
                }
                for job in self
            ]
        )._interrupt_after_commit()

    def requeue(self) -> bool:
        """Run ended jobs again, with those that were cancelled because of them.

        :return: False where some were left out: another job holds their identity key
        :raise UserError: all of them were left out
        """
        self.check_access("write")
        jobs = self.sudo()._in_states(*FINAL)
        holders = jobs._key_holders()
        held = self.sudo().browse(holders)
        if held and held == jobs:
            raise UserError(self._not_requeued_text(holders.values()))
        (jobs - held)._change_job_state(PENDING)
        return not held

    def action_delete_final(self) -> bool:
        """Delete ended jobs, on behalf of a manager.

        :raise AccessError: the user is no manager
        :raise UserError: one of the jobs has not ended
        """
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(MANAGER_GROUP):
            raise AccessError(self.env._("Only job queue managers delete jobs."))
        if self.sudo()._in_states(*FINAL) != self:
            raise UserError(
                self.env._("Only jobs that are done, cancelled or failed are deleted.")
            )
        _logger.info("%s job(s) deleted by user %s", len(self), self.env.uid)
        self.env["queue.job.journal"]._add_jobs("delete", self)
        self.sudo().unlink()
        return True

    def open_related_action(self) -> dict:
        """Open what the job is about, with the rights of the user.

        :return: the action
        :raise UserError: the code of the job is gone, or there is no action
        """
        self.ensure_one()
        self.check_access("read")
        try:
            job = Job.load(self.env, self.uuid)
            _decoded = job.recordset
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(
                self.env._("The code of this job does not exist any more: %s", error)
            ) from error
        action = job.related_action()
        if action is None:
            raise UserError(self.env._("No action available for this job"))
        return action

    def related_action_open_record(self) -> dict | None:
        """Open the records of the job: a form for one, a list for several.

        :return: the action, None if all records are deleted
        """
        self.ensure_one()
        records = self.records.exists()
        if not records:
            return None
        action = {"type": "ir.actions.act_window", "res_model": records._name}
        if len(records) == 1:
            return {
                **action,
                "name": self.env._("Related Record"),
                "view_mode": "form",
                "res_id": records.id,
            }
        return {
            **action,
            "name": self.env._("Related Records"),
            "view_mode": "list,form",
            "domain": [("id", "in", records.ids)],
        }

    @api.model
    def _needaction_domain_get(self) -> list:
        """Return the domain of the jobs that need somebody."""
        return [("state", "=", FAILED)]

    # -- upkeep --------------------------------------------------------------------

    @api.autovacuum
    def _gc_old_jobs(self, limit=1000):
        """Delete old jobs; return their number, and whether there may be more."""
        ids, more = old_job_ids(self, limit)
        self.sudo().browse(ids).unlink()
        return len(ids), more

    @api.model
    @api.private
    def requeue_stuck_jobs(self, enqueued_delta=1, started_delta=-1) -> bool:
        """Put back jobs that nobody runs; a net, the runner does it within seconds.

        :param enqueued_delta: minutes in state enqueued; 0 leaves such jobs alone
        :param started_delta: minutes in state started; 0 leaves such jobs alone, -1
            takes the time after which the server kills a worker (limit_time_real)
        """
        requeue_stuck(self.sudo(), enqueued_delta, started_delta)
        return True

    # -- test jobs -----------------------------------------------------------------

    def _test_job(
        self,
        failure_rate=0,
        job_duration=0,
        commit_within_job=False,
        failure_retry_seconds=0,
    ):
        """Do nothing for a while, and fail now and then."""
        _logger.info("Running test job.")
        if random() <= failure_rate:
            if failure_retry_seconds:
                raise RetryableJobError("Job failed", seconds=failure_retry_seconds)
            raise JobError("Job failed")
        if job_duration:
            sleep(job_duration)
        if commit_within_job:
            self.env.cr.commit()  # pylint: disable=invalid-commit

    def _test_on_fail(self, **kwargs):
        """Do nothing; it is there to be watched."""
