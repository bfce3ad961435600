# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is in the channels now, and which settings really rule them.

A channel that the server's configuration string names is ruled by it; its form only
adds the pause. All others are ruled by their form.
"""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..jobrunner.channel_config import as_boolean, canonical_name, parse
from ..jobrunner.config import ENV_PREFIX, SECTION, RunnerConfig, environment

ENV_CHANNELS = f"{ENV_PREFIX}CHANNELS"

RULED = ("capacity", "sequential", "throttle")


def configured_channels():
    """Return ({channel: its entry in the configuration string}, error or "")."""
    try:
        text = RunnerConfig.load().channels or ""
        return {canonical_name(entry["name"]): entry for entry in parse(text)}, ""
    except ValueError as error:
        return {}, str(error)


def configuration_source():
    """Return where the configuration string stands."""
    if environment().get(ENV_CHANNELS):
        return ENV_CHANNELS
    return f"[{SECTION}] channels"


def effective_settings(name, channel, configured=None):
    """Return the settings that are in force for a channel.

    :param channel: its record, or an empty one, or None
    :param configured: what `configured_channels` returned first, to save a reading
    """
    entries = configured_channels()[0] if configured is None else configured
    entry = entries.get(name)
    paused = bool(channel and channel.paused)
    if entry is not None:
        return {
            "capacity": entry["capacity"],
            "sequential": as_boolean(entry.get("sequential")),
            "throttle": int(entry.get("throttle") or 0),
            "paused": paused or as_boolean(entry.get("paused")),
            "fixed": configuration_source(),
        }
    capacity = channel.capacity if channel else 0
    return {
        "capacity": capacity or (1 if name == "root" else 0),
        "sequential": bool(channel and channel.sequential),
        "throttle": channel.throttle if channel else 0,
        "paused": paused,
        "fixed": "",
    }


class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

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
        string="Longest Wait (s)",
        compute="_compute_load",
        help="Seconds for which the oldest of the waiting jobs could have run.",
    )
    fixed_by = fields.Char(
        string="Fixed by",
        compute="_compute_fixed",
        help="The configuration of the server which rules this channel. It has to be "
        "changed there; only the pause works here.",
    )
    fixed_settings = fields.Char(string="In Force", compute="_compute_fixed")

    @api.depends("complete_name")
    def _compute_load(self):
        loads = self.env["queue.job.dashboard"].get_channel_loads()
        for channel in self:
            load = loads.get(channel.complete_name, {})
            channel.running_count = load.get("running", 0)
            channel.waiting_count = load.get("waiting", 0)
            channel.oldest_wait = load.get("oldest", 0)

    @api.depends("complete_name")
    def _compute_fixed(self):
        configured = configured_channels()[0]
        for channel in self:
            name = channel.complete_name
            fixed = name in configured
            channel.fixed_by = fixed and configuration_source()
            channel.fixed_settings = fixed and self._settings_text(configured[name])

    def _settings_text(self, entry):
        parts = [self.env._("capacity %s", entry["capacity"] or self.env._("unlimited"))]
        for key, value in entry.items():
            if key not in ("name", "capacity"):
                parts.append(key if value is True else f"{key} {value}")
        return ", ".join(parts)

    def write(self, vals):
        changed = [name for name in RULED if name in vals]
        if changed and not self.env.context.get("install_mode"):
            self._check_not_fixed(vals, changed)
        return super().write(vals)

    def _check_not_fixed(self, vals, changed):
        """Refuse a change that would have no effect."""
        for channel in self:
            if channel.fixed_by and any(channel[n] != vals[n] for n in changed):
                raise UserError(
                    self.env._(
                        "Channel %(channel)s is ruled by the configuration of the"
                        " server (%(source)s): %(settings)s. Change it there.",
                        channel=channel.complete_name,
                        source=channel.fixed_by,
                        settings=channel.fixed_settings,
                    )
                )

    def action_pause_all(self):
        """Start no more jobs at all."""
        self.search([("parent_id", "=", False)]).action_pause()
        return True

    def action_resume_all(self):
        """Resume all channels."""
        self.search([("paused", "=", True)]).action_resume()
        return True

    def action_open_jobs(self):
        """Open the jobs which wait or run in these channels."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {**action, "domain": [("channel", "in", self.mapped("complete_name"))]}
