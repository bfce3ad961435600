# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""In which order trapped jobs run, and what those after them see of their ends."""

from contextlib import contextmanager
from itertools import groupby
from typing import Any

from odoo.addons.queue_job.core.states import CANCELLED, DONE
from odoo.addons.queue_job.storage import results
from odoo.addons.queue_job.storage.dependencies import is_satisfied


def in_running_order(jobs: list) -> list:
    """Return jobs in the order of running.

    Those alone come first, by priority; then each graph, parents first, and of those
    that may run by priority.
    """
    by_graph = sorted(jobs, key=_graph_key)
    ordered: list = []
    for graph_uuid, members in groupby(by_graph, key=_graph_key):
        found = sorted(members, key=_priority)
        ordered += _parents_first(found) if graph_uuid else found
    return ordered


def _graph_key(job):
    return job.graph_uuid or ""


def _priority(job):
    return job.priority


def _parents_first(jobs: list) -> list:
    ordered: list = []
    left = jobs
    while left:
        waiting = set(left)
        ready = next((job for job in left if waiting.isdisjoint(job.depends_on)), None)
        if ready is None:
            raise AssertionError(f"These jobs wait for each other: {left}")
        ordered.append(ready)
        left = [job for job in left if job is not ready]
    return ordered


class Endings:
    """How trapped jobs have ended; their own states stay as they are."""

    def __init__(self):
        #: the job that is performed now
        self.current: Any = None
        self._states: dict = {}
        self._begun: set = set()

    def may_run(self, job) -> bool:
        """Tell whether each parent has ended as the job waits for it.

        A parent that was not trapped, or failed, counts as done: the exception was the
        test's.
        """
        return all(
            is_satisfied(
                job._conditions.get(parent, "done"), self._states.get(parent, DONE)
            )
            for parent in job.depends_on
        )

    def has_begun(self, job) -> bool:
        return job in self._begun

    def cancelled(self, job) -> None:
        """Note that the job is not to run."""
        self._begun.add(job)
        self._states[job] = CANCELLED

    @contextmanager
    def running(self, job):
        """Note that the job runs in the block, and is done at its end."""
        outer, self.current = self.current, job
        self._begun.add(job)
        try:
            yield
        finally:
            self.current = outer
        self._states[job] = DONE

    def results_for(self, job) -> list:
        """Return the results of the parents of a job, as it would read them."""
        parents = sorted(job.depends_on, key=lambda parent: -(parent.id or 0))
        return [
            results.load(results.dump(parent.result, parent.job_function_name))
            for parent in parents
        ]
