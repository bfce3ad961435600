# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Trap jobs: catch them when they are enqueued, look at them, run them.

While :func:`trap_jobs` is active no row is written. Each enqueued job is kept in
memory, in the :class:`JobsTrap`:

>>> with trap_jobs() as trap:
...     job = partner.with_delay(priority=5).write({"name": "Ada"})

A test asks what has been enqueued. Values are compared exactly, as they were given or
as they are stored; a predicate, a class or ``ANY`` may stand for a value, and only
those properties count which are given:

>>> trap.assert_jobs_count(1, only=partner.write)
>>> trap.assert_enqueued_job(
...     partner.write, args=({"name": "Ada"},), properties={"priority": 5}
... )
>>> trap.assert_enqueued_job(partner.write, args=(having(name=str),))
>>> trap.refute_enqueued_job(partner.unlink)

It runs the jobs, in its own transaction:

>>> trap.perform_enqueued_jobs()
[]
>>> partner.name
'Ada'

What is missing is told with what is there:

>>> trap.assert_enqueued_job(partner.write, args=({"name": "Bob"},))
Traceback (most recent call last):
    ...
AssertionError: Job <res.partner(...)>.write(...) with properties () was not enqueued.
Actual enqueued jobs:
 * <res.partner(...)>.write({'name': 'Ada'}) with properties ()

A trapped job is what a worker would load: its records and arguments have been to JSON
and back, its records have the context that is stored, and its channel and options are
those of the row. A value which has no JSON is refused by the call that enqueues it.
With ``trap_jobs(json_round_trip=...)``, "strict" also refuses what is not equal to what
comes back, such as XML elements, and False leaves everything as it is.

As in production, a call whose identity key a waiting job has is that job, and what was
enqueued in a savepoint goes when that is rolled back.

Rows, states, retries and due dates are not shown: for these, see :mod:`.drain`.
"""

from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import TestCase, mock

from odoo.addons.queue_job.core import options as job_options
from odoo.addons.queue_job.enqueue.apart import IS_APART
from odoo.addons.queue_job.fields import decode, rebind_to_cr
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.storage import results
from odoo.addons.queue_job.storage.row_mapper import encode_arguments, encode_records

from .job_calls import JobCall, JobCalls, TrappedCall
from .matching import ANY, having  # noqa: F401 (in the examples)
from .trap_rollback import Savepoints
from .trap_running import Endings, in_running_order

#: Performances after which jobs that enqueue jobs are held to do so for ever.
ENDLESS = 1000

# The assertions of unittest, for their messages.
_case = TestCase()


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
        #: jobs that were enqueued, by uuid
        self._jobs = {}
        #: those which hold their identity key while they are performed
        self._performed = []
        self._endings = Endings()
        self._patches = ExitStack()

    def __enter__(self):
        patch = self._patches.enter_context
        self._savepoints = patch(Savepoints(self._forget))
        keys = "odoo.addons.queue_job.enqueue.graph_keys"
        patch(mock.patch(f"{keys}._held", self._held))
        of_parents = self._results_of_parents(results.of_parents)
        patch(mock.patch.object(results, "of_parents", of_parents))
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
        """Check the number of jobs that wait.

        :param expected: the number
        :param only: a bound method: count its jobs, on the same records, alone
        """
        _case.assertEqual(self.jobs_count(only=only), expected)

    def assert_enqueued_job(self, method, args=None, kwargs=None, properties=None):
        """Check that the method has been enqueued with these arguments.

        Arguments are compared exactly, properties as far as given; both as they were
        given or as they are stored. Anywhere in them a predicate (a function, or a
        class for its instances) may stand for a value; ``ANY`` stands for whatever
        there is and ``having(**some)`` for the keywords that matter.

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

        :param method: a bound method
        :param args: refute only calls with these positional arguments
        :param kwargs: refute only calls with these keyword arguments
        :param properties: refute only jobs with these properties
        """
        unwanted = JobCall(method, args, kwargs, properties or {})
        found = JobCalls(call for call in self.calls if call.is_shaped_like(unwanted))
        if found:
            raise AssertionError(
                f"Job {unwanted} was enqueued, and should not be.\nFound:\n{found!r}"
            )

    def job_of(self, action):
        """Return the trapped job for which an action waits.

        :param action: what a button returned: that of ``wait_action()``
        :raise AssertionError: the action waits for none
        """
        waits = isinstance(action, dict) and action.get("tag") == "queue_job_wait"
        job = self._jobs.get(action["params"]["uuid"]) if waits else None
        if job is None:
            raise AssertionError(f"This action waits for no trapped job: {action!r}")
        return job

    # -- actions ---------------------------------------------------------------------

    def perform_enqueued_jobs(self, until_empty=False, limit=ENDLESS):
        """Run the waiting jobs in the current transaction, parents first.

        States do not change, nothing is retried, and an exception stops the run. Due
        dates, and the limits of channels, hold nothing back; a job that has expired,
        or waits for an end of its parents that did not come, does not run.

        :param until_empty: run those as well that are enqueued meanwhile, until none is
            left; otherwise they wait for the next call
        :param limit: performances after which jobs are held to enqueue jobs for ever
        :return: the jobs that wait now
        :raise AssertionError: the limit is reached; the message lists what is left
        """
        performed = self._perform_waiting()
        while until_empty and self.enqueued_jobs:
            if performed >= limit:
                left = "\n".join(f" * {job.func_string}" for job in self.enqueued_jobs)
                raise AssertionError(
                    f"Jobs are still enqueued after {performed} were performed:\n{left}"
                )
            performed += self._perform_waiting()
        return list(self.enqueued_jobs)

    def next_action(self, action):
        """Perform what waits, and return what the client would show after a wait.

        :param action: what a button returned: that of ``wait_action()``
        :return: the action which the job returned, or else the ``next_action`` of the
            wait; None for none
        :raise AssertionError: the action waits for no trapped job
        """
        job = self.job_of(action)
        self.perform_enqueued_jobs(until_empty=True)
        result = results.load(results.dump(job.result, job.job_function_name))
        return results.as_action(result) or action["params"]["next_action"] or None

    def _perform_waiting(self) -> int:
        # Taken out first: what they enqueue waits for the next run.
        jobs, self.enqueued_jobs = self.enqueued_jobs, []
        self._performed = jobs = in_running_order(jobs)
        try:
            for job in jobs:
                self._perform(job)
        finally:
            self._performed = []
        return len(jobs)

    def _perform(self, job):
        if not self._endings.may_run(job) or job_options.refusal(job):
            self._endings.cancelled(job)
            return
        # The method runs on the test's own cursor, commit allowed or not.
        with (
            mock.patch.object(job, "in_temporary_env", _same_env(job)),
            self._endings.running(job),
        ):
            job.perform()

    # -- the trap itself -------------------------------------------------------------

    def _add_job(self, method, *args, **options):
        """Stand for the constructor of Job."""
        call = _as_call(method, *args, **options)
        call.job = job = Job(method, *args, **options)
        job.identity_key, job.gate  # noqa: B018 (of the call as it was given)
        if self.json_round_trip:
            _send_through_store(job, strict=self.json_round_trip == "strict")
        else:
            _filter_context(job)
        self.calls.append(call)
        is_apart = bool(method.__self__.env.context.get(IS_APART))
        self._savepoints.note(call, is_lasting=is_apart)
        for name, replacement in (
            ("store", lambda: self._store(job)),
            ("wait_action", _wait_action(job)),
            ("parents_results", lambda: self._endings.results_for(job)),
        ):
            patch = mock.patch.object(job, name, side_effect=replacement)
            self._patches.enter_context(patch)
        return job

    def _store(self, job):
        """Take a job that would be stored now."""
        if job.uuid not in self._jobs:
            self._jobs[job.uuid] = job
            job.id = -len(self._jobs)  # of no row
            self.enqueued_jobs.append(job)

    def _held(self, keys):
        """Return {identity key: job} of the trapped jobs that hold one of the keys."""
        wanted = set(keys.values())
        running = self._endings.current
        holders = [
            *self.enqueued_jobs,
            *(job for job in self._performed if not self._endings.has_begun(job)),
            *([running] if running and running.identity_scope == "done" else []),
        ]
        held = {}
        for job in holders:
            if job.identity_key in wanted:
                held.setdefault(job.identity_key, job)
        return held

    def _results_of_parents(self, of_rows):
        def of_parents(env, job_id):
            job = self._endings.current
            if job_id or not job or env.context.get("job_uuid") != job.uuid:
                return of_rows(env, job_id)
            return self._endings.results_for(job)

        return of_parents

    def _forget(self, calls):
        """Drop calls whose savepoint is rolled back, and their jobs."""
        gone = [call.job for call in calls]
        self.calls[:] = [c for c in self.calls if not any(c is call for call in calls)]
        self.enqueued_jobs[:] = [
            job for job in self.enqueued_jobs if not any(job is other for other in gone)
        ]


@contextmanager
def trap_jobs(*, json_round_trip=True):
    """Catch the jobs enqueued in the block instead of storing them.

    :param json_round_trip: send records and arguments to JSON and back, and refuse what
        has no JSON; "strict" to refuse also arguments that come back different
    :return: context manager of a :class:`JobsTrap`
    """
    with (
        mock.patch("odoo.addons.queue_job.delay.Job", name="Job") as job_mock,
        JobsTrap(job_mock, json_round_trip=json_round_trip) as trap,
    ):
        yield trap


def _as_call(method, args=None, kwargs=None, **properties) -> TrappedCall:
    """Return a call; what is done to its arguments later does not change it."""
    cr = method.__self__.env.cr
    return TrappedCall(
        method,
        rebind_to_cr(tuple(args or ()), cr),
        rebind_to_cr(kwargs or {}, cr),
        properties,
    )


def _is_job_of(job, method):
    return (
        job.func.__func__ == method.__func__
        and job.recordset.ids == method.__self__.ids
    )


def _same_env(job):
    @contextmanager
    def in_same_env():
        yield job.env

    return in_same_env


def _wait_action(job):
    def wait_action(next_action=None, **options) -> dict[str, Any]:
        jobs = job.env["queue.job"].sudo()
        return jobs._waiting_action(job.uuid, next_action, **options)

    return wait_action


def _send_through_store(job, *, strict):
    """Give the job what a worker would load; if strict, refuse what differs."""
    # a worker has no context but the one that is stored with the records
    env = job.env(context={})
    records = decode(encode_records(job, job.recordset), env)
    loaded = [
        decode(encode_arguments(job, arguments), env)
        for arguments in (job._args, job._kwargs)
    ]
    given = (tuple(job.args), job.kwargs)
    job._recordset, job._args, job._kwargs = records, tuple(loaded[0]), loaded[1]
    for arguments, stored in zip(given, (job._args, job._kwargs), strict=True):
        if strict and stored != arguments:
            raise AssertionError(
                f"{job.model_name}.{job.method_name} was given {arguments!r}, and would"
                f" be called with {stored!r}"
            )


def _filter_context(job):
    """Give the job's records the context that a stored job is loaded with."""
    context = job.recordset._job_prepare_context_before_enqueue()
    job._recordset = job.recordset.with_env(job.env(context=context))
