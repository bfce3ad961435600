# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job functions: how the jobs of one method of one model are run.

A record is optional; without one, jobs run in the root channel with the defaults.
Models which inherit from an abstract one need a record each. Data files declare
functions by `model_id` and `method`, or by `name` in the form `<res.users>.read`;
several modules may declare the same one, the records merge.

- `retry_pattern`: {attempt: seconds}, from that attempt on; the seconds may be a pair,
  for a random delay between the two.
- `related_action`: {"enable": bool, "func_name": str, "kwargs": dict}, where the
  method is one that an addon has added to `queue.job`; see `related_action`.
- `on_fail_method`: called on the records when a job of the function has failed. It has
  the rights of the job's user: only administrators choose it.
- `retry_on`: names of exceptions after which a job is tried again (`settle.retry_on`).
- `former_names`: those of the method before it was renamed (`core.former_names`).
- `timeout`: seconds after which a running job is stopped and fails.
- `allow_commit`: outside of a worker, run on a cursor of its own, as the community's
  addon does; a worker guards its own cursor, where commits in a job are allowed anyway.
  `forbid_commit`: make them an error.
- `cancel_by`, `retry_by`: who may do that to a job, besides managers.
"""

import ast
import logging
import re
from collections import namedtuple

from odoo import api, fields, models, tools
from odoo.exceptions import UserError

from ..core.delays import MENDED, read_pattern
from ..fields import JobSerialized
from ..settle.retry_on import names_of

_logger = logging.getLogger(__name__)

regex_job_function_name = re.compile(r"^<([0-9a-z_\.]+)>\.([0-9a-zA-Z_]+)$")

# On which method of which records the method for failures is called.
ON_FAIL_FIELDS = {"on_fail_method", "name", "model_id", "method"}


class QueueJobFunction(models.Model):
    _name = "queue.job.function"
    _inherit = [
        "queue.job.failure.policy",
        "queue.job.function.declared",
        "queue.job.function.renamed",
    ]
    _description = "Job Functions"
    _log_access = False
    _cached_fields = None  # of `job_config`

    # The order is an interface; what is new comes last and has a default.
    JobConfig = namedtuple(
        "JobConfig",
        "channel retry_pattern related_action_enable related_action_func_name "
        "related_action_kwargs job_function_id allow_commit on_fail_method_name "
        "timeout forbid_commit retry_on renamed_to cancel_by retry_by",
        defaults=(None, False, (), None, "user", "managers"),
    )

    name = fields.Char(
        compute="_compute_name", inverse="_inverse_name", store=True, index=True
    )
    model_id = fields.Many2one(
        comodel_name="ir.model", string="Model", ondelete="cascade"
    )
    method = fields.Char()
    on_fail_method = fields.Char(
        help="Method of the model, called with exc_name, exc_message and exc_info "
        "when a job of this function has failed.",
    )
    channel_id = fields.Many2one(
        comodel_name="queue.job.channel",
        string="Channel",
        required=True,
        default=lambda self: self._default_channel(),
    )
    channel = fields.Char(related="channel_id.complete_name", store=True, readonly=True)
    retry_pattern = JobSerialized(string="Retry Pattern (serialized)", base_type=dict)
    edit_retry_pattern = fields.Text(
        string="Retry Pattern",
        compute="_compute_edit_retry_pattern",
        inverse="_inverse_edit_retry_pattern",
        help="Pattern expressing from the count of retries on retryable errors,"
        " the number of seconds to postpone the next execution. Setting the "
        "number of seconds to a 2-element tuple or list will randomize the "
        "retry interval between the 2 values.\n"
        "Example: {1: 10, 5: 20, 10: 30, 15: 300}.\n"
        "Example: {1: (1, 10), 5: (11, 20), 10: (21, 30), 15: (100, 300)}.",
    )
    retry_on = fields.Char(
        string="Retry on Exceptions",
        help="Names of exceptions, separated by commas, after which a job is tried "
        "again like after a retryable error. Without a retry pattern the delay doubles "
        "with each attempt; what a server asks for by Retry-After is respected.\n"
        "Example: TimeoutError, requests.exceptions.ConnectionError.",
    )
    related_action = JobSerialized(string="Related Action (serialized)", base_type=dict)
    edit_related_action = fields.Text(
        string="Related Action",
        compute="_compute_edit_related_action",
        inverse="_inverse_edit_related_action",
        help="The action of the button 'Related' on a job. The default opens the "
        "records of the job. Example: "
        '{"enable": True, "func_name": "related_action_foo", '
        '"kwargs": {"limit": 10}}.',
    )
    allow_commit = fields.Boolean(
        help="Run the job on a database cursor of its own.",
    )
    timeout = fields.Integer(
        string="Timeout (s)",
        help="A job that runs longer is stopped and fails. 0 means no limit.",
    )
    forbid_commit = fields.Boolean(
        string="Protect against Commits",
        help="A commit inside the job is an error.",
    )

    def _default_channel(self):
        return self.env.ref("queue_job.channel_root", raise_if_not_found=False)

    # -- name ----------------------------------------------------------------------

    @staticmethod
    @api.private
    def job_function_name(model_name, method_name) -> str:
        """Return the name of the function of a method: `<model>.method`.

        :param model_name: of the model, such as `res.partner`
        :param method_name: of the method
        """
        return f"<{model_name}>.{method_name}"

    @api.depends("model_id.model", "method")
    def _compute_name(self):
        for function in self:
            model_name, method = function.model_id.model, function.method
            complete = model_name and method
            function.name = (
                self.job_function_name(model_name, method) if complete else ""
            )

    def _inverse_name(self):
        # All names are read first: writing one part computes the name again.
        for function, name in [(function, function.name) for function in self]:
            model_name, method = self._parse_name(name)
            model = self.env["ir.model"].sudo().search([("model", "=", model_name)])
            if not model:
                raise UserError(self.env._("Model %s not found", model_name))
            function.write({"model_id": model.id, "method": method})

    @api.model
    def _parse_name(self, name):
        match = regex_job_function_name.match(name or "")
        if not match:
            raise UserError(self.env._("Invalid job function: %s", name))
        return match.groups()

    # -- edition as text -----------------------------------------------------------

    @api.depends("retry_pattern")
    def _compute_edit_retry_pattern(self):
        for function in self:
            stored = function._stored_retry_pattern()
            pattern, complaints = read_pattern(stored)
            # what is wrong is shown as it is, for whoever mends it
            function.edit_retry_pattern = str(stored if complaints else pattern)

    def _inverse_edit_retry_pattern(self):
        for function in self:
            pattern = function._literal(function.edit_retry_pattern)
            function._refuse_faults(pattern)
            function.retry_pattern = pattern

    @api.depends("related_action")
    def _compute_edit_related_action(self):
        for function in self:
            function.edit_related_action = str(function.related_action)

    def _inverse_edit_related_action(self):
        for function in self:
            function.related_action = function._literal(function.edit_related_action)

    def _literal(self, text):
        """Return the dict which the user has typed as a Python literal."""
        try:
            value = ast.literal_eval((text or "").strip() or "{}")
        except (
            ValueError,
            TypeError,
            SyntaxError,
            MemoryError,
            RecursionError,
        ) as error:
            raise UserError(
                self.env._("This is not a valid Python literal: %s", text)
            ) from error
        if not isinstance(value, dict):
            raise UserError(self.env._("A dictionary is expected: %s", text))
        return value

    @api.constrains("timeout")
    def _check_timeout(self):
        if any(function.timeout < 0 for function in self):
            raise UserError(self.env._("A timeout cannot be negative."))

    def _stored_retry_pattern(self):
        """Return the dictionary, or whatever else stands in the database."""
        try:
            return self.retry_pattern
        except ValueError as error:
            return f"no JSON: {error}"

    def _parse_retry_pattern(self):
        """Return the pattern with numbers as keys, and tuples where a pair is given.

        Whatever stands in the database, this does not raise: jobs of the function
        could neither be enqueued nor settled.
        """
        pattern, complaints = read_pattern(self._stored_retry_pattern())
        lines = "; ".join(f"{entry} ({fault.value})" for entry, fault in complaints)
        if any(fault not in MENDED for _entry, fault in complaints):
            _logger.error(
                "Invalid retry pattern for job function %s, it must be a dictionary "
                "of numbers; the default is used instead: %s",
                self.name,
                lines,
            )
            return {}
        if complaints:
            _logger.warning(
                "Retry pattern for job function %s: %s; %s is used instead",
                self.name,
                lines,
                pattern,
            )
        return pattern

    # -- configuration of jobs -----------------------------------------------------

    @api.private
    def job_default_config(self) -> JobConfig:
        """Return the configuration of a function without a record."""
        return self.JobConfig(
            channel="root",
            retry_pattern={},
            related_action_enable=True,
            related_action_func_name=None,
            related_action_kwargs={},
            job_function_id=None,
            allow_commit=False,
            on_fail_method_name=None,
        )

    @api.model
    @api.private
    @tools.ormcache("name")
    def job_config(self, name) -> JobConfig:
        """Return the configuration of a function; read once, then from the cache.

        :param name: of the function, such as `<res.partner>.write`. A former name gets
            the configuration of the function that the method has become
        """
        match = regex_job_function_name.match(name or "")
        now = self._renamed().get(match.groups()) if match else None
        function = self.sudo().search_fetch(
            [("name", "=", str(now) if now else name)],
            self._job_config_fields(),
            order="id",
            limit=1,
        )
        if not function:
            return self.job_default_config()
        action = function.related_action
        return self.JobConfig(
            channel=function.channel,
            retry_pattern=function._parse_retry_pattern(),
            related_action_enable=action.get("enable", True),
            related_action_func_name=action.get("func_name"),
            related_action_kwargs=action.get("kwargs", {}),
            job_function_id=function.id,
            allow_commit=function.allow_commit,
            on_fail_method_name=function.on_fail_method,
            timeout=function.timeout or None,
            forbid_commit=function.forbid_commit,
            retry_on=names_of(function.retry_on),
            renamed_to=now,
            cancel_by=function.cancel_by,
            retry_by=function.retry_by,
        )

    @api.model
    def _job_config_fields(self):
        return (
            "name",
            "channel",
            "retry_pattern",
            "related_action",
            "allow_commit",
            "on_fail_method",
            "timeout",
            "forbid_commit",
            "retry_on",
            "cancel_by",
            "retry_by",
        )

    # -- CRUD ----------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list) -> models.Model:
        """Create functions; at install, two modules may declare the same one.

        :raise AccessError: a method that only administrators choose
        :raise UserError: what is named is not there
        """
        if any(vals.get("on_fail_method") for vals in vals_list):
            self._check_administrator()
        vals_list = [self._with_channel_of_name(vals) for vals in vals_list]
        if self.env.context.get("install_mode"):
            functions = self.browse()
            for vals in vals_list:
                functions += self._update_declared(vals) or super().create([vals])
        else:
            functions = super().create(vals_list)
        names = {name for vals in vals_list for name in vals}
        functions._check_chosen_actions(names)
        functions._check_declared(names)
        return functions

    def _update_declared(self, vals):
        """Return the existing function that `vals` declares again, up to date."""
        name = vals.get("name")
        if not name and vals.get("model_id") and vals.get("method"):
            model = self.env["ir.model"].sudo().browse(vals["model_id"])
            name = self.job_function_name(model.model, vals["method"])
        if not name:
            return self.browse()
        existing = self.search([("name", "=", name)], order="id", limit=1)
        if existing and not existing.get_metadata()[0].get("noupdate"):
            existing.write(vals)
        return existing

    def write(self, vals) -> bool:
        """Write values; the methods that are named are checked.

        :raise AccessError: a method that only administrators choose
        :raise UserError: what is named is not there
        """
        self._check_on_fail_choice(vals)
        vals = self._with_channel_of_name(vals)
        result = super().write(vals)
        self._check_chosen_actions(vals)
        self._check_declared(vals)
        return result

    def _check_on_fail_choice(self, vals):
        """A method for failures is not chosen, nor moved to others, by anybody."""
        changed = [name for name in ON_FAIL_FIELDS if name in vals]
        for function in self if changed else ():
            present = {"model_id": function.model_id.id}
            same = all(
                vals[name] == present.get(name, function[name]) for name in changed
            )
            if vals.get("on_fail_method", function.on_fail_method) and not same:
                self._check_administrator()
