# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the jobs of a scheduled action are shown to who has run it by hand."""

from odoo import models


class QueueJob(models.Model):
    _inherit = "queue.job"

    def _action_of_triggered(self):
        """Return the action which shows jobs that were made, or waited already.

        True if there are none, because jobs run at once.
        """
        if not self:
            return True
        if not self.has_access("read"):
            return {
                "type": "ir.actions.client",
                "tag": "display_notification",
                "params": {
                    "type": "success",
                    "message": self.env._(
                        "Enqueued as job %s.", ", ".join(self.sudo().mapped("uuid"))
                    ),
                },
            }
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Jobs"),
            "res_model": self._name,
            "view_mode": "list,form",
            "domain": [("id", "in", self.ids)],
        }
        if len(self) == 1:
            action.update(view_mode="form", res_id=self.id)
        return action
