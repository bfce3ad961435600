# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is in the channels now, and which settings really rule them.

A channel that the server's configuration string names is ruled by it; its form only
adds the pause. All others are ruled by their form.
"""

from odoo import api, fields, models

from ..monitoring.effective_settings import configuration_source


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
        compute="_compute_fixed_by",
        help="Where the configuration of the server rules this channel. Its limits "
        "have to be changed there; only the pause works here.",
    )

    @api.depends("complete_name")
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
