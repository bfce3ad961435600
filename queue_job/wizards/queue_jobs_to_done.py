# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Set the selected jobs to done, without running them."""

from odoo import models

from ..core.mass_changes import SET_DONE


class SetJobsToDone(models.TransientModel):
    _name = "queue.jobs.to.done"
    _inherit = ["queue.requeue.job"]
    _description = "Set all selected jobs to done"
    _job_change = SET_DONE

    def set_done(self) -> dict:
        """Set the selected jobs to done.

        :return: the action that closes the dialog, or shows the progress
        """
        return self._change_by_code(SET_DONE)
