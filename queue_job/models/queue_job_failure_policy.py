# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who hears of failed jobs, and how: settings of job functions and channels.

What the job function says wins, then its job's channel, then the channels above, each
setting by itself; where nobody says anything, failures go into a digest for the users
of `queue.job._subscribe_users_domain`.
"""

from odoo import api, fields, models, tools

from ..failure_policy import DIGEST, EACH, NONE, FailurePolicy

NOTICES = [
    (EACH, "Each Failure"),
    (DIGEST, "Digest"),
    (NONE, "None"),
]

SETTINGS = {"failure_notice", "failure_user_ids"}


def notice_field():
    return fields.Selection(
        selection=NOTICES,
        string="Notification",
        help="Digest: one message for the failures of a job function in ten minutes, "
        "the first one at once. Each failure: a message for each job. Either way the "
        "message stands on the failed job. Empty: as the channel above says, and a "
        "digest if none says anything.",
    )


def users_field(relation):
    return fields.Many2many(
        comodel_name="res.users",
        relation=relation,
        string="Recipients",
        domain=[("share", "=", False)],
        help="They are told instead of all job queue managers, each of failures in "
        "the user's own companies. Who may not read jobs hears how many have failed, "
        "not why. Empty: as the channel above says, and all job queue managers of the "
        "job's company if none says anything.",
    )


class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    failure_notice = notice_field()
    failure_user_ids = users_field("queue_job_function_failure_user_rel")


class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    failure_notice = notice_field()
    failure_user_ids = users_field("queue_job_channel_failure_user_rel")

    @api.model
    @tools.ormcache("function_id", "channel")
    def _failure_policy(self, function_id, channel):
        """Return who hears of the failures of a job; read once, then from the cache.

        :param function_id: id of the job function, or a false value
        :param channel: complete name; one that doesn't exist follows those above it
        """
        sources = self.env["queue.job.function"].sudo().browse(function_id or ())
        ways = [sources, *self.sudo()._from_here_to_root(channel)]
        notices = filter(None, (way.failure_notice for way in ways))
        users = filter(None, (way.failure_user_ids for way in ways))
        return FailurePolicy(next(notices, DIGEST), tuple(next(users, self.browse()).ids))

    @api.model
    def _from_here_to_root(self, channel):
        """Return the channels from this name upwards, each as a record."""
        parts = (channel or "root").split(".")
        names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        channels = self.search([("complete_name", "in", names)])
        return channels.sorted(lambda found: -len(found.complete_name))

    # The policy is kept in the cache; that of a job function is forgotten with it.

    @api.model_create_multi
    def create(self, vals_list):
        channels = super().create(vals_list)
        if any(vals.keys() & SETTINGS for vals in vals_list):
            self.env.registry.clear_cache()
        return channels

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & SETTINGS:
            self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result
