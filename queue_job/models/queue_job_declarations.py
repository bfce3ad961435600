# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What job functions and calls name is there: refused where it is written.

Users, code and the installation of an addon get an error. An update of an addon
(`-u`) only gets a warning: what has been running for a year must not keep a production
server down. At the end of such a load, all job functions are looked at once more.
"""

import logging

from odoo import api, models, tools
from odoo.exceptions import AccessError, UserError

from ..core.delays import LONGEST, Fault, declared_faults
from ..declarations import channels, functions
from ..declarations.report import channels_of, report
from ..storage import related_action as related_actions

_logger = logging.getLogger(__name__)

RELATED_ACTION_KEYS = {"enable", "func_name", "kwargs"}
RELATED_ACTION_FIELDS = {"related_action", "edit_related_action"}

#: Undeclared channels that were said in this process: (database, channel).
_said: set[tuple[str, str]] = set()

#: How many undeclared channels are said in a process, at most.
MOST_SAID = 1000


class QueueJobFunctionDeclared(models.AbstractModel):
    _name = "queue.job.function.declared"
    _description = "Checks of Job Functions"

    def _register_hook(self) -> None:
        """Look at all job functions after addons were installed or updated."""
        super()._register_hook()
        is_load = self.pool.updated_modules and not self.pool.ready
        if is_load and self._name == "queue.job.function":
            for problem in report(self.sudo().env):
                _logger.warning("%s", problem)

    @api.model
    def _is_update(self) -> bool:
        """Whether data files are loaded that are no part of a new installation."""
        if not self.env.context.get("install_mode"):
            return False
        name = self.env.context.get("install_module")
        modules = self.env["ir.module.module"].sudo()
        return modules.search([("name", "=", name)]).state != "to install"

    def _refuse_or_warn(self, text: str) -> None:
        """Refuse a declaration; an update is not broken by it.

        :raise UserError: the declaration is new
        """
        if not self._is_update():
            raise UserError(text)
        _logger.warning("%s", text)

    def _check_declared(self, changed) -> None:
        """Refuse what the changed fields name and what is not there.

        :param changed: names of the fields that were written
        :raise UserError: something is not there
        """
        for function in self:
            for problem in functions.problems_of(function.sudo(), changed):
                if problem.kind == "retry_pattern":
                    continue  # a constraint, whose message has examples
                if problem.is_early and self.env.su:
                    continue  # said at the end of the load, when all addons are there
                function._refuse_or_warn(str(problem))

    # -- retry patterns ------------------------------------------------------------

    @api.constrains("retry_pattern")
    def _check_retry_pattern(self):
        for function in self:
            function._refuse_faults(function.retry_pattern)

    def _refuse_faults(self, pattern):
        """Raise an error that names each entry which can't be used as it is."""
        faults = declared_faults(pattern)
        if faults:
            remedies = self._retry_pattern_remedies()
            lines = [f"{entry}: {remedies[fault]}" for entry, fault in faults]
            text = "\n\n".join([self._retry_pattern_error(), "\n".join(lines)])
            self._refuse_or_warn(text)

    def _retry_pattern_remedies(self):
        """Return what to give instead of an entry that can't be used."""
        return {
            Fault.PATTERN: self.env._("give a dictionary"),
            Fault.ATTEMPT: self.env._("give the number of an attempt as the key"),
            Fault.SECONDS: self.env._("give seconds, or two numbers of them: (1, 10)"),
            Fault.NEGATIVE: self.env._("give 0 or more seconds"),
            Fault.TOO_LONG: self.env._("give %s seconds at most", LONGEST),
            Fault.REVERSED: self.env._("give the smaller number of seconds first"),
            Fault.EARLY: self.env._("the first attempt has the number 1"),
            Fault.ZERO: self.env._(
                "give 1 or more seconds, or all attempts are over in a moment"
            ),
            Fault.ORDER: self.env._("give the attempts in order"),
        }

    def _retry_pattern_error(self):
        # the braces are an example
        # pylint: disable=translation-positional-used
        return self.env._(
            "Unexpected format of Retry Pattern for %(name)s.\n"
            "Examples of valid formats:\n"
            "{1: 300, 5: 600, 10: 1200, 15: 3000}\n"
            "{1: (1, 10), 5: (11, 20), 10: (21, 30), 15: (100, 300)}",
            name=self.name,
        )

    # -- related actions -----------------------------------------------------------

    @api.constrains("related_action")
    def _check_related_action(self):
        for function in self:
            if set(function.related_action) - RELATED_ACTION_KEYS:
                raise UserError(
                    self.env._(
                        "Unexpected format of Related Action for %s.\n"
                        "Example of valid format:\n"
                        '{"enable": True, "func_name": "related_action_foo", '
                        '"kwargs": {"limit": 10}}',
                        function.name,
                    )
                )

    def _check_chosen_actions(self, names):
        """What users name is meant to be a related action, and may be chosen by them.

        Not a constraint: those run as superuser. Data files may name what another
        module defines.

        :param names: of the fields that were written
        """
        if RELATED_ACTION_FIELDS & set(names) and not self.env.su:
            for function in self:
                function._check_chosen_action()

    def _check_chosen_action(self):
        name = self.related_action.get("func_name")
        kwargs = self.related_action.get("kwargs", {})
        if not isinstance(kwargs, dict):
            raise UserError(
                self.env._("The kwargs of a related action are a dictionary.")
            )
        if not name:
            return
        for problem in functions.related_action(self.sudo()):
            raise AccessError(str(problem))
        if name.startswith("_") and not related_actions.has_usual_name(name):
            self._check_administrator()

    def _check_administrator(self):
        """Only administrators choose private methods which are called later."""
        if not (self.env.su or self.env.user.has_group("base.group_system")):
            raise AccessError(
                self.env._(
                    "Only administrators choose the method for failed jobs, and "
                    "private methods as related actions."
                )
            )

    # -- the channel ---------------------------------------------------------------

    @api.model
    def _with_channel_of_name(self, vals: dict) -> dict:
        """Return the values with the channel that `channel` names as `channel_id`.

        :raise UserError: there is none of this name
        """
        name = vals.get("channel")
        if not name or vals.get("channel_id"):
            return vals
        channel = self.env["queue.job.channel"]._of_name(name)
        return {**vals, "channel_id": channel.id}


class QueueJobChannelDeclared(models.AbstractModel):
    _name = "queue.job.channel.declared"
    _description = "Checks of Channels"

    @api.model
    @tools.ormcache()
    def _declared(self) -> channels.Declared:
        """Return the channels that records and the configuration string declare."""
        return channels_of(self.env)

    @api.model
    def _of_name(self, name: str):
        """Return the record of a channel.

        :raise UserError: there is none
        """
        full = channels.canonical_name(name)
        found = self.sudo().search([("complete_name", "=", full)], limit=1)
        if found:
            return found
        known = (
            self.sudo().search([("complete_name", "!=", False)]).mapped("complete_name")
        )
        missing = channels.undeclared(full, channels.Declared(frozenset(known)))
        raise UserError(self._undeclared_text(missing))

    @api.model
    def _check_called(self, name: str) -> None:
        """Look whether the channel that a call names is declared.

        :raise ValueError: it looks like a declared one that is misspelt
        """
        missing = self._undeclared(name)
        if missing is None:
            return
        if missing.meant:
            raise ValueError(self._undeclared_text(missing))
        said = self.env.cr.dbname, missing.name
        # it may be a name per customer
        if said not in _said and len(_said) < MOST_SAID:
            _said.add(said)
            _logger.info("%s: %s", said[0], self._undeclared_text(missing))

    @api.model
    @tools.ormcache("name")
    def _undeclared(self, name: str) -> channels.Undeclared | None:
        """Return what is missing of a channel; each call that names one asks."""
        return channels.undeclared(name, self._declared())

    @api.model
    def _undeclared_text(self, missing: channels.Undeclared) -> str:
        text = self.env._(
            "Nobody has declared the channel %(name)s: there is no %(missing)s, so "
            "that only the limits of %(above)s would hold. Declare it by a record or "
            "in the configuration of the server.",
            **missing._asdict(),
        )
        return text + functions.hint(self.env, missing.meant)
