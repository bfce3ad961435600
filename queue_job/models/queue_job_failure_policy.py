# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who hears of failed jobs, and how: settings of job functions and channels.

What the job function says wins, then its job's channel, then the channels above, each
setting by itself; where nobody says anything, failures go into a digest for the users
of `queue.job._subscribe_users_domain`.
"""

from odoo import api, fields, models, tools

from ..settle.failure_policy import DIGEST, EACH, NONE, FailurePolicy

NOTICES = [
    (EACH, "Each Failure"),
    (DIGEST, "Digest"),
    (NONE, "None"),
]

SETTINGS = {"failure_notice", "failure_user_ids"}


class QueueJobFailurePolicy(models.AbstractModel):
    _name = "queue.job.failure.policy"
    _description = "Who Hears of Failed Jobs"

    failure_notice = fields.Selection(
        selection=NOTICES,
        string="Notification",
        help="Digest: one message for the failures of a job function in ten minutes, "
        "the first one at once. Each failure: a message for each job. Either way the "
        "message stands on the failed job. Empty: as the channel above says, and a "
        "digest if none says anything.",
    )
    failure_user_ids = fields.Many2many(
        comodel_name="res.users",
        string="Recipients",
        domain=[("share", "=", False)],
        help="They are told instead of all job queue managers, each of failures in "
        "the user's own companies. Who may not read jobs hears how many have failed, "
        "not why. Empty: as the channel above says, and all job queue managers of the "
        "job's company if none says anything.",
    )

    @api.model
    @tools.ormcache("function_id", "channel")
    def _failure_policy(self, function_id, channel):
        """Return who hears of the failures of a job; read once, then from the cache.

        :param function_id: id of the job function, or a false value
        :param channel: complete name; one that doesn't exist follows those above it
        """
        functions = self.env["queue.job.function"].sudo()
        settings = [functions.browse(function_id or ()), *self._from_here_up(channel)]
        notices = filter(None, (one.failure_notice for one in settings))
        users = filter(None, (one.failure_user_ids for one in settings))
        nobody = self.env["res.users"]
        return FailurePolicy(next(notices, DIGEST), tuple(next(users, nobody).ids))

    @api.model
    def _from_here_up(self, channel):
        """Return the channels from this name up to the root."""
        parts = (channel or "root").split(".")
        names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        channels = self.env["queue.job.channel"].sudo()
        found = channels.search([("complete_name", "in", names)])
        return found.sorted(lambda one: -len(one.complete_name))

    # What the policy was made of is kept in the cache.

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if any(vals.keys() & SETTINGS for vals in vals_list):
            self.env.registry.clear_cache()
        return records

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & SETTINGS:
            self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result
