# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pause of a channel: by whom, since when, why, and until when.

A pause of root pauses all channels; that of each other one stays as it is. Whoever
writes `paused` signs for it, and nobody signs for somebody else. A pause with an end is
ended by the job runner (`jobrunner/session/live_channels.py`).
"""

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..monitoring.effective_settings import configured_channels, effective_settings

ROOT_PATH = [("parent_id", "=", False), ("name", "=", "root")]

#: Who paused the channel, and when: written with `paused`, not by users.
SIGNATURE = frozenset({"pause_user_id", "pause_date"})

#: What a user says of a pause.
TERMS = frozenset({"pause_reason", "paused_until"})


# pylint: disable=consider-merging-classes-inherited
class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    paused = fields.Boolean(
        help="Start no job of this channel or of those below. Running jobs go on.",
    )
    pause_reason = fields.Char(copy=False, help="Why the channel is paused.")
    paused_until = fields.Datetime(
        copy=False,
        help="The pause ends by itself at this time. Empty: it lasts until somebody "
        "resumes the channel.",
    )
    pause_date = fields.Datetime(string="Paused Since", readonly=True, copy=False)
    pause_user_id = fields.Many2one(
        "res.users",
        string="Paused by",
        readonly=True,
        copy=False,
        ondelete="set null",
    )
    pause_text = fields.Char(
        string="Who Paused It",
        compute="_compute_pause_text",
        help="Who paused the channel, until when, and why.",
    )

    @api.depends("paused", "pause_reason", "paused_until", "pause_user_id")
    @api.depends_context("lang", "tz")
    def _compute_pause_text(self):
        configured = configured_channels()[0]
        for channel in self:
            if channel.paused:
                channel.pause_text = channel._pause_in_words()
                continue
            settings = effective_settings(channel.complete_name, channel, configured)
            channel.pause_text = settings["paused"] and self.env._(
                "Paused by the configuration (%(setting)s)", setting=settings["fixed"]
            )

    def _pause_in_words(self):
        return self._who_paused() or self.env._("Paused")

    def _who_paused(self):
        """Return by whom, until when and why a channel is paused, "" if nobody said."""
        user = self.pause_user_id.sudo()
        name = "" if user.id == SUPERUSER_ID else user.name
        until, reason = self._end_of_pause(), self.pause_reason
        if not (self.paused and (name or until or reason)):
            return ""
        if name and until:
            text = self.env._(
                "Paused by %(user)s until %(until)s", user=name, until=until
            )
        elif name:
            text = self.env._("Paused by %(user)s", user=name)
        elif until:
            text = self.env._("Paused until %(until)s", until=until)
        else:
            text = self.env._("Paused")
        return f"{text}: {reason}" if reason else text

    def _end_of_pause(self):
        """Return the time at which the pause ends, with its date if it isn't today."""
        if not self.paused_until:
            return ""
        now, end = (
            fields.Datetime.context_timestamp(self, moment)
            for moment in (fields.Datetime.now(), self.paused_until)
        )
        pattern = "%H:%M" if end.date() == now.date() else "%Y-%m-%d %H:%M"
        return end.strftime(pattern if not end.second else f"{pattern}:%S")

    @api.constrains("paused", "paused_until")
    def _check_pause(self):
        now = fields.Datetime.now()
        for channel in self.filtered("paused_until"):
            until = channel._end_of_pause()
            if not channel.paused:
                raise ValidationError(
                    self.env._(
                        "%(channel)s is not paused, so no pause of it ends at "
                        "%(until)s. Pause it as well.",
                        channel=channel.complete_name,
                        until=until,
                    )
                )
            if channel.paused_until <= now:
                raise ValidationError(
                    self.env._(
                        "The pause of %(channel)s would end at %(until)s, which has "
                        "passed. Give a later time, or none.",
                        channel=channel.complete_name,
                        until=until,
                    )
                )

    # -- CRUD ----------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create channels; a pause is signed by the user."""
        return super().create(
            [
                self._signed({"paused": False, **vals})  # by no context
                for vals in vals_list
            ]
        )

    def write(self, vals) -> bool:
        """Write values; a pause is signed by the user, its end leaves nothing of it.

        Who paused a channel first is kept, unless the pause gets other terms.
        """
        vals = _unsigned(vals)
        if "paused" not in vals:
            paused = self.filtered("paused") if vals.keys() & TERMS else self.browse()
            # other terms are those of another user
            super(QueueJobChannel, paused).write({**vals, **self._signature()})
            return super(QueueJobChannel, self - paused).write(vals)
        changed = self
        if not vals.keys() & TERMS:
            changed = self.filtered(
                lambda one: one.paused != bool(vals["paused"]) or one.paused_until
            )
        super(QueueJobChannel, changed).write(self._signed(vals))
        return super(QueueJobChannel, self - changed).write(vals)

    def _signed(self, vals):
        """Return values that hold `paused`, with all columns of the pause."""
        if not vals["paused"]:
            return {**vals, **dict.fromkeys(TERMS | SIGNATURE, False)}
        return {**dict.fromkeys(TERMS, False), **vals, **self._signature()}

    def _signature(self):
        return {"pause_user_id": self.env.uid, "pause_date": fields.Datetime.now()}

    # -- actions -------------------------------------------------------------------

    def action_pause(self, reason=None, until=None) -> None:
        """Start no more jobs of these channels.

        :param reason: is kept with the channels and in the journal
        :param until: the pause ends by itself then: a datetime in UTC, or its text
        :raise AccessError: the user may not change the channels
        :raise ValidationError: the time has passed
        """
        self.write(
            {
                "paused": True,
                **({"pause_reason": reason} if reason else {}),
                **({"paused_until": until} if until else {}),
            }
        )

    def action_resume(self) -> None:
        """Start the jobs of these channels again."""
        self.paused = False

    def action_pause_all(self, reason=None, until=None) -> bool:
        """Start no more jobs at all: pause root, which holds all others.

        The pause of each channel below it stays as it is. See `action_pause`.
        """
        self._root().action_pause(reason, until)
        return True

    def action_resume_all(self) -> bool:
        """Take `action_pause_all` back; what was paused by itself stays paused."""
        self._root().action_resume()
        return True

    def action_ask_pause(self) -> dict:
        """Return the dialog that asks for the reason and the end of a pause.

        :raise AccessError: the user may not change the channels
        :raise UserError: there is no channel
        """
        self.check_access("write")
        if not self:
            raise UserError(self.env._("Select the channels to pause."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Pause"),
            "res_model": "queue.job.channel.pause",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_channel_ids": self.ids},
        }

    def action_ask_pause_all(self) -> dict:
        """Return the dialog of `action_ask_pause` for root, which holds all others.

        :raise AccessError: the user may not change the root channel
        """
        return self._root().action_ask_pause()

    def _root(self):
        return self.search(ROOT_PATH)


def _unsigned(vals):
    """Return values without what nobody writes for somebody else."""
    return {name: value for name, value in vals.items() if name not in SIGNATURE}
