# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A message about the end of a job leads customers to their portal."""

from odoo import api, models


class QueueJobNotice(models.Model):
    _inherit = "queue.job.notice"

    @api.model
    def _my_jobs_url(self, partner):
        if any(user._is_internal() for user in partner.user_ids):
            return super()._my_jobs_url(partner)
        return f"{self.get_base_url()}/my/jobs"
