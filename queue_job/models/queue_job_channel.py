# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Channels: how many jobs of a kind run at the same time, and in which order.

Channels are a tree below `root`; a job counts in its channel and in each one above.
The fields are live: a trigger tells the runner of a change at once. A configuration
string of the server (`ODOO_QUEUE_JOB_CHANNELS` and so on) wins where it speaks.

- `capacity`: jobs at the same time; 0 means no limit of its own (root: one job).
- `sequential`: strictly one after the other, failed or postponed ones block.
- `throttle`: seconds between the starts of two jobs.
- `rate_limit`: at most so many starts in any `rate_period` seconds.
- `paused`: starts nothing, neither here nor below (`queue_job_channel_pause.py`).
- `threads`: jobs here and below run in threads, where the server has them.
"""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools.misc import file_open

from ..core.states import CANCELLED, FAILED, PENDING, WAIT_DEPENDENCIES
from ..jobrunner.schedule.channel_config import Origin, canonical_name, split_strip
from ..jobrunner.schedule.rate import DEFAULT_PERIOD
from ..jobrunner.session.config import RunnerConfig
from ..monitoring.effective_settings import (
    capacity_source,
    configuration_source,
    configured_channels,
    effective_settings,
    maxima_of,
)
from ..storage import caches
from .queue_job_failure_policy import SETTINGS

ROOT = "root"

RENAME_CHANNEL_OF_JOBS = """
    UPDATE queue_job SET channel = %(new)s
    WHERE channel = %(old)s AND state = ANY(%(states)s)
    RETURNING id
"""


class QueueJobChannel(models.Model):
    _name = "queue.job.channel"
    _inherit = ["queue.job.failure.policy", "queue.job.channel.declared"]
    _description = "Job Channels"
    _rec_name = "complete_name"
    _order = "complete_name, id"
    # The configuration of each job function holds the name of its channel.
    _cached_fields = {*SETTINGS, "name", "parent_id"}

    name = fields.Char()
    complete_name = fields.Char(
        compute="_compute_complete_name",
        store=True,
        readonly=True,
        recursive=True,
    )
    parent_id = fields.Many2one(
        comodel_name="queue.job.channel",
        string="Parent Channel",
        ondelete="restrict",
    )
    job_function_ids = fields.One2many(
        comodel_name="queue.job.function",
        inverse_name="channel_id",
        string="Job Functions",
    )
    removal_interval = fields.Integer(
        string="Keep Finished Jobs (days)",
        default=lambda self: self.env["queue.job"]._removal_interval,
        required=True,
        help="Done and cancelled jobs of the channel are deleted after this time.",
    )
    failed_removal_interval = fields.Integer(
        string="Keep Failed Jobs (days)",
        help="Failed jobs of the channel are deleted after this time. "
        "0 keeps them until someone deals with them.",
    )
    capacity = fields.Integer(
        help="How many jobs of the channel and of those below it run at the same "
        "time. 0 sets no limit of its own; the root channel then runs one job.",
    )
    capacity_in_force = fields.Char(
        string="In Force",
        compute="_compute_capacity_in_force",
        help="How many jobs may run at the same time, as the job runner obeys it: what "
        "the configuration of the server says, or else the capacity of the channel.",
    )
    capacity_reason = fields.Char(
        string="Comes From",
        compute="_compute_capacity_in_force",
        help="Where the capacity in force comes from: a setting of the server, this "
        "channel, or the default.",
    )
    sequential = fields.Boolean(
        help="Run the jobs strictly one after the other, in their order. A job which "
        "waits for its next attempt blocks those after it.",
    )
    throttle = fields.Integer(
        string="Throttle (s)",
        help="Wait at least so many seconds between the starts of two jobs.",
    )
    rate_limit = fields.Integer(
        string="Starts per Period",
        help="At most so many jobs of the channel and of those below it start in any "
        "period of this length. 0 sets no limit.",
    )
    rate_period = fields.Integer(
        string="Period (s)", default=DEFAULT_PERIOD, help="Length of the period."
    )
    threads = fields.Boolean(
        string="In Threads",
        help="The jobs of the channel and of those below it wait for other servers "
        "most of the time: many of them share a process, each in its own thread. They "
        "must not change what belongs to a process. No effect on a server that has no "
        "threads for jobs.",
    )
    configured = fields.Char(
        string="Server Configuration",
        compute="_compute_configured",
        help="What the configuration of this server says of the channel. It wins over "
        "the capacity, the order, the throttle, the rate and the threads of the form.",
    )

    running_count = fields.Integer(
        string="Running",
        compute="_compute_load",
        help="Jobs of this channel and of those below which are running now.",
    )
    waiting_count = fields.Integer(
        string="Waiting",
        compute="_compute_load",
        help="Jobs of this channel which could run now.",
    )
    oldest_wait = fields.Float(
        string="Longest Wait",
        compute="_compute_load",
        help="For how long the oldest of the waiting jobs could have run, in seconds.",
    )
    fixed_by = fields.Char(
        string="Fixed by",
        compute="_compute_fixed_by",
        help="Where the configuration of the server rules this channel. Its limits "
        "have to be changed there; only the pause works here.",
    )

    _name_uniq = models.Constraint(
        "UNIQUE(complete_name)", "Channel complete name must be unique"
    )

    def init(self) -> None:
        """Create the trigger that notifies the runner of changed channels."""
        with file_open("queue_job/sql/notify_channel.sql") as script:
            self.env.cr.execute(script.read())

    # -- computes and constraints --------------------------------------------------

    @api.depends("name", "parent_id.complete_name")
    def _compute_complete_name(self):
        for channel in self:
            parts = [channel.parent_id.complete_name, channel.name]
            channel.complete_name = (
                ".".join(part for part in parts if part) if channel.name else ""
            )

    @api.depends("complete_name")
    def _compute_display_name(self):
        for channel in self:
            channel.display_name = channel.complete_name

    def _compute_configured(self):
        entries = self._server_configuration()
        for channel in self:
            channel.configured = entries.get(channel.complete_name)

    @api.model
    def _server_configuration(self):
        """Return {complete name: entry} of the configuration string."""
        try:
            text = RunnerConfig.load().channels or ""
        except ValueError:  # reported by the runner
            return {}
        entries = filter(None, split_strip(text.replace("\n", ","), ","))
        return {canonical_name(entry.partition(":")[0]): entry for entry in entries}

    @api.depends("complete_name", "capacity", "sequential")
    def _compute_capacity_in_force(self):
        configured = configured_channels()[0]
        maxima = maxima_of(self.env.cr.dbname)
        leader = self.env["queue.job.dashboard"]._leader()
        words = {None: self.env._("no limit"), 0: self.env._("off")}
        for channel in self:
            name = channel.complete_name
            settings = effective_settings(name, channel, configured, maxima, leader)
            capacity = settings["capacity"]
            channel.capacity_in_force = words.get(capacity) or str(capacity)
            channel.capacity_reason = channel._origin_in_words(settings, maxima)

    def _origin_in_words(self, settings, maxima):
        """Return where the capacity in force comes from."""
        source = capacity_source(settings, maxima)
        if source:
            return self.env._("configuration (%(setting)s)", setting=source)
        if settings["origin"] == Origin.ROW:
            return self.env._("this channel")
        if settings["origin"] == Origin.RUNNER:
            return self.env._("the job runner")
        # nothing sets a limit: root runs what the workers are made for
        return self.env._("default") if settings["capacity"] else False

    @api.depends("complete_name")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_load(self):
        loads = self.env["queue.job.dashboard"].get_channel_loads()
        for channel in self:
            load = loads.get(channel.complete_name, {})
            channel.running_count = load.get("running", 0)
            channel.waiting_count = load.get("waiting", 0)
            channel.oldest_wait = load.get("oldest", 0)

    @api.depends("configured")
    def _compute_fixed_by(self):
        source = configuration_source()
        for channel in self:
            channel.fixed_by = channel.configured and source

    @api.onchange("sequential")
    def _onchange_sequential(self):
        if self.sequential:
            self.capacity = 1

    @api.constrains("parent_id", "name")
    def _check_parent(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A channel cannot be its own parent."))
        for channel in self:
            if channel.name != ROOT and not channel.parent_id:
                raise ValidationError(self.env._("Parent channel required."))

    @api.constrains("capacity", "throttle", "sequential", "rate_limit", "rate_period")
    def _check_limits(self):
        for channel in self:
            if channel.capacity < 0 or channel.throttle < 0:
                raise ValidationError(
                    self.env._("Capacity and throttle cannot be negative.")
                )
            if channel.rate_limit < 0 or (
                channel.rate_limit and channel.rate_period < 1
            ):
                raise ValidationError(
                    self.env._(
                        "A rate needs a number of starts that is not negative, and a "
                        "period of one second or more: %(starts)s starts in %(period)s "
                        "seconds is none.",
                        starts=channel.rate_limit,
                        period=channel.rate_period,
                    )
                )
            if channel.sequential and channel.capacity != 1:
                raise ValidationError(
                    self.env._("A sequential channel needs a capacity of 1.")
                )

    # -- CRUD ----------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create channels; at install, two modules may declare the same one."""
        if not self.env.context.get("install_mode"):
            return super().create(vals_list)
        channels = self.browse()
        for vals in vals_list:
            channels += self._update_declared(vals) or super().create([vals])
        return channels

    def _update_declared(self, vals):
        """Return the existing channel that `vals` declares again, up to date."""
        if not vals.get("name"):
            return self.browse()
        existing = self.search(
            [
                ("name", "=", vals["name"]),
                ("parent_id", "=", vals.get("parent_id", False)),
            ],
            limit=1,
        )
        if existing and not existing.get_metadata()[0].get("noupdate"):
            existing.write(vals)
        return existing

    def write(self, vals) -> bool:
        """Write values; jobs that still have to run follow a channel that moves.

        :raise UserError: the root channel would move
        """
        moves = bool(vals.keys() & {"name", "parent_id"})
        if not moves:
            return super().write(vals)
        self._check_root_stays()
        old_names = self._names_below()
        result = super().write(vals)
        self._rename_jobs(old_names)
        return result

    def _check_root_stays(self):
        if self.env.su and self.env.context.get("install_mode"):
            return
        if any(channel.name == ROOT and not channel.parent_id for channel in self):
            raise UserError(self.env._("Cannot change the root channel"))

    def _names_below(self):
        """Return {channel: complete name} of the channels and all below them."""
        below = self.search([("id", "child_of", self.ids)])
        return {channel: channel.complete_name for channel in below | self}

    def _rename_jobs(self, old_names):
        """Let the jobs which still have to run follow their channel.

        Ended jobs keep the name under which they ran, started ones are their
        worker's alone.
        """
        self.flush_model(["name", "parent_id", "complete_name"])
        self.env["queue.job"].flush_model(["channel", "state"])
        states = [WAIT_DEPENDENCIES, PENDING, FAILED, CANCELLED]
        renamed = []
        for channel, old in old_names.items():
            if channel.complete_name != old:
                self.env.cr.execute(
                    RENAME_CHANNEL_OF_JOBS,
                    {"old": old, "new": channel.complete_name, "states": states},
                )
                renamed += [job_id for (job_id,) in self.env.cr.fetchall()]
        caches.written(self.env, renamed, ["channel"])

    @api.ondelete(at_uninstall=False)
    def _unlink_except_root(self):
        if any(channel.name == ROOT and not channel.parent_id for channel in self):
            raise UserError(self.env._("Cannot remove the root channel"))

    # -- actions -------------------------------------------------------------------

    def action_open_jobs(self) -> dict:
        """Return the action that opens the jobs of these channels."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {**action, "domain": [("channel", "in", self.mapped("complete_name"))]}
