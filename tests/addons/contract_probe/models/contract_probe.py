# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Methods which become jobs, and the hooks of models that have jobs."""

import functools
import logging

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import FAILED, identity_exact

_logger = logging.getLogger(__name__)


class ContractMixin(models.AbstractModel):
    """Each model which inherits it has job functions of its own."""

    _name = "contract.mixin"
    _description = "Mixin with a job"

    def mixin_job(self):
        return f"by {self._name}"


class ContractProbeTwin(models.Model):
    _name = "contract.probe.twin"
    _description = "Another model with the job of the mixin"
    _inherit = "contract.mixin"

    name = fields.Char()

    @api.model
    def delay_mixin_job(self):
        return self.with_delay().mixin_job().uuid


class ContractProbe(models.Model):
    _name = "contract.probe"
    _description = "Model with jobs"
    _inherit = "contract.mixin"

    name = fields.Char()
    failure = fields.Char()
    job_id = fields.Many2one("queue.job", ondelete="set null")
    job_state = fields.Selection(related="job_id.state", store=True)
    job_note = fields.Char(compute="_compute_job_note")

    @api.depends("job_id.state")
    def _compute_job_note(self):
        for probe in self:
            probe.job_note = f"its job is {probe.sudo().job_id.state}"

    # -- jobs ----------------------------------------------------------------------

    def my_method(self, a, k=None):
        """Do what the example of the manual does"""
        _logger.info("executed with a: %s and k: %s", a, k)

    def rename(self, name):
        self.name = f"{self.name or ''}{name}"
        return self.name

    def flaky(self, attempt):
        """Come back until the given attempt."""
        job = self.env["queue.job"].sudo()
        uuid = self.env.context["job_uuid"]
        if job.search([("uuid", "=", uuid)]).retry + 1 < attempt:
            raise RetryableJobError("Not yet")
        return "at last"

    def fail(self):
        self.name = "This must not stay"
        raise UserError("As it was told")

    def note_failure(self, exc_name, exc_message, exc_info):
        """Be told that `fail` has failed."""
        self.failure = f"{exc_name}: {exc_message}"

    def show_context(self):
        return str(sorted(self.env.context))

    def commit_twice(self):
        for name in ("one", "two"):
            self.name = name
            self.env.cr.commit()

    def hold(self, key):
        """Run until somebody gives this advisory lock back; tell what is seen."""
        before = self.job_note, self.job_state
        self.env.cr.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        return f"{before[0]}, stored: {before[1]}"

    def auto(self, value):
        self.name = value
        return value

    def auto_job_options(self, value):
        return {"description": f"auto {value}", "identity_key": identity_exact}

    def _register_hook(self):
        patched = self._patch_job_auto_delay("auto", context_key="auto_delay_auto")
        origin = getattr(type(self), "auto")  # noqa: B009 (as other addons do it)
        setattr(type(self), "auto", functools.update_wrapper(patched, origin))  # noqa: B010
        return super()._register_hook()

    # -- hooks ---------------------------------------------------------------------

    @api.model
    def _job_prepare_context_before_enqueue_keys(self):
        return super()._job_prepare_context_before_enqueue_keys() + ("contract_key",)

    @api.model
    def _job_store_values(self, job):
        suffix = " failed" if job.state == FAILED else ""
        return {"contract_tag": f"{job.method_name}{suffix}"}

    @api.model
    def _job_store_values_for_rename(self, job):
        return {"contract_tag": "of the method"}

    # -- for the test --------------------------------------------------------------

    def delay_job(self, method, args=(), kwargs=None, options=None):
        """Delay a method, which RPC cannot do itself, and return the uuid."""
        delayed = self.with_delay(**(options or {}))
        return getattr(delayed, method)(*args, **(kwargs or {})).uuid

    def _watch(self, job):
        """Let the fields of the record show the state of a job."""
        self.job_id = job.db_record()
        return job.uuid

    def delay_watched(self, method, *args):
        return self._watch(getattr(self.with_delay(), method)(*args))

    def delay_watched_child(self, condition, parent, *args):
        """Delay a job and one which waits for it; the second one is shown."""
        first = getattr(self.delayable(), parent)(*args)
        child = self.delayable().show_context()
        getattr(first, condition)(child)
        first.delay()
        return self._watch(child._generated_job)

    def delay_same(self):
        options = {"identity_key": identity_exact, "eta": 3600}
        return [self.with_delay(**options).show_context().uuid for _twice in range(2)]

    def delay_auto(self, value):
        return self.with_context(auto_delay_auto=True).auto(value).uuid

    def delay_graph(self, parts):
        """Rename by each part, in order; two of them beside each other at first."""
        self.create([{"name": "beside"}, {"name": "beside"}])
        chain(
            group(*(self.delayable().my_method(part, k=2) for part in parts)),
            *(self.delayable().rename(part) for part in parts),
        ).delay()
        jobs = self.env["queue.job"].sudo()
        return jobs.search([("graph_uuid", "!=", False)]).mapped("uuid")
