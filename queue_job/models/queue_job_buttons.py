# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The buttons in the header of a job's form.

They have the names of the methods that code calls, because views of other addons look
for them. From the form, which says so in the context, they are changes of one job: they
say what has changed, offer to undo it, and never run a done job again on a stale page.
"""

from odoo import models

#: Context key: a button of the form was clicked.
FROM_FORM = "queue_job_from_form"


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    def requeue(self) -> bool | dict:
        """Run ended jobs again; from the form, those that have failed."""
        clicked = self._clicked()
        return super().requeue() if clicked is None else clicked.action_requeue()

    def button_done(self) -> bool | dict:
        """Set jobs to done without running them; those which wait for them go on."""
        clicked = self._clicked()
        return super().button_done() if clicked is None else clicked.action_set_done()

    def button_cancelled(self) -> bool | dict:
        """Cancel jobs and all that wait for them; started ones are stopped."""
        clicked = self._clicked()
        if clicked is None:
            return super().button_cancelled()
        return clicked.action_cancel()

    def cancel(self, message=None) -> bool | dict:
        """Cancel jobs, by a manager or by the user who enqueued them."""
        clicked = self._clicked()
        return super().cancel(message) if clicked is None else clicked.action_cancel()

    def _clicked(self):
        """Return the jobs without the context key; None where no button was clicked."""
        if not self.env.context.get(FROM_FORM):
            return None
        return self.with_context(**{FROM_FORM: False})
