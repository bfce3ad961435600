# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The helpers as methods of a test case, and the counter of jobs."""

from contextlib import contextmanager

from odoo.addons.queue_job.job import Job

from .drain import drain
from .trap import trap_jobs


class JobCounter:
    """The rows of ``queue.job`` since the counter was made.

    ``existing`` holds those that were there before.
    """

    def __init__(self, env):
        self.env = env
        self.existing = self.search_all()

    def count_all(self):
        """Return how many rows there are."""
        return len(self.search_all())

    def count_created(self):
        """Return how many rows were created since."""
        return len(self.search_created())

    def count_existing(self):
        """Return how many rows there were before."""
        return len(self.existing)

    def search_created(self):
        """Return the records that were created since."""
        return self.search_all() - self.existing

    def search_all(self):
        """Return all records, as superuser."""
        return self.env["queue.job"].sudo().search([])


class JobMixin:
    """The helpers as methods of a test case."""

    def job_counter(self):
        """Return a counter of the jobs created from now on."""
        return JobCounter(self.env)

    def perform_jobs(self, counter):
        """Perform each job created since the counter, in order of creation.

        As plain calls: states do not change, errors propagate. See :meth:`drain`.
        """
        for record in counter.search_created().sorted("id"):
            Job.load(record.env, record.uuid).perform()

    @contextmanager
    def trap_jobs(self, **options):
        """Catch the jobs enqueued in the block, see :func:`trap_jobs`."""
        with trap_jobs(**options) as trap:
            yield trap

    def drain(self, counter=None, **options):
        """Run pending rows to their end, see :func:`drain`.

        :param counter: only the jobs created since this counter was made
        """
        existing = counter.existing if counter else None
        return drain(self.env, ignore=existing, **options)
