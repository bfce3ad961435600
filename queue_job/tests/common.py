# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Helpers for the tests of addons that enqueue jobs.

================================  ==================================================
what a test wants to know         helper
================================  ==================================================
is the right job enqueued?        :func:`trap_jobs`: nothing is stored, see `trap.py`
does its method do its work?      ``trap.perform_enqueued_jobs()``
does the job live its life?       :func:`drain`: real rows, retries, due dates under a
                                  fake clock, dependencies, see `drain.py`
is a loose argument right?        ``ANY``, :func:`having`, :func:`containing`,
                                  predicates and classes, see `matching.py`
how many rows were created?       :class:`JobCounter`
do the docstrings tell the truth? :func:`assert_doctests`, :func:`load_doctests`
================================  ==================================================

Mix :class:`JobMixin` in to have them as methods::

    class TestInvoice(JobMixin, TransactionCase):
        def test_export_is_a_job(self):
            with self.trap_jobs() as trap:
                self.invoice.action_export()
            trap.assert_enqueued_job(self.invoice._export, kwargs={"to": str})

        def test_export_survives_an_outage(self):
            self.invoice.action_export()
            with patch_api(fails=2):
                self.drain()
            self.assertTrue(self.invoice.exported)

To run jobs at once, as plain calls, set the context key ``queue_job__no_delay``.
"""

import doctest
import logging
from contextlib import contextmanager
from unittest import mock

from odoo.tests.case import TestCase

from odoo.addons.queue_job.job import Job

from .drain import Drained, drain
from .matching import ANY, containing, having, matches
from .trap import JobCall, JobCalls, JobsTrap, trap_jobs

#: The name in the manual of the community's addon.
JobsTester = JobsTrap

__all__ = [
    "ANY",
    "Drained",
    "JobCall",
    "JobCalls",
    "JobCounter",
    "JobMixin",
    "JobsTester",
    "JobsTrap",
    "OdooDocTestCase",
    "assert_doctests",
    "containing",
    "drain",
    "having",
    "load_doctests",
    "matches",
    "mock_with_delay",
    "trap_jobs",
]

_logger = logging.getLogger(__name__)


class JobCounter:
    """The rows of ``queue.job`` since the counter was made.

    ``existing`` holds those that were there before.
    """

    def __init__(self, env):
        self.env = env
        self.existing = self.search_all()

    def count_all(self):
        return len(self.search_all())

    def count_created(self):
        return len(self.search_created())

    def count_existing(self):
        return len(self.existing)

    def search_created(self):
        return self.search_all() - self.existing

    def search_all(self):
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


@contextmanager
def mock_with_delay():
    """Replace the object that ``with_delay()`` returns. Deprecated: use trap_jobs.

    ::

        with mock_with_delay() as (delayable_cls, delayable):
            record.button_that_delays()
        # with_delay(...): the recordset and the six job properties
        self.assertEqual(delayable_cls.call_args, mock.call(record, priority=1, ...))
        # .method(...)
        delayable.method.assert_called_once_with(1, foo=2)
    """
    with mock.patch(
        "odoo.addons.queue_job.models.base.DelayableRecordset",
        name="DelayableRecordset",
        spec=True,
    ) as delayable_cls:
        # An own mock: attributes of the class are not those of its instances.
        delayable = mock.MagicMock(name="delayable")
        delayable_cls.return_value = delayable
        yield delayable_cls, delayable


# -- docstrings as tests ------------------------------------------------------------


class OdooDocTestCase(doctest.DocTestCase, TestCase):
    """A doctest that Odoo's test runner can select, order and log."""

    def __init__(
        self,
        doctest_testcase,
        optionflags=0,
        setUp=None,
        tearDown=None,
        checker=None,
        seq=0,
    ):
        super().__init__(
            doctest_testcase._dt_test,
            optionflags=optionflags,
            setUp=setUp,
            tearDown=tearDown,
            checker=checker,
        )
        self.test_sequence = seq
        # "odoo.addons.<addon>....": what --test-tags=/<addon> looks at.
        self.test_module = (self._dt_test.name.split(".") + [""] * 3)[2]

    def setUp(self):
        super().setUp()
        _logger.info("Running doctest %s", self.id())


def load_doctests(module):
    """Return a ``load_tests`` function which adds the doctests of a module.

    For runners that respect the ``load_tests`` protocol of unittest. The one of
    Odoo 19 does not: there, call :func:`assert_doctests` in a test method.
    """

    def load_tests(loader, tests, ignore):
        for seq, case in enumerate(doctest.DocTestSuite(module)):
            wrapped = OdooDocTestCase(case, seq=seq)
            wrapped.test_tags = {"standard", "at_install", "queue_job", "doctest"}
            tests.addTest(wrapped)
        return tests

    return load_tests


def assert_doctests(module, **names):
    """Run the examples in the docstrings of a module; fail with what differs.

    :param names: what the examples may use besides the names of the module
    """
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder().find(module, extraglobs=names):
        runner.run(example, out=report.append)
    if runner.failures:
        raise AssertionError("".join(report))
