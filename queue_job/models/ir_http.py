# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A page of the web client knows from the start how many jobs its user has."""

from odoo import models


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    def session_info(self) -> dict:
        """Return what the client knows of the session, with the news of the jobs."""
        info = super().session_info()
        if self.env.user._is_internal():
            info["queue_job"] = self.env["queue.job.mine"].get_news()
        return info
