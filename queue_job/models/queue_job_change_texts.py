# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users are told of a change of jobs: how many changed, and why others did not.

A job that holds an identity key is named to those who may read it.
"""

from collections import Counter

from markupsafe import escape

from odoo import api, models

from ..core import mass_changes, undo
from ..core.mass_changes import BUSY, CANCEL, KEY_HELD, REQUEUE, SET_DONE
from ..settle import chatter


class QueueJobActions(models.AbstractModel):
    _inherit = "queue.job.actions"

    def _told(self, text, counts, left, holders=()):
        """Return the notification of a change, with what was left out and why.

        :param text: of what was changed
        :param counts: {"changed" or reason: jobs} of those which were touched
        :param left: {reason: jobs} of those which were left out before
        :param holders: ids of some jobs that hold the identity keys of others
        """
        reasons = Counter(left) + Counter(counts)
        lines = [
            self.env._("%(count)s left out: %(reason)s.", count=count, reason=why)
            for reason, why in self._reason_texts(holders).items()
            if (count := reasons[reason])
        ]
        kind = "success" if counts["changed"] else "warning"
        return self._notification(kind, " ".join([text, *lines]))

    def _told_stopped(self):
        """Return the notification of a change that was stopped between two parts."""
        return self._notification(
            "warning",
            self.env._(
                "Stopped. What was changed until then stays so, and stands in the"
                " journal; the rest is as it was."
            ),
        )

    @api.model
    def _notification(self, kind, message):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": kind,
                "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.model
    def _holders_text(self, holders):
        """Return that other jobs hold a key, with the uuids of visible ones."""
        # the caller may be superuser on behalf of somebody
        visible = self.sudo(False).browse(holders).exists()._filtered_access("read")
        if not visible:
            return self.env._("another job with the same identity key waits")
        return self.env._(
            "another job with the same identity key waits: %s",
            ", ".join(visible.mapped("uuid")),
        )

    @api.model
    def _not_requeued_text(self, holders):
        """Return why a requeue did nothing, and what helps.

        :param holders: ids of the jobs that hold the identity keys
        """
        return self.env._(
            "Not requeued: %s. It does the same work; cancel it to run this one.",
            self._holders_text(mass_changes.some_of(holders)),
        )

    @api.model
    def _reason_texts(self, holders=()):
        """Return {reason why a job is left out: its text}.

        :param holders: ids of some jobs that hold the identity keys of others
        """
        return {
            mass_changes.NOT_ASKED: self.env._(
                "done or cancelled, and not chosen to run again"
            ),
            mass_changes.STILL_TO_RUN: self.env._("waiting or running already"),
            mass_changes.RUNNING: self.env._("running now"),
            mass_changes.ENDED: self.env._("done or cancelled already"),
            KEY_HELD: self._holders_text(holders),
            undo.BUILT_ON: self.env._("a job that waited for it has begun"),
            undo.PARENT_STAYS: self.env._("a job that it waited for is not put back"),
            undo.CHANGED_SINCE: self.env._("changed since by somebody else, or run"),
            undo.GONE: self.env._("deleted, or not visible to you"),
            undo.NOT_KEPT: self.env._(
                "only the first 100,000 jobs of a change can be put back"
            ),
            BUSY: self.env._("a worker or another user is changing them"),
        }

    def _note_reason(self, change, reason):
        """Keep in the chatter of the jobs why a user changed them."""
        if not reason:
            return
        text = {
            REQUEUE: self.env._("Requeued: %s", reason),
            SET_DONE: self.env._("Set to done: %s", reason),
            CANCEL: self.env._("Cancelled: %s", reason),
        }[change]
        if self:
            chatter.note(self.sudo(), escape(text))
