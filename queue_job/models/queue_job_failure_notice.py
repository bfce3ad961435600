# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a failed job does to be heard of: who follows it, what stands in its chatter."""

from odoo import models

from ..failure_policy import NONE


class QueueJob(models.Model):
    _inherit = "queue.job"

    def _failure_policy(self):
        channels = self.env["queue.job.channel"]
        return channels._failure_policy(self.job_function_id.id, self.channel)

    def _failure_users(self, policy):
        """Return the users who are to follow the failed job."""
        users = self.env["res.users"]
        if policy.notice == NONE:
            return users
        if policy.user_ids:
            domain = [("id", "in", policy.user_ids)]
            if self.company_id:
                domain.append(("company_ids", "in", self.company_id.ids))
        else:
            domain = self._subscribe_users_domain()
        users = users.search(domain) if domain else self.user_id
        if self._subscribe_job_creator() and self.user_id.sudo().notify_failed_jobs:
            users |= self.user_id
        return users.filtered("active")

    def _post_failure(self, told):
        """Post the message of the failure on the job.

        :param told: whether those who follow the job are notified of it
        :return: the message, none if there is nothing to say
        """
        message = self._message_failed_job()
        if not message:
            return None
        return self.message_post(
            body=message,
            subtype_xmlid="queue_job.mt_job_failed",
            notify_skip_followers=not told,
        )
