# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who may hear on the bus that something has changed in the queue."""

from odoo import models

from ..jobrunner.session.change_feed import CHANNEL


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Leave the channel of the queue to employees, and to those who read jobs."""
        if CHANNEL in channels and not self._hears_of_jobs():
            channels = [channel for channel in channels if channel != CHANNEL]
        return super()._build_bus_channel_list(channels)

    def _hears_of_jobs(self):
        jobs = self.env["queue.job"]
        return self.env.user._is_internal() or jobs.has_access("read")
