# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who hears of failed jobs, and how: the settings, and what a failed job does.

The settings are those of job functions and channels, and a preference of each user.
What the job function says wins, then its job's channel, then the channels above, each
setting by itself; where nobody says anything, failures go into a digest for the users
of `queue.job._subscribe_users_domain`.

A failed job subscribes these users and posts a message in its chatter. Other addons
override these methods; `_message_post_on_failure` is called whenever jobs have failed,
in the transaction that writes it.
"""

from odoo import api, fields, models, tools
from odoo.fields import Domain
from odoo.tools import SQL

from ..settle import chatter
from ..settle.failure_policy import DIGEST, EACH, NONE, FailurePolicy
from ..storage.orm_bypass import allows_chatter, is_own_method
from .queue_job_failure import NOTE

MANAGER_GROUP = "queue_job.group_queue_job_manager"
WATCHER_GROUP = "queue_job.group_queue_job_watcher"  # managers are in it

#: Other addons name the users by it.
HOOK = "_subscribe_users_domain"

#: What has to be known of a failed job to find out who is to be told.
NOTICE_FIELDS = ("job_function_id", "channel", "company_id", "user_id")

#: A query of no user.
NOBODY = "SELECT NULL::int AS partner_id, FALSE AS share LIMIT 0"

PREFERENCE = "notify_failed_jobs"

NOTICES = [
    (EACH, "Each Failure"),
    (DIGEST, "Digest"),
    (NONE, "None"),
]

SETTINGS = {"failure_notice", "failure_user_ids"}


class QueueJobFailurePolicy(models.AbstractModel):
    _name = "queue.job.failure.policy"
    _description = "Who Hears of Failed Jobs"

    #: Fields on whose change the cache is cleared; None for every field.
    _cached_fields = SETTINGS

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

    # -- CRUD: the cache holds what is made of the settings ------------------------

    @api.model_create_multi
    def create(self, vals_list: list[dict]) -> models.BaseModel:
        """Create records; clear the cache if they say something for it."""
        records = super().create(vals_list)
        self._clear_cache_of({name for vals in vals_list for name in vals})
        return records

    def write(self, vals: dict) -> bool:
        """Write values; clear the cache if it holds something made of them."""
        result = super().write(vals)
        self._clear_cache_of(vals.keys())
        return result

    def unlink(self) -> bool:
        """Delete the records, and clear the cache."""
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    def _clear_cache_of(self, names):
        if self._cached_fields is None or self._cached_fields & names:
            self.env.registry.clear_cache()


class QueueJobFailureNotice(models.AbstractModel):
    _name = "queue.job.failure.notice"
    _description = "Notice of the Failure of a Job"

    def _message_post_on_failure(self):
        """Tell the followers that the jobs have failed, at once or in a digest."""
        noted = self.browse()
        is_first = False
        self.fetch(NOTICE_FIELDS)
        for job in self:
            policy = job._failure_policy()
            message = job._message_failed_job()
            in_digest = bool(message) and policy.notice == DIGEST
            if policy.notice != EACH and allows_chatter(self.env):
                is_first |= job._post_quietly(message, policy, in_digest)
                continue
            job._post_failure(message, policy)
            if in_digest:
                noted += job
        self.env["queue.job.failure"]._note(noted, wake_up=is_first)

    def _subscribe_users_domain(self):
        """Return the domain of the users to tell, None when there are none."""
        group_id = self.env["ir.model.data"]._xmlid_to_res_id(MANAGER_GROUP)
        if not group_id:
            return None
        domain = [("all_group_ids", "in", [group_id])]
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
        return channels._failure_policy(self._function_id(), self.channel)

    def _post_failure(self, message, policy):
        """Let users follow the job, and post the message of its failure.

        :param message: nothing is posted if it is empty
        :param policy: whether those who follow the job are notified by the message
        """
        users = self.env["res.users"]
        if policy.notice != NONE:
            users = users.search(self._recipients_domain(policy))
        self.message_subscribe(partner_ids=users.partner_id.ids)
        if message:
            self.message_post(
                body=message,
                subtype_xmlid=chatter.SUBTYPE,
                notify_skip_followers=policy.notice != EACH,
            )

    def _post_quietly(self, message, policy, in_digest):
        """The same by one statement, where the message notifies nobody by itself.

        :param in_digest: whether the failure is kept for the digest
        :return: whether a digest has to be sent soon
        """
        recipients = NOBODY
        if policy.notice != NONE:
            domain = self._recipients_domain(policy)
            if policy.user_ids or is_own_method(self.env.registry, HOOK):
                recipients = self._recipients_query(domain)
            else:
                users = self.env["res.users"].search_fetch(domain, ["share"])
                recipients = self._recipients_query([("id", "in", users.ids)])
        note = NOTE if in_digest else chatter.NO_NOTE
        return chatter.follow_and_post(self, recipients, message, note)

    def _recipients_domain(self, policy):
        creator = ("id", "=", self.user_id.id)
        if policy.user_ids:
            domain = [("id", "in", policy.user_ids)]
            if self.company_id:
                domain.append(("company_ids", "in", self.company_id.ids))
        else:
            domain = self._subscribe_users_domain() or [creator]
        if self._subscribe_job_creator():
            domain = Domain.OR([domain, [creator, ("notify_failed_jobs", "=", True)]])
        return [*domain, ("active", "=", True)]

    @api.model
    @tools.ormcache("repr(domain)", cache="groups")
    def _recipients_query(self, domain):
        """Return the query of the users in a domain, complete with its values.

        It takes longer to make it than to execute it. It follows from the domain and
        from which groups imply which, on whose change this cache is cleared.
        """
        users = self.env["res.users"].sudo()
        query = users._search(domain, order="id")
        columns = (query.table, "partner_id"), (query.table, "share")
        select = query.select(*(SQL.identifier(*column) for column in columns))
        return self.env.cr.mogrify(select).decode()


class ResUsers(models.Model):
    _inherit = "res.users"

    notify_failed_jobs = fields.Boolean(
        string="Tell Me of My Failed Jobs",
        default=True,
        help="You hear of it when background jobs fail which you have started.",
    )

    @property
    def SELF_READABLE_FIELDS(self) -> list[str]:
        """The fields of their own record that users read: the preference as well."""
        return [*super().SELF_READABLE_FIELDS, PREFERENCE]

    @property
    def SELF_WRITEABLE_FIELDS(self) -> list[str]:
        """The fields of their own record that users write: the preference as well."""
        return [*super().SELF_WRITEABLE_FIELDS, PREFERENCE]
