# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Cancel the selected jobs, and stop those which run."""

from odoo import models

from ..core.mass_changes import CANCEL


class SetJobsToCancelled(models.TransientModel):
    _name = "queue.jobs.to.cancelled"
    _inherit = ["queue.requeue.job"]
    _description = "Cancel all selected jobs"
    _job_change = CANCEL

    def set_cancelled(self) -> dict:
        """Cancel the selected jobs, and those that wait for them.

        :return: the action that closes the dialog, or shows the progress
        """
        return self._change_by_code(CANCEL)
