# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The methods of `queue.job` that other addons override."""

from odoo import api, fields, models


class QueueJob(models.Model):
    _inherit = "queue.job"

    contract_tag = fields.Char()
    contract_writes = fields.Integer()

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            vals["contract_writes"] = 1
        return super().create(vals_list)

    def write(self, vals):
        if "state" in vals:
            vals = dict(vals, contract_writes=sum(self.mapped("contract_writes")) + 1)
        return super().write(vals)

    def _subscribe_users_domain(self):
        domain = super()._subscribe_users_domain()
        domain.append(("login", "=", "admin"))
        return domain

    def _message_post_on_failure(self):
        result = super()._message_post_on_failure()
        for job in self:
            job.contract_tag = f"{job.contract_tag}, told"
        return result

    def _message_failed_job(self):
        return f"{super()._message_failed_job()} Said the addon."

    def related_action_contract_probe(self, view="form"):
        """Open the partner of the job, as in the manual's example."""
        self.ensure_one()
        model = self.model_name
        return {
            "name": "Probe",
            "type": "ir.actions.act_window",
            "view_mode": view,
            "res_model": model,
            "res_id": self.records.id,
        }
