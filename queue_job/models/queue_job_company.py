# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who may change what holds for the jobs of all companies: channels and job functions.

A channel may belong to a company. The managers who may work in it change the channel
and the job functions in it. Every other channel holds jobs of all companies: those who
may work in all of them change it, and administrators. The rules of access are in
`security/security.xml`.
"""

from odoo import api, fields, models


# pylint: disable=consider-merging-classes-inherited
class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    company_id = fields.Many2one(
        comodel_name="res.company",
        string="Changed by Company",
        ondelete="set null",
        help="Those who may work in this company change the settings of the channel. "
        "Empty: those who may work in all companies, and administrators.",
    )
    may_change = fields.Boolean(
        compute="_compute_may_change",
        help="Whether you may change the channel: it may belong to other companies.",
    )

    @api.depends("company_id")
    @api.depends_context("uid")
    def _compute_may_change(self):
        allowed = self._filtered_access("write")
        for channel in self:
            # one that is being made is judged when it is saved
            channel.may_change = not channel.id or channel in allowed

    def write(self, vals) -> bool:
        """Write values; a channel stays with those who may change it.

        :raise AccessError: it would be given to a company in which you don't work
        """
        result = super().write(vals)
        if "company_id" in vals:
            self.check_access("write")
        return result


# pylint: disable=consider-merging-classes-inherited
class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    #: What decides for which jobs, of all companies, a function holds, and whose it is.
    _of_all_companies = {
        *("name", "model_id", "method", "former_names"),
        *("channel_id", "channel"),
    }

    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create job functions: they hold for the jobs of all companies.

        :raise AccessError: you don't work in all companies
        """
        self._check_all_companies()
        return super().create(vals_list)

    def write(self, vals) -> bool:
        """Write values; which jobs they hold for is a matter of all companies.

        :raise AccessError: you don't work in all companies
        """
        if vals.keys() & self._of_all_companies:
            self._check_all_companies()
        return super().write(vals)

    def _check_all_companies(self):
        self.env.ref("queue_job.channel_root").check_access("write")
