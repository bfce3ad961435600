# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a failed job does to be heard of: who follows it, what stands in its chatter.

Other addons override these methods; `_message_post_on_failure` is called whenever jobs
have failed, in the transaction that writes it.
"""

from odoo import api, models

from ..settle.failure_policy import DIGEST, EACH, NONE

MANAGER_GROUP = "queue_job.group_queue_job_manager"


class QueueJobFailureNotice(models.AbstractModel):
    _name = "queue.job.failure.notice"
    _description = "Notice of the Failure of a Job"

    def _message_post_on_failure(self):
        """Tell the followers that the jobs have failed, at once or in a digest."""
        noted = self.browse()
        for job in self:
            policy = job._failure_policy()
            partners = job._failure_users(policy).partner_id
            job.message_subscribe(partner_ids=partners.ids)
            message = job._post_failure(told=policy.notice == EACH)
            if message and policy.notice == DIGEST:
                noted += job
        self.env["queue.job.failure"]._note(noted)

    def _subscribe_users_domain(self):
        """Return the domain of the users to tell, None when there are none."""
        group = self.env.ref(MANAGER_GROUP, raise_if_not_found=False)
        if not group:
            return None
        domain = [("all_group_ids", "in", [group.id])]
        if self.company_id:
            domain.append(("company_id", "in", self.company_id.ids))
        return domain

    @api.model
    def _subscribe_job_creator(self):
        """Whether the user who enqueued a job follows it once it has failed."""
        return True

    def _message_failed_job(self):
        """Return the text posted on a failed job; nothing is posted if empty."""
        self.ensure_one()
        return self.env._(
            "Something bad happened during the execution of the job. "
            "More details in the 'Exception Information' section."
        )

    def _failure_policy(self):
        """Return how the failure of the job is told, and to whom."""
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
