# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What every model gains besides `with_delay`: helpers for usual ways to use jobs.

- `try_or_delay`: a call which becomes a job only if it can't be done now;
- `job_iter`, `job_until_timeout`: loops of long jobs.
"""

from odoo import api, models

from ..enqueue.try_or_delay import TEMPORARY, TryOrDelay
from ..progress import iteration


# pylint: disable=consider-merging-classes-inherited
class Base(models.AbstractModel):
    _inherit = "base"

    @api.private
    def try_or_delay(self, exceptions=TEMPORARY, **options):
        """Return a proxy of the records whose methods are run now, or else as jobs.

            self.try_or_delay(exceptions=(TimeoutError,), eta=600).push()

        The call returns what the method returns, or the `Job`.

        :param exceptions: those which undo the work of the method and delay it;
            default: retryable job errors, lost connections, time-outs
        :param options: of the job, as in `with_delay`
        """
        return TryOrDelay(self, exceptions, **options)

    @api.private
    def job_iter(
        self, iterable, message=None, report_rate=1, savepoint=False, resume_key=None
    ):
        """Yield items and show the progress of the job; a plain loop outside of jobs.

            for record in self.job_iter(self, message="{progress} of {valuemax}"):
                record.work()

        :param message: text with `{progress}` and `{valuemax}`
        :param report_rate: report after so many items
        :param savepoint: undo the work on the item at which the loop is left by an
            exception, keep that on the others
        :param resume_key: commit now and then, and go on from there in the next
            attempt; a name for the loop, whose items have to keep their order
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
    ):
        """Yield items until the time is over; the rest is done by the next attempt.

        The time is that of the job (`timeout`) or of the server (`limit_time_real`).
        What was done is committed, and the attempt is not counted as one.

        :param margin: seconds to stop before the limit
        :param on_timeout: called without arguments when the time is over
        :param requeue: False to leave the rest undone and let the method go on
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
