# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Partners that are pushed to a shop."""

from odoo import models

from odoo.addons.queue_job.exception import RetryableJobError


class ResPartner(models.Model):
    _inherit = "res.partner"

    def action_push(self):
        """Push to the shop, and show when that is done."""
        job = self.with_delay(
            priority="high",
            identity_key=f"push-{self.id}",
            description=self.env._("Push %s", self.name),
        )._push({1: "shop", 2: ("main", "spare")})
        return job.wait_action()

    def _push(self, shops):
        try:
            self.ref = self._call_shop(shops[2][0])
        except ConnectionError as error:
            raise RetryableJobError(str(error), seconds=600) from error
        return {"type": "ir.actions.act_window", "res_model": self._name}

    def _call_shop(self, name):
        return f"{shop_prefix()}{name}"


def shop_prefix():
    """Return what the references of all shops begin with."""
    return "shop-"
