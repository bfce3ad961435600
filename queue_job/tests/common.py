# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Helpers for the tests of addons that enqueue jobs.

================================  ==================================================
what a test wants to know         helper
================================  ==================================================
is the right job enqueued?        :func:`trap_jobs`: nothing is stored, see `trap.py`
does its method do its work?      ``trap.perform_enqueued_jobs()``
does the job live its life?       :func:`drain`: real rows, retries, due dates under a
                                  fake clock, dependencies, see `drain.py`
does it on a running server?      :class:`JobsTestCase`: jobs go there by HTTP, and time
                                  passes when the test says so, see `jobs_test_case.py`
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

from .drain import Drained, drain
from .job_calls import JobCall, JobCalls
from .jobs_test_case import JobsTestCase
from .matching import ANY, containing, having, matches
from .mixin import JobCounter, JobMixin
from .trap import JobsTrap, trap_jobs

#: The name in the manual of the community's addon.
JobsTester = JobsTrap

__all__ = [
    "ANY",
    "Drained",
    "JobCall",
    "JobCalls",
    "JobCounter",
    "JobMixin",
    "JobsTestCase",
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
