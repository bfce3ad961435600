# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Channels and job functions note in the journal what users change in them."""

from datetime import datetime

from odoo import api, fields, models

from .queue_job_channel_pause import SIGNATURE, TERMS

#: The key of the context that has noted what the superuser changes.
NOTED = "queue_job_noted"


class QueueJobJournalSettings(models.AbstractModel):
    _name = "queue.job.journal.settings"
    _description = "Settings whose Changes Stand in the Journal"

    #: Of the field `kind` of the journal.
    _journal_kind = ""
    #: Fields that say nothing which the row of the journal does not say itself.
    _journal_silent: frozenset[str] = frozenset()

    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create records, and note those that a user creates."""
        records = super().create(vals_list)
        records._note([record._journal_row("create") for record in records._noted()])
        return records

    def write(self, vals) -> bool:
        """Write values, and note what a user changes."""
        self.check_access("write")
        # what has no column is written to others, which note it
        names = [name for name in vals if name in self._fields]
        names = [name for name in names if self._fields[name].store]
        names = [name for name in names if not self._is_silent(name, vals)]
        before = {record: record._shown(names) for record in self._noted()}
        result = super().write(vals)
        changes = {record: record._changes(was) for record, was in before.items()}
        said = self._journal_action(vals)
        self._note(
            [
                {**record._journal_row("change", "; ".join(details)), **said}
                for record, details in changes.items()
                if details
            ]
        )
        return result

    def _journal_action(self, vals):
        """Return values of the row that are special to a change."""
        return {}

    def _is_silent(self, name, vals):
        """Tell whether a value is no detail of a change: it stands elsewhere."""
        return name in self._journal_silent

    def unlink(self) -> bool:
        """Delete records, and note those that a user deletes."""
        self.check_access("unlink")
        rows = [record._journal_row("delete") for record in self._noted()]
        result = super().unlink()
        self._note(rows)
        return result

    def _note(self, rows):
        self.env["queue.job.journal"].sudo().create(rows)

    def _noted(self):
        """Return those whose change is noted: not by the queue or by data files.

        The context is no reason to be silent: whoever calls by RPC chooses it. It is
        one to speak, for the command line.
        """
        if self.env.su and not self.env.context.get(NOTED):
            return self.browse()
        return self

    def _shown(self, names):
        """Return {name: text} of fields."""
        self.ensure_one()
        return {name: self._text_of(self.sudo()[name]) for name in names}

    @api.model
    def _text_of(self, value):
        if isinstance(value, models.BaseModel):
            return ", ".join(value.mapped("display_name"))
        if isinstance(value, datetime):  # read by people of other time zones
            moment = fields.Datetime.context_timestamp(self, value)
            return moment.strftime("%Y-%m-%d %H:%M:%S %Z")
        return str(value)

    def _changes(self, before):
        """Return the texts that say what is different now.

        :param before: what `_shown` returned
        """
        now = self._shown(before)
        labels = self.fields_get(list(before), ["string"])
        return [
            f"{labels[name]['string'] if name in labels else name}: {old} → {now[name]}"
            for name, old in before.items()
            if now[name] != old
        ]

    def _journal_row(self, action, details=""):
        return {
            **self.env["queue.job.journal"]._signed(action),
            "kind": self._journal_kind,
            "subject": self.display_name,
            "details": details,
            "company_id": self._journal_company().id,
        }

    def _journal_company(self):
        """Return the company to which the settings belong, if they do."""
        raise NotImplementedError


# pylint: disable=consider-merging-classes-inherited
class QueueJobChannel(models.Model):
    _name = "queue.job.channel"
    _inherit = ["queue.job.channel", "queue.job.journal.settings"]
    _journal_kind = "channel"
    _journal_silent = SIGNATURE

    def _is_silent(self, name, vals):
        """The reason of a pause has a column; only another reason is a detail."""
        own = name == "pause_reason" and "paused" in vals
        return own or super()._is_silent(name, vals)

    def _journal_action(self, vals):
        """A pause is no change of the settings, and may have a reason."""
        said = vals.keys() & {"paused", *TERMS}
        if not said or not vals.keys() <= {"paused", *TERMS, *SIGNATURE}:
            return {}
        action = "pause" if vals.get("paused", True) else "resume"
        return {"action": action, "reason": vals.get("pause_reason")}

    def _journal_company(self):
        return self.company_id


# pylint: disable=consider-merging-classes-inherited
class QueueJobFunction(models.Model):
    _name = "queue.job.function"
    _inherit = ["queue.job.function", "queue.job.journal.settings"]
    _journal_kind = "function"

    def _journal_company(self):
        return self.channel_id.company_id
