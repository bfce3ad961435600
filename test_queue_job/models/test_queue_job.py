# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The model of most integration tests: one method for each way to be a job."""

import functools

from odoo import api, fields, models

from odoo.addons.queue_job.delay import chain
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import identity_exact

# None is a default: trap_jobs and the tests compare each of them.
BUTTON_JOB_OPTIONS = {
    "channel": "root.test",
    "description": "Test",
    "eta": 15,
    "identity_key": identity_exact,
    "max_retries": 1,
    "priority": 15,
}


class TestQueueJob(models.Model):
    _name = "test.queue.job"
    _description = "Test model for queue.job"

    name = fields.Char()

    def _register_hook(self):
        self._delay_automatically("delay_me")
        self._delay_automatically("delay_me_options")
        self._delay_automatically(
            "delay_me_context_key", context_key="auto_delay_delay_me_context_key"
        )
        return super()._register_hook()

    @api.model
    def _delay_automatically(self, method_name, context_key=None):
        cls = type(self)
        patched = self._patch_job_auto_delay(method_name, context_key=context_key)
        original = getattr(cls, method_name)
        setattr(cls, method_name, functools.update_wrapper(patched, original))

    # -- hooks of queue_job ----------------------------------------------------------

    @api.model
    def _job_prepare_context_before_enqueue_keys(self):
        return ("tz", "lang", "allowed_company_ids")

    @api.model
    def _job_store_values(self, job):
        value = "JUST_TESTING"
        if job.state == "failed":
            value += "_BUT_FAILED"
        return {"additional_info": value}

    # -- job methods -----------------------------------------------------------------

    def testing_method(self, *args, **kwargs) -> tuple | dict:
        """Method used for tests

        Return its arguments, or raise or return what the keyword asks for.
        """
        if kwargs.get("raise_retry"):
            raise RetryableJobError("Must be retried later")
        if kwargs.get("return_context"):
            return self.env.context
        return args, kwargs

    def create_ir_logging(self, message, level="info") -> models.Model:
        """Leave a trace in the database that the job has run."""
        return self.env["ir.logging"].create(
            {
                "name": "test_queue_job",
                "type": "server",
                "dbname": self.env.cr.dbname,
                "level": level,
                "message": message,
                "path": "test_queue_job",
                "func": "create_ir_logging",
                "line": "1",
            }
        )

    def no_description(self) -> None:
        return

    def job_with_retry_pattern(self) -> None:
        """Do nothing; its function has a retry pattern."""
        return

    def job_with_retry_pattern__no_zero(self) -> None:
        """Do nothing; the retry pattern of its function begins late."""
        return

    def mapped(self, func) -> list | models.BaseModel:
        """A public method of the ORM, overridden: it must stay delayable."""
        return super().mapped(func)

    def job_alter_mutable(self, mutable_arg, mutable_kwarg=None) -> tuple:
        """Change the arguments."""
        mutable_arg.append(2)
        mutable_kwarg["b"] = 2
        return mutable_arg, mutable_kwarg

    def job_commit_with_arg_records(
        self, record, record_list, record_dict, token
    ) -> str:
        """Commit, having checked that all records share the job's cursor."""
        for other in (record, *record_list, *record_dict.values()):
            if other.env.cr is not self.env.cr:
                raise AssertionError(f"{other} is not on the cursor of the job")
        self.env.cr.commit()  # pylint: disable=invalid-commit
        return token

    # -- delayed without with_delay --------------------------------------------------

    def delay_me(self, arg, kwarg=None) -> tuple:
        """Return the arguments; delayed by its hook."""
        return arg, kwarg

    def delay_me_options_job_options(self) -> dict:
        """Return the options with which `delay_me_options` is delayed."""
        return {"identity_key": "my_job_identity"}

    def delay_me_options(self) -> str:
        """Delayed by its hook, with options."""
        return "ok"

    def delay_me_context_key(self) -> str:
        """Delayed by its hook where the context has a key."""
        return "ok"

    # -- what downstream code does, for trap_jobs and mock_with_delay ----------------

    def button_that_uses_with_delay(self) -> None:
        """Delay a call, as a button does."""
        self.with_delay(**BUTTON_JOB_OPTIONS).testing_method(1, foo=2)

    def button_that_uses_delayable_chain(self) -> None:
        """Delay a chain of calls, as a button does."""
        chain(
            self.delayable(**BUTTON_JOB_OPTIONS).testing_method(1, foo=2),
            self.delayable().testing_method("x", foo="y"),
            self.delayable().no_description(),
        ).delay()
