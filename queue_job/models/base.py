# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What every model gains: its methods can be delayed.

    self.with_delay(priority=5).send()      # a job, now
    self.delayable().send()                 # a call, for graphs of jobs

Hooks for models: `_job_prepare_context_before_enqueue_keys` (what of the context goes
into the job) and `_job_store_values` (own columns of the job's row).
"""

import functools
import logging

from odoo import api, models

from ..core.options import given
from ..delay import Delayable, DelayableRecordset
from ..utils import must_run_without_delay

_logger = logging.getLogger(__name__)


class Base(models.AbstractModel):
    _inherit = "base"

    @api.private
    def with_delay(
        self,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        **options,
    ):
        """Return a proxy of the records whose methods are run later, as jobs.

        The job is written in the present transaction and may start when this one is
        committed. A method called on the proxy returns the `Job`; when a job with the
        same identity key waits already, it returns the record of that job.

        :param priority: the lower, the earlier; or "high", "default" (10), "low"
        :param eta: not before this datetime (UTC), timedelta, or seconds from now
        :param max_retries: attempts before the job fails, 0 for no limit; default 5
        :param description: default is the first line of the method's docstring
        :param channel: full name of the channel, default is that of the job function
        :param identity_key: text or function of the job: one waiting job per key
        :param countdown: seconds from now, another way to give `eta`
        :param timeout: seconds after which the running job is stopped and fails
        :param expires: like `eta`: a job not begun by then is cancelled
        :param allow_nested: False to run the method now when called inside a job
        :param notify: tell the user at the end: True, "done" or "failed"
        :param identity_scope: hold the key until the "start" (default) or "done"
        :param skip_if_missing: True to be done at once if the records are deleted
        :param sequence_key: text or function of the job: those of the same channel and
            key run one after the other, in order
        :param concurrency_key: text or function of the job: of those of the same
            channel and key, only `concurrency_limit` (default 1) run at a time
        """
        return DelayableRecordset(
            self,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            **given(options, "with_delay"),
        )

    @api.private
    def delayable(
        self,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        **options,
    ):
        """Return a `Delayable`: a call which becomes a job by `delay()`.

        Takes the options of `with_delay`. Delayables are joined to graphs by
        `on_done`, and by `group` and `chain` of `queue_job.delay`.
        """
        return Delayable(
            self,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            **given(options, "delayable"),
        )

    def _patch_job_auto_delay(self, method_name, context_key=None):
        """Return a replacement of a method which delays each call of it.

        To be put on the class by `_register_hook`. The method runs at once inside a
        job, where jobs are switched off, and, if `context_key` is given, where this
        key of the context is not set. If the model has a method
        `<method_name>_job_options`, it gets the same arguments and returns the
        options of the job.
        """

        def auto_delay(self, *args, **kwargs):
            context = self.env.context
            if (
                context.get("job_uuid")
                or (context_key and not context.get(context_key))
                or must_run_without_delay(self.env)
            ):
                _logger.debug("not enqueued, %s.%s runs now", self._name, method_name)
                return auto_delay.origin(self, *args, **kwargs)
            name = auto_delay.origin.__name__
            job_options = getattr(self, f"{name}_job_options", None)
            options = job_options(*args, **kwargs) if job_options else {}
            return getattr(self.with_delay(**options), name)(*args, **kwargs)

        origin = getattr(type(self), method_name)
        functools.update_wrapper(auto_delay, origin)
        auto_delay.origin = origin
        return auto_delay

    @api.model
    def _job_store_values(self, job):
        """Return values for columns which other addons add to `queue.job`.

        A method `_job_store_values_for_<method>`, if there is one, is asked instead.
        """
        return {}

    @api.model
    def _job_prepare_context_before_enqueue_keys(self):
        """Return the keys of the context which are kept for the job, as a tuple."""
        return ("tz", "lang", "allowed_company_ids", "force_company", "active_test")

    def _job_prepare_context_before_enqueue(self):
        """Return the context of records in a job, its own and in its arguments."""
        context = self.env.context
        return {
            key: context[key]
            for key in self._job_prepare_context_before_enqueue_keys()
            if key in context
        }
