# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Methods and models that were renamed while jobs of them waited.

A job keeps the names with which it was enqueued. Where the method is gone, and a job
function names it among its former names, the job calls the method of that function,
with the settings of that function.
"""

from __future__ import annotations

from odoo import api, fields, models, tools
from odoo.tools import frozendict

from ..core.former_names import Call, read, renamed_models


class QueueJobFunctionRenamed(models.AbstractModel):
    _name = "queue.job.function.renamed"
    _description = "Former Names of Job Functions"

    former_names = fields.Char(
        help="Names that the method had before, separated by spaces. Jobs that were "
        "enqueued by these names call this method. That of a method whose model was "
        "renamed is given in full.\n"
        "Example: export_all <old.model>.export.",
    )

    @api.model
    @tools.ormcache()
    def _renamed(self) -> frozendict[Call, Call]:
        """Return {call of before: call of now}, without methods that still exist."""
        functions = self.sudo().search_fetch(
            [("former_names", "not in", (False, ""))],
            ["model_id", "method", "former_names"],
            order="id desc",  # of two that claim a name, the older one has it
        )
        return frozendict(
            (former, Call(function.model_id.model, function.method))
            for function in functions
            for former in function._former_calls()
            if not self._has_method(former)
        )

    @api.model
    @tools.ormcache()
    def _renamed_models(self) -> frozendict[str, str]:
        """Return {former name of a model: its name now}."""
        return frozendict(renamed_models(self._renamed(), self.env.registry))

    def _former_calls(self) -> list[Call]:
        """Return the calls of before which are calls of this function now."""
        # managers read no models
        return read(self.former_names, self.sudo().model_id.model)[0]

    @api.model
    def _has_method(self, call: Call) -> bool:
        model = self.env.registry.models.get(call.model)
        return callable(getattr(model, call.method, None))


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    def _present_call(self) -> Call:
        """Return which method of which model the job calls now."""
        self.ensure_one()
        call = Call(self.model_name or "", self.method_name or "")
        return self.env["queue.job.function"]._renamed().get(call, call)

    def _function_id(self) -> int | None:
        """Return the id of the job function that holds for the job now, if any."""
        functions = self.env["queue.job.function"]
        if functions._renamed():
            config = functions.job_config(self.channel_method_name)
            return (
                config.job_function_id if config.renamed_to else self.job_function_id.id
            )
        return self.job_function_id.id
