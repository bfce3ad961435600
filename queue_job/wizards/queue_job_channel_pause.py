# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The dialog that asks why, and until when, channels are paused."""

from odoo import api, fields, models


class QueueJobChannelPause(models.TransientModel):
    _name = "queue.job.channel.pause"
    _description = "Pause Channels"

    channel_ids = fields.Many2many("queue.job.channel", string="Channels")
    effect = fields.Char(compute="_compute_effect")
    reason = fields.Char(help="Shown beside the channel, and kept in the journal.")
    until = fields.Datetime(
        help="The pause ends by itself at this time. Empty: it lasts until somebody "
        "resumes the channel."
    )

    @api.depends("channel_ids")
    def _compute_effect(self):
        for dialog in self:
            channels = dialog.channel_ids
            if all(channel.parent_id for channel in channels):
                dialog.effect = self.env._(
                    "No job of %(channels)s or below starts any more. Running jobs go "
                    "on.",
                    channels=", ".join(channels.mapped("complete_name")),
                )
            else:
                dialog.effect = self.env._(
                    "No job starts any more: root holds all channels. The pause of "
                    "each other channel stays as it is. Running jobs go on."
                )

    def action_pause(self) -> dict:
        """Pause the channels.

        :raise AccessError: the user may not change them
        :raise ValidationError: the time has passed
        """
        self.ensure_one()
        self.channel_ids.action_pause(self.reason, self.until)
        return {"type": "ir.actions.act_window_close"}
