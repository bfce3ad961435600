# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Trap jobs: catch them when they are enqueued, look at them, run them.

While :func:`trap_jobs` is active no row is written. Each enqueued job is kept in
memory, in the :class:`JobsTrap`:

>>> with trap_jobs() as trap:
...     job = partner.with_delay(priority=5).write({"name": "Ada"})

A test asks what has been enqueued. Values are compared exactly; a predicate, a class or
``ANY`` may stand for a value, and only those properties count which are given:

>>> trap.assert_jobs_count(1, only=partner.write)
>>> trap.assert_enqueued_job(
...     partner.write, args=({"name": "Ada"},), properties={"priority": 5}
... )
>>> trap.assert_enqueued_job(partner.write, args=(having(name=str),))
>>> trap.refute_enqueued_job(partner.unlink)

It runs the jobs, in its own transaction:

>>> trap.perform_enqueued_jobs()
>>> partner.name
'Ada'

What is missing is told with what is there:

>>> trap.assert_enqueued_job(partner.write, args=({"name": "Bob"},))
Traceback (most recent call last):
    ...
AssertionError: Job <res.partner(...)>.write(...) with properties () was not enqueued.
Actual enqueued jobs:
 * <res.partner(...)>.write({'name': 'Ada'}) with properties ()

Arguments make the same journey as in production, to JSON and back: a value which has no
JSON is refused by the call that enqueues it. With ``trap_jobs(json_round_trip=...)``,
"strict" also refuses what is not equal to what comes back, such as XML elements, and
False accepts everything.

Rows, states, retries and due dates are not shown: for these, see :mod:`.drain`.
"""

from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from unittest import TestCase, mock

from odoo.addons.queue_job.core.graph import Graph
from odoo.addons.queue_job.fields import decode
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.storage.row_mapper import encode_arguments

from .matching import ANY, describe, having, matches  # noqa: F401 (in the examples)

# The assertions of unittest, for their messages.
_case = TestCase()


class JobCall(NamedTuple):
    """One enqueued call: bound method, arguments, properties of the job."""

    method: Any
    args: tuple
    kwargs: dict
    properties: dict

    def __eq__(self, other):
        if not isinstance(other, JobCall):
            return NotImplemented
        return (
            self.method.__self__ == other.method.__self__
            and self.method.__func__ == other.method.__func__
            and self.args == other.args
            and self.kwargs == other.kwargs
            and self.properties == other.properties
        )

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __str__(self):
        options = ", ".join(f"{key}={value}" for key, value in self.properties.items())
        return (
            f"<{self.method.__self__}>.{self.method.__name__}"
            f"({self._described_arguments()}) with properties ({options})"
        )

    def _described_arguments(self):
        positional = (
            [describe(value) for value in self.args]
            if isinstance(self.args, list | tuple)
            else [f"*{describe(self.args)}"]
        )
        keywords = [f"{key}={describe(value)}" for key, value in _items(self.kwargs)]
        return ", ".join(positional + keywords)

    def is_shaped_like(self, expected):
        """Tell whether this call has what the expected one, maybe loosely, asks."""
        return (
            self.method.__self__ == expected.method.__self__
            and self.method.__func__ == expected.method.__func__
            and matches(expected.args, self.args)
            and matches(expected.kwargs, self.kwargs)
            and self._has_properties(expected.properties)
        )

    def _has_properties(self, expected):
        # An identity key is often a function, which is not a predicate here.
        return all(
            name in self.properties
            and (
                self.properties[name] == value
                or (name != "identity_key" and matches(value, self.properties[name]))
            )
            for name, value in expected.items()
        )

    def restricted_to(self, property_names):
        """Return the call with these properties only, in the order of the call."""
        properties = {k: v for k, v in self.properties.items() if k in property_names}
        return self._replace(properties=properties)


def _items(expected):
    """Return the pairs of a dict; a matcher stands for itself as ``**matcher``."""
    return expected.items() if isinstance(expected, dict) else [("**", expected)]


class JobCalls(list):
    """Calls in the order they were made; prints one per line."""

    def __repr__(self):
        return "\n".join(f" * {call}" for call in self) or " (none)"


class JobsTrap:
    """What has been enqueued since :func:`trap_jobs`.

    * ``calls``: all calls (:class:`JobCall`), also the ones whose identity key was
      already there;
    * ``enqueued_jobs``: the jobs that wait to be performed;
    * ``job_mock``: the mock that stands for the class ``Job``.
    """

    def __init__(self, job_mock, *, json_round_trip=True):
        self.job_mock = job_mock
        self.job_mock.side_effect = self._add_job
        self.json_round_trip = json_round_trip
        self.calls = JobCalls()
        self.enqueued_jobs = []
        self._patches = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._patches.close()

    def __repr__(self):
        return repr(self.calls)

    # -- questions -------------------------------------------------------------------

    def jobs_count(self, only=None):
        """Return the number of jobs that wait.

        :param only: a bound method: count its jobs, on the same records, alone
        """
        return sum(only is None or _is_job_of(job, only) for job in self.enqueued_jobs)

    def assert_jobs_count(self, expected, only=None):
        """Check the number of jobs that wait."""
        _case.assertEqual(self.jobs_count(only=only), expected)

    def assert_enqueued_job(self, method, args=None, kwargs=None, properties=None):
        """Check that the method has been enqueued with these arguments.

        Arguments are compared exactly, properties as far as given. Anywhere in them a
        predicate (a function, or a class for its instances) may stand for a value;
        ``ANY`` stands for whatever there is and ``having(**some)`` for the keywords
        that matter.

        :param method: bound method, on the same records as the one delayed
        :param args: tuple of arguments, or a predicate on the tuple
        :param kwargs: dict of keywords, or a predicate on the dict
        :param properties: dict of job properties, such as priority or channel
        """
        expected = JobCall(
            method,
            () if args is None else args,
            {} if kwargs is None else kwargs,
            properties or {},
        )
        if not any(call.is_shaped_like(expected) for call in self.calls):
            actual = JobCalls(c.restricted_to(expected.properties) for c in self.calls)
            raise AssertionError(
                f"Job {expected} was not enqueued.\nActual enqueued jobs:\n{actual!r}"
            )

    def refute_enqueued_job(self, method, args=ANY, kwargs=ANY, properties=None):
        """Check that the method has not been enqueued, whatever the arguments.

        Takes what :meth:`assert_enqueued_job` takes to refute only some calls.
        """
        unwanted = JobCall(method, args, kwargs, properties or {})
        found = JobCalls(call for call in self.calls if call.is_shaped_like(unwanted))
        if found:
            raise AssertionError(
                f"Job {unwanted} was enqueued, and should not be.\nFound:\n{found!r}"
            )

    # -- actions ---------------------------------------------------------------------

    def perform_enqueued_jobs(self):
        """Run the waiting jobs in the current transaction, parents first.

        Jobs enqueued while they run wait for the next call. States do not change,
        nothing is retried, and an exception stops the run.
        """
        # Cleared first: an identity key is free as soon as its job starts.
        jobs, self.enqueued_jobs = self.enqueued_jobs, []
        by_graph = sorted(jobs, key=_graph_key)
        for graph_uuid, graph_jobs in groupby(by_graph, key=_graph_key):
            for job in _in_running_order(graph_uuid, list(graph_jobs)):
                # The method runs on the test's own cursor, commit allowed or not.
                with mock.patch.object(job, "in_temporary_env", _same_env(job)):
                    job.perform()

    # -- the trap itself -------------------------------------------------------------

    def _add_job(self, method, *args, **options):
        """Stand for the constructor of Job."""
        call = _as_call(method, *args, **options)
        job = Job(method, *args, **options)
        if self.json_round_trip:
            _check_round_trip(job, strict=self.json_round_trip == "strict")
        self.calls.append(call)
        _filter_context(job)
        self._patches.enter_context(mock.patch.object(job, "store"))
        if not self._is_duplicate(job):
            self.enqueued_jobs.append(job)
        return job

    def _is_duplicate(self, job):
        return job.identity_key and any(
            job.identity_key == other.identity_key for other in self.enqueued_jobs
        )


@contextmanager
def trap_jobs(*, json_round_trip=True):
    """Catch the jobs enqueued in the block instead of storing them.

    :param json_round_trip: refuse arguments that have no JSON; "strict" to refuse also
        those that come back different
    :return: context manager of a :class:`JobsTrap`
    """
    with (
        mock.patch("odoo.addons.queue_job.delay.Job", name="Job") as job_mock,
        JobsTrap(job_mock, json_round_trip=json_round_trip) as trap,
    ):
        yield trap


def _as_call(method, args=None, kwargs=None, **properties):
    return JobCall(method, tuple(args or ()), kwargs or {}, properties)


def _is_job_of(job, method):
    return (
        job.func.__func__ == method.__func__
        and job.recordset.ids == method.__self__.ids
    )


def _graph_key(job):
    return job.graph_uuid or ""


def _in_running_order(graph_uuid, jobs):
    if not graph_uuid:
        return sorted(jobs, key=attrgetter("priority"))
    graph = Graph()
    for job in jobs:
        graph.add_vertex(job)
        for parent in job.depends_on:
            graph.add_edge(parent, job)
    trapped = set(jobs)
    return [job for job in graph.topological_sort() if job in trapped]


def _same_env(job):
    @contextmanager
    def in_same_env():
        yield job.env

    return in_same_env


def _check_round_trip(job, *, strict):
    """Refuse arguments as a stored job does; if strict, also those that change."""
    for arguments in (job.args, job.kwargs):
        loaded = decode(encode_arguments(job, arguments), job.env)
        if strict and type(arguments)(loaded) != arguments:
            raise AssertionError(
                f"{job.model_name}.{job.method_name} was given {arguments!r}, and would"
                f" be called with {loaded!r}"
            )


def _filter_context(job):
    """Give the job's records the context that a stored job is loaded with."""
    context = job.recordset._job_prepare_context_before_enqueue()
    job._recordset = job.recordset.with_env(job.env(context=context))
