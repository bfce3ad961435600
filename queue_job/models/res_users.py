# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether a user wishes to hear of the failures of the jobs he has started."""

from odoo import fields, models

PREFERENCE = "notify_failed_jobs"


class ResUsers(models.Model):
    _inherit = "res.users"

    notify_failed_jobs = fields.Boolean(
        string="Tell Me of My Failed Jobs",
        default=True,
        help="You hear of it when background jobs fail which you have started.",
    )

    @property
    def SELF_READABLE_FIELDS(self):
        return [*super().SELF_READABLE_FIELDS, PREFERENCE]

    @property
    def SELF_WRITEABLE_FIELDS(self):
        return [*super().SELF_WRITEABLE_FIELDS, PREFERENCE]
