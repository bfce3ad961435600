# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Scheduled actions as jobs.

The cron worker keeps the calendar: it decides when a scheduled action is due, and
reschedules it. Where ``run_as_queue_job`` is set, it enqueues a job instead of running
the server action, so that the action gets a channel, retries and a trace.

In the job the server action finds what it finds in a cron worker: the context keys
``lastcall``, ``cron_id`` and ``cron_end_time``, and a progress record for
``_commit_progress()``. An action which reports work left to do runs again, in the same
job until ``cron_end_time``, then in a new one, so that other jobs of the channel get
their turn. So does one that raises after it has committed some progress. An action that
is switched off while its job waits does not run.

No parallel run: a job is not enqueued twice while it waits (identity key), and one that
starts while the former still runs is postponed. It is not dropped: the former may have
looked for its work before this one was triggered.
"""

import logging
import time
from contextlib import contextmanager
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.base.models.ir_cron import MIN_TIME_PER_JOB, CompletionStatus
from odoo.addons.queue_job.exception import (
    BaseQueueJobError,
    FailedJobError,
    RetryableJobError,
)
from odoo.addons.queue_job.job import STARTED, Job, identity_exact
from odoo.addons.queue_job.utils import must_run_without_delay

_logger = logging.getLogger(__name__)

# Seconds until an action that could do nothing of the work it sees tries again, as
# long as the pause of the cron workers between two looks.
IDLE_PAUSE_SECONDS = 60
# Seconds until a run that met another one tries again.
PARALLEL_PAUSE_SECONDS = 5
# Key of the context with the :class:`_Run` to which an action reports.
_RUN = "queue_job_cron_run"


class IrCron(models.Model):
    _inherit = "ir.cron"

    run_as_queue_job = fields.Boolean(
        help="Enqueue a job when the action is due, instead of running it at once "
        "in a cron worker.",
    )
    no_parallel_queue_job_run = fields.Boolean(
        string="No Parallel Run",
        default=True,
        help="Never run two jobs of this action at the same time, nor keep two of "
        "them waiting.",
    )
    allow_commit = fields.Boolean(
        help="Run the action in a transaction of its own, committed when it ends, even "
        "where commits are forbidden in jobs. Work that has been committed is not "
        "undone when the job fails later.",
    )
    channel_id = fields.Many2one(
        comodel_name="queue.job.channel",
        compute="_compute_run_as_queue_job",
        store=True,
        readonly=False,
        string="Channel",
    )

    @api.depends("run_as_queue_job")
    def _compute_run_as_queue_job(self):
        default_channel = self.env.ref(
            "queue_job_cron.channel_root_ir_cron", raise_if_not_found=False
        )
        for cron in self:
            if not cron.channel_id:
                cron.channel_id = cron.run_as_queue_job and default_channel

    @api.onchange("run_as_queue_job")
    def _onchange_run_as_queue_job(self):
        if not self.run_as_queue_job:
            self.allow_commit = False

    @api.model
    def _job_prepare_context_before_enqueue_keys(self):
        return (*super()._job_prepare_context_before_enqueue_keys(), "lastcall")

    # -- enqueue ---------------------------------------------------------------------

    def method_direct_trigger(self) -> bool | dict:
        """Run the actions now; those that run as jobs are enqueued.

        :return: for jobs, an action which shows them
        :raise AccessError: the user may not write scheduled actions
        :raise UserError: a cron worker has one of them in hand
        """
        queued = self.filtered("run_as_queue_job")
        shown = queued._trigger_jobs() if queued else True
        direct = self - queued
        done = super(IrCron, direct).method_direct_trigger() if direct else True
        return shown if done is True else done

    def _trigger_jobs(self):
        """Enqueue the actions as cron workers do, and return what shows the jobs."""
        self.browse().check_access("write")
        self.env.invalidate_all(flush=True)
        jobs = self.env["queue.job"]
        for cron in self:
            row = self._acquire_one_job(self.env.cr, cron.id, include_not_ready=True)
            if not row:
                raise UserError(self.env._("Job '%s' already executing", cron.name))
            scheduled = cron.with_user(cron.user_id)
            scheduled = scheduled.with_context(lastcall=cron.lastcall)
            server_action = cron.ir_actions_server_id.with_env(scheduled.env)
            job = scheduled._delay_run_job_as_queue_job(
                server_action=server_action, even_inactive=not cron.active
            )
            jobs += (job.db_record() if isinstance(job, Job) else job).sudo(False)
            cron._note_trigger(row)
        return jobs.with_env(self.env)._action_of_triggered()

    def _note_trigger(self, row):
        """Write what a cron worker writes when an action was run.

        :param row: of the action, with its lock
        """
        calendar = api.Environment(self.env.cr, row["user_id"], {})[self._name]
        calendar._clear_schedule(row)
        calendar._update_failure_count(row, CompletionStatus.FULLY_DONE)
        calendar._reschedule_later(row)
        self.invalidate_recordset()

    def _callback(self, cron_name, server_action_id):
        self.ensure_one()
        if not self.sudo().run_as_queue_job:
            return super()._callback(cron_name, server_action_id)
        server_action = self.env["ir.actions.server"].browse(server_action_id)
        try:
            self._delay_run_job_as_queue_job(server_action=server_action)
            self.env.flush_all()
        except Exception:
            # As Odoo does: the worker goes on with this cursor.
            self.env.cr.rollback()
            raise
        return None

    def _delay_run_job_as_queue_job(self, server_action, eta=None, even_inactive=False):
        """Enqueue one run of the server action, as the user of the environment.

        :param even_inactive: run it although the scheduled action is switched off
        """
        self.ensure_one()
        cron = self.sudo()
        # Only if it is set, for it is part of the identity key.
        options = {"even_inactive": True} if even_inactive else {}
        return self.with_delay(
            priority=cron.priority,
            eta=eta,
            description=cron.name,
            channel=cron.channel_id.complete_name,
            identity_key=identity_exact if cron.no_parallel_queue_job_run else None,
        )._run_job_as_queue_job(server_action=server_action, **options)

    # -- run -------------------------------------------------------------------------

    def _run_job_as_queue_job(self, server_action, even_inactive=False):
        """Run the server action; enqueue another run if it reports work left.

        Of the model itself, without a scheduled action, the server action simply runs.

        :param even_inactive: run it although the scheduled action is switched off
        :return: for people: why it did not run, or after which error it went on
        """
        if not self:
            return server_action.run()
        self.ensure_one()
        if not even_inactive and not self.sudo().exists().active:
            return self.env._("Not run: the scheduled action is switched off.")
        self._check_user()
        self._check_no_parallel_run()
        with self._run_env(server_action.env) as env:
            run = _Run(self.with_env(env), server_action)
            run.until_done()
            progress = run.progress
            done, remaining = progress.done, progress.remaining
            if progress.deactivate:
                self.env.cr.postcommit.add(self._deactivate_finished)
        # Without delay the next run would start here, and never find an end.
        if remaining and not must_run_without_delay(self.env):
            self._delay_remaining_work(server_action, done, even_inactive)
        if run.error:
            return self.env._("Went on after an error: %s", run.error)
        return None

    def _commit_progress(self, *args, **kwargs) -> float:
        """Commit and log progress; the run of a job is told that there is some."""
        seconds = super()._commit_progress(*args, **kwargs)
        run = self.env.context.get(_RUN)
        if isinstance(run, _Run):
            run.has_committed = True
        return seconds

    def _check_user(self):
        """Refuse to run for a user who is archived, as a cron worker does."""
        user = self.env.user
        if not user.active and user != self.env.ref("base.user_root"):
            raise FailedJobError(
                self.env._("Not run: the user %s is archived.", user.login)
            )

    def _check_no_parallel_run(self):
        """Postpone the current job while another one of this action runs."""
        job_uuid = self.env.context.get("job_uuid")
        if not job_uuid or not self.sudo().no_parallel_queue_job_run:
            return
        domain = [
            ("state", "=", STARTED),
            ("model_name", "=", self._name),
            ("method_name", "=", "_run_job_as_queue_job"),
            ("uuid", "!=", job_uuid),
        ]
        # not by the identity key: that of a manual run is another one
        others = self.env["queue.job"].sudo().search(domain)
        if any(job.records == self for job in others):
            raise RetryableJobError(
                self.env._("This scheduled action is still running."),
                seconds=PARALLEL_PAUSE_SECONDS,
                ignore_retry=True,
            )

    @contextmanager
    def _run_env(self, env):
        """Give the environment of the run: the job's, or one which may commit."""
        # From the action's environment: without job_uuid, so that methods which
        # delay themselves are delayed, as in a cron worker.
        context = dict(
            env.context,
            lastcall=self.env.context.get("lastcall"),
            cron_id=self.id,
            cron_end_time=time.monotonic() + MIN_TIME_PER_JOB,
        )
        if self.sudo().allow_commit:
            with self.env.registry.cursor() as cr:
                yield env(cr=cr, context=context)
        else:
            yield env(context=context)

    def _delay_remaining_work(self, server_action, done, even_inactive):
        eta = None
        if not done:
            _logger.warning(
                "Job %r (%s) processed no record", self.sudo().cron_name, self.id
            )
            eta = timedelta(seconds=IDLE_PAUSE_SECONDS)
        self._delay_run_job_as_queue_job(
            server_action=server_action, eta=eta, even_inactive=even_inactive
        )

    def _deactivate_finished(self):
        """Switch the cron off, as its action asked with ``_commit_progress``.

        Not in the job's transaction: its snapshot is often older than the rescheduling
        by the cron worker, so that the job would fail at its end.
        """
        try:
            with self.env.registry.cursor() as cr:
                # Waits for a cron worker at this row instead of failing because of it.
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cr.execute("UPDATE ir_cron SET active = false WHERE id = %s", [self.id])
        except Exception:
            # The job has been committed: nothing may undo it any more.
            _logger.exception("Cron %s could not be deactivated", self.id)


class _Run:
    """The runs of a server action in one job.

    :param cron: the scheduled action in the environment of the run, whose cursor may be
        committed and rolled back
    """

    def __init__(self, cron, server_action):
        self.cron = cron.with_context(**{_RUN: self})
        self.server_action = server_action
        #: record of the last run
        self.progress = None
        #: text of the last error after which it went on
        self.error = None
        #: whether the last run has committed progress
        self.has_committed = False

    def until_done(self):
        """Run the action while it gets on and time is left.

        :raise Exception: what the action raised, if it has committed no progress
        """
        while True:
            cron, self.progress = self.cron._add_progress()
            self._run(cron)
            gets_on = self.progress.done and self.progress.remaining
            end = self.cron.env.context["cron_end_time"]
            if not gets_on or time.monotonic() >= end:
                return

    def _run(self, cron):
        self.has_committed = False
        try:
            self.server_action.with_env(cron.env).run()
        except Exception as error:
            of_queue = _of_the_queue(error)
            if of_queue not in (None, error):
                raise of_queue from None
            if of_queue:
                raise
            if not self.has_committed:
                raise
            self._undo()
            if not (self.progress.done and self.progress.remaining):
                raise
            self.error = str(error)
            _logger.exception(
                "Job %r (%s) goes on with what remains", cron.sudo().cron_name, cron.id
            )

    def _undo(self):
        """Undo what the action did after its last commit."""
        env = self.cron.env
        env.registry.reset_changes()
        env.cr.rollback()


def _of_the_queue(error):
    """Return what the queue, or the action, says to the job, None for other errors.

    The code of a server action raises all errors as a ValueError.
    """
    while error is not None:
        if isinstance(error, BaseQueueJobError):
            return error
        error = error.__cause__ or error.__context__
    return None
