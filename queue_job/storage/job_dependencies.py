# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The parents and children of a job in memory.

A loaded job knows the uuids of both from its row (`dependencies`, JSON text) and loads
the jobs when they are asked for. The edges themselves are rows of their own, see
`dependencies`; those which are not written yet are kept with the child.
"""

from __future__ import annotations

import json
import weakref

from ..core.states import WAIT_DEPENDENCIES
from . import job_graph
from .dependencies import CONDITIONS, is_satisfied


class JobDependencies:
    """The part of `Job` which knows other jobs."""

    def _init_dependencies(self) -> None:
        self._depends_on: set = set()
        self._reverse_depends_on: weakref.WeakSet = weakref.WeakSet()
        #: parent -> what end of it this job waits for, if it is not "done"
        self._conditions: dict = {}
        #: parents to which the edge is not written yet
        self._new_edges: set = set()
        self._dependencies: str | None = None
        self._unloaded_parents: list[str] | None = None
        self._unloaded_children: list[str] | None = None

    def add_depends(self, jobs: set, condition: str = "done") -> None:
        """Make this job wait for others; the edges are written with the jobs.

        :param jobs: the parents, of class `Job`
        :param condition: what end of the others it waits for: "done", "failed" or
            "always"
        :raise ValueError: the job is among the others, or there is no such condition
        """
        if self in jobs:
            raise ValueError("job cannot depend on itself")
        if condition not in CONDITIONS:
            raise ValueError(
                f"Condition {condition!r} is not one of: {', '.join(CONDITIONS)}"
            )
        self._depends_on |= jobs
        self._new_edges |= jobs
        for parent in jobs:
            parent._reverse_depends_on.add(self)
            if condition != "done":
                self._conditions[parent] = condition
        if not all(is_satisfied(condition, parent.state) for parent in jobs):
            self.state = WAIT_DEPENDENCIES

    @property
    def depends_on(self) -> set:
        """The jobs which this one waits for."""
        uuids = self._unloaded("depends_on", "_unloaded_parents")
        if uuids:
            loaded = self.load_many(self._env, uuids)
            self._depends_on |= loaded
            # deleted ones stay: only their edges tell whether they are waited for
            found = {job.uuid for job in loaded}
            self._unloaded_parents = [uuid for uuid in uuids if uuid not in found]
        return self._depends_on

    @property
    def reverse_depends_on(self) -> set:
        """The jobs which wait for this one."""
        uuids = self._unloaded("reverse_depends_on", "_unloaded_children")
        if uuids:
            # the weak set alone would not keep them
            self._loaded_children = self.load_many(self._env, uuids)
            self._reverse_depends_on.update(self._loaded_children)
            self._unloaded_children = []
        return set(self._reverse_depends_on)

    def _unloaded(self, key: str, attribute: str) -> list[str]:
        """Return the uuids on the row whose jobs are not in memory."""
        uuids = getattr(self, attribute)
        if uuids is None:
            uuids = _uuids(self._dependencies, key)
            setattr(self, attribute, uuids)
        return uuids

    def dependencies_text(self) -> str | None:
        """Return the JSON of the uuids on both sides, None when there are none."""
        if not (self._depends_on or self._reverse_depends_on):
            return self._dependencies
        sides = {
            "depends_on": (self._depends_on, "_unloaded_parents"),
            "reverse_depends_on": (self._reverse_depends_on, "_unloaded_children"),
        }
        return json.dumps(
            {
                key: list(
                    dict.fromkeys(self._unloaded(key, attribute))
                    | dict.fromkeys(job.uuid for job in jobs)
                )
                for key, (jobs, attribute) in sides.items()
            }
        )

    def should_check_dependents(self) -> bool:
        """Return whether other jobs wait for this one, or may wait by now.

        Later graphs can join a job by its identity key, without writing its row.
        """
        may_be_joined = self.claim_token is not None and bool(self._identity_key)
        return bool(
            may_be_joined
            or self._reverse_depends_on
            or self._unloaded("reverse_depends_on", "_unloaded_children")
        )

    def enqueue_waiting(self) -> None:
        """Make pending the jobs which waited for this one, and for no other."""
        record = self.db_record()
        if record:
            job_graph.release_children(self.env, record.ids)

    def cancel_dependent_jobs(self) -> None:
        """Cancel all jobs which wait for this one, and those which wait for them."""
        record = self.db_record()
        if record:
            job_graph.cancel_dependents(self.env, record.ids, self.date_cancelled)

    def _waits_for_parents(self) -> bool:
        conditions = self._conditions
        if not all(
            is_satisfied(conditions.get(parent, "done"), parent.state)
            for parent in self._depends_on
        ):
            return True
        unloaded = self._unloaded("depends_on", "_unloaded_parents")
        return bool(unloaded) and job_graph.is_blocked(self)


def _uuids(text: str | None, key: str) -> list[str]:
    """Return the uuids of one side; none where the text is no JSON of ours.

    It is for those who read it: the edges are rows of their own.
    """
    if not text:
        return []
    try:
        stored = json.loads(text)
    except ValueError:
        return []
    uuids = stored.get(key) if isinstance(stored, dict) else None
    return uuids if isinstance(uuids, list) else []
