# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Scheduled actions as jobs.

The cron worker keeps the calendar: it decides when a scheduled action is due, and
reschedules it. Where ``run_as_queue_job`` is set, it enqueues a job instead of running
the server action, so that the action gets a channel, retries and a trace.

In the job the server action finds what it finds in a cron worker: the context keys
``lastcall``, ``cron_id`` and ``cron_end_time``, and a progress record for
``_commit_progress()``. An action which reports work left to do runs again, in the same
job until ``cron_end_time``, then in a new one, so that other jobs of the channel get
their turn.

No parallel run: a job is not enqueued twice while it waits (identity key), and one that
starts while the former still runs is postponed. It is not dropped: the former may have
looked for its work before this one was triggered.
"""

import logging
import time
from contextlib import contextmanager
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.base.models.ir_cron import MIN_TIME_PER_JOB
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import STARTED, identity_exact
from odoo.addons.queue_job.utils import must_run_without_delay

_logger = logging.getLogger(__name__)

# Seconds until an action that could do nothing of the work it sees tries again, as
# long as the pause of the cron workers between two looks.
IDLE_PAUSE_SECONDS = 60
# Seconds until a run that met another one tries again.
PARALLEL_PAUSE_SECONDS = 5


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

    def method_direct_trigger(self) -> bool:
        """Run the actions now; those that run as jobs are enqueued.

        :raise AccessError: the user may not write scheduled actions
        """
        queued = self.filtered("run_as_queue_job")
        if queued:
            self.browse().check_access("write")
        for cron in queued:
            scheduled = cron.with_user(cron.user_id)
            scheduled = scheduled.with_context(lastcall=cron.lastcall)
            server_action = cron.ir_actions_server_id.with_env(scheduled.env)
            scheduled._delay_run_job_as_queue_job(server_action=server_action)
        direct = self - queued
        return super(IrCron, direct).method_direct_trigger() if direct else True

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

    def _delay_run_job_as_queue_job(self, server_action, eta=None):
        """Enqueue one run of the server action, as the user of the environment."""
        self.ensure_one()
        cron = self.sudo()
        return self.with_delay(
            priority=cron.priority,
            eta=eta,
            description=cron.name,
            channel=cron.channel_id.complete_name,
            identity_key=identity_exact if cron.no_parallel_queue_job_run else None,
        )._run_job_as_queue_job(server_action=server_action)

    # -- run -------------------------------------------------------------------------

    def _run_job_as_queue_job(self, server_action):
        """Run the server action; enqueue another run if it reports work left.

        Of the model itself, without a scheduled action, the server action simply runs.
        """
        if not self:
            return server_action.run()
        self.ensure_one()
        self._check_no_parallel_run()
        with self._run_env(server_action.env) as env:
            progress = self.with_env(env)._run_until_done(server_action)
            done, remaining = progress.done, progress.remaining
            if progress.deactivate:
                self.env.cr.postcommit.add(self._deactivate_finished)
        # Without delay the next run would start here, and never find an end.
        if remaining and not must_run_without_delay(self.env):
            self._delay_remaining_work(server_action, done)
        return None

    def _check_no_parallel_run(self):
        """Postpone the current job while another one of this action runs."""
        job_uuid = self.env.context.get("job_uuid")
        if not job_uuid or not self.sudo().no_parallel_queue_job_run:
            return
        jobs = self.env["queue.job"].sudo()
        key = jobs.search([("uuid", "=", job_uuid)]).identity_key
        domain = [
            ("state", "=", STARTED),
            ("identity_key", "=", key),
            ("uuid", "!=", job_uuid),
        ]
        if key and jobs.search_count(domain, limit=1):
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

    def _run_until_done(self, server_action):
        """Run the action while it gets on and time is left; return its progress."""
        while True:
            cron, progress = self._add_progress()
            server_action.with_env(cron.env).run()
            gets_on = progress.done and progress.remaining
            if not gets_on or time.monotonic() >= self.env.context["cron_end_time"]:
                return progress

    def _delay_remaining_work(self, server_action, done):
        eta = None
        if not done:
            _logger.warning(
                "Job %r (%s) processed no record", self.sudo().cron_name, self.id
            )
            eta = timedelta(seconds=IDLE_PAUSE_SECONDS)
        self._delay_run_job_as_queue_job(server_action=server_action, eta=eta)

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
