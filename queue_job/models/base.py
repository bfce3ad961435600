# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What every model gains: its methods can be delayed.

    self.with_delay(priority=5).send()      # a job, now
    self.delayable().send()                 # a call, for graphs of jobs
    self.try_or_delay().send()              # now, and as a job only if that fails
    self.with_delay_apart().note()          # a job, even if this transaction fails
    for line in self.job_iter(lines): ...   # the loop of a long job

Hooks for models: `_job_prepare_context_before_enqueue_keys` (what of the context goes
into the job) and `_job_store_values` (own columns of the job's row).
"""

import functools
import logging
from collections.abc import Iterator

from odoo import api, models

from ..core.options import given
from ..delay import Delayable, DelayableRecordset
from ..enqueue.apart import DelayApart
from ..enqueue.context import kept
from ..enqueue.try_or_delay import TEMPORARY, TryOrDelay
from ..progress import iteration
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
    ) -> DelayableRecordset:
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
        :param options: further ones, such as `countdown`, `timeout` and `expires`; the
            table in `core/options.py` says what each means
        :return: the proxy
        :raise TypeError: there is no such option
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
    ) -> Delayable:
        """Return a `Delayable`: a call which becomes a job by `delay()`.

        Delayables are joined to graphs by `on_done`, and by `group` and `chain` of
        `queue_job.delay`. The options are those of `with_delay`.

        :param priority: the lower, the earlier
        :param eta: not before this datetime (UTC), timedelta, or seconds from now
        :param max_retries: attempts before the job fails, 0 for no limit
        :param description: what the job is called
        :param channel: full name of the channel
        :param identity_key: text or function of the job: one waiting job per key
        :param options: further ones
        :return: the call, which has still to be given its method and its arguments
        :raise TypeError: there is no such option
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

    @api.private
    def try_or_delay(self, exceptions=TEMPORARY, **options) -> TryOrDelay:
        """Return a proxy of the records whose methods are run now, or else as jobs.

            self.try_or_delay(exceptions=(TimeoutError,), eta=600).push()

        The call returns what the method returns, or the `Job`.

        :param exceptions: those which undo the work of the method and delay it;
            default: retryable job errors, lost connections, time-outs
        :param options: of the job, as in `with_delay`
        """
        return TryOrDelay(self, exceptions, **options)

    @api.private
    def with_delay_apart(self, **options) -> DelayApart:
        """Return a proxy of the records whose methods become jobs that stay.

            self.with_delay_apart().note_failure(str(error))
            raise

        The job is committed by a transaction of its own before the call returns: it
        exists, and may run, whatever becomes of the present transaction. So it can't
        work on records that are not committed. The call returns the uuid of the job.

        :param options: of the job, as in `with_delay`
        :return: the proxy; its calls raise a ValueError for records that are not
            committed, and a `JobError` if what the job needs stays locked
        :raise TypeError: there is no such option
        """
        return DelayApart(self, **options)

    @api.private
    def job_iter(
        self, iterable, message=None, report_rate=1, savepoint=False, resume_key=None
    ) -> Iterator:
        """Yield items and show the progress of the job; a plain loop outside of jobs.

            for record in self.job_iter(self, message="{progress} of {valuemax}"):
                record.work()

        :param iterable: the items; where it has a length, the bar has an end
        :param message: text with `{progress}` and `{valuemax}`
        :param report_rate: report after so many items
        :param savepoint: undo the work on the item at which the loop is left by an
            exception, keep that on the others
        :param resume_key: commit now and then, and go on from there in the next
            attempt; a name for the loop, whose items have to keep their order
        :raise JobCancelled: a user has cancelled the job
        :raise JobTimeout: the time of the job is over
        """
        return iteration.job_iter(
            self.env,
            iterable,
            message,
            report_rate,
            savepoint=savepoint,
            resume_key=resume_key,
        )

    @api.private
    def job_until_timeout(
        self,
        iterable,
        margin=5,
        on_timeout=None,
        message=None,
        savepoint=True,
        requeue=True,
        resume_key="until_timeout",
    ) -> Iterator:
        """Yield items until the time is over; the rest is done by the next attempt.

        The time is that of the job (`timeout`) or of the server (`limit_time_real`).
        What was done is committed, and the attempt is not counted as one.

        :param iterable: the items, in the same order at each attempt
        :param margin: seconds to stop before the limit
        :param on_timeout: called without arguments when the time is over
        :param message: of the progress, see `job_iter`
        :param savepoint: undo the work on the item at which the loop is left by an
            exception
        :param requeue: False to leave the rest undone and let the method go on
        :param resume_key: a name for the loop, see `job_iter`
        """
        return iteration.job_until_timeout(
            self.env,
            iterable,
            margin,
            on_timeout,
            message=message,
            savepoint=savepoint,
            requeue=requeue,
            resume_key=resume_key,
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
        """Return the context of records in a job, its own and in its arguments.

        The caller may ask for more of it, see `enqueue.context`.
        """
        keys = self._job_prepare_context_before_enqueue_keys()
        return kept(self.env.context, keys)
