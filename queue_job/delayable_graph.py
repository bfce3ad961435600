# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A graph of delayables, and the way from it to a graph of jobs.

1. Groups and chains are taken apart until only calls are left, with an edge from each
   tail of the first to each head of the second.
2. Each call becomes a `Job`, all of them with one graph uuid.
3. If one of the calls has to run now, all run now, parents first, and nothing is
   stored.
4. Calls with an identity key are compared with the jobs that wait (see `_link_twins`).
5. What is new is inserted in bulk.

An edge carries a condition: the end of the parent which the child waits for.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import TYPE_CHECKING

from . import repository
from .graph import Graph
from .job import Job
from .states import PENDING, WAIT_DEPENDENCIES
from .utils import must_run_without_delay

if TYPE_CHECKING:
    from .delay import Delayable

_STORE = Job.store


class DelayableGraph(Graph):
    """A graph of delayables, groups and chains, which becomes a graph of jobs."""

    __slots__ = ("_conditions",)

    def __init__(self, graph=None):
        super().__init__(graph)
        #: (parent, child) -> condition, where it is not "done"
        self._conditions: dict[tuple, str] = {}

    def add_edge(self, parent, child, condition: str = "done"):  # pylint: disable=missing-return
        """Add an edge: the child waits for this end of the parent."""
        super().add_edge(parent, child)
        if condition != "done":
            self._conditions[parent, child] = condition

    def _merge_graph(self, graph: Graph) -> None:
        """Add the vertices and edges of another graph."""
        for vertex, children in graph._graph.items():
            self._graph.setdefault(vertex, set()).update(children)
        self._conditions.update(getattr(graph, "_conditions", ()))

    def _connect_graphs(self) -> DelayableGraph:
        """Return the graph of the bare delayables, groups and chains taken apart.

        An edge between groups or chains becomes an edge from each tail of the first
        to each head of the second.
        """
        everything = self._with_inner_graphs()
        connected = DelayableGraph()
        for vertex, children in everything._graph.items():
            for tail in vertex._tail():
                connected.add_vertex(tail)
                for child in children:
                    condition = everything._conditions.get((vertex, child), "done")
                    for head in child._head():
                        connected.add_edge(tail, head, condition)
        return connected

    def _with_inner_graphs(self) -> DelayableGraph:
        """Return this graph with those of its vertices, at any depth."""
        everything = DelayableGraph()
        everything._merge_graph(self)
        pending = deque(self._graph)
        seen: set = set()
        while pending:
            vertex = pending.popleft()
            if vertex not in seen:
                seen.add(vertex)
                inner = vertex._graph
                everything._merge_graph(inner)
                pending.extend(inner._graph)
        return everything

    @staticmethod
    def _ensure_same_graph_uuid(jobs) -> None:
        """Give the jobs of a graph one uuid; a job alone has none."""
        jobs_count = len(jobs)
        if jobs_count == 0:
            raise ValueError("Expecting jobs")
        if jobs_count == 1:
            (job,) = jobs
            if job.graph_uuid:
                raise ValueError(
                    f"Job {job} is a single job, it should not have a graph uuid"
                )
            return
        known = {job.graph_uuid for job in jobs if job.graph_uuid}
        if len(known) > 1:
            raise ValueError("Jobs cannot have dependencies between several graphs")
        graph_uuid = known.pop() if known else str(uuid.uuid4())
        for job in jobs:
            job.graph_uuid = graph_uuid

    def _has_to_execute_directly(self, vertices) -> bool:
        """Whether one of the calls has to run now, which makes all of them run now."""
        environments = {id(env): env for env in (v.recordset.env for v in vertices)}
        if any(must_run_without_delay(env) for env in environments.values()):
            return True
        return any(vertex._is_nested() for vertex in vertices)

    def delay(self) -> None:
        """Build all jobs of the graph and store them, or run them now."""
        graph = self._connect_graphs()
        vertices = list(graph.topological_sort())
        if len(vertices) != len(graph._graph):
            raise ValueError("Jobs cannot wait for each other: their graph has a cycle")
        for vertex in vertices:
            vertex._build_job()
        self._ensure_same_graph_uuid([vertex._generated_job for vertex in vertices])
        if self._has_to_execute_directly(vertices):
            for vertex in vertices:
                vertex._execute_direct()
            return
        twins = self._twins(vertices)
        keyed = [vertex for vertex in vertices if vertex.identity_key]
        if keyed and all(vertex in twins for vertex in keyed):
            for vertex, record in twins.items():
                vertex._generated_job = record
            return
        edges = graph.edges()
        jobs = self._link_twins(vertices, twins, {child for _parent, child in edges})
        for parent, child in edges:
            condition = graph._conditions.get((parent, child))
            options = {"condition": condition} if condition else {}
            jobs[child].add_depends({jobs[parent]}, **options)
        self._store(vertices, jobs)

    def _twins(self, vertices: list[Delayable]) -> dict[Delayable, object]:
        """Return {vertex: record of the waiting job with the same identity key}."""
        keyed = {
            vertex: vertex._generated_job.identity_key
            for vertex in vertices
            if vertex.identity_key
        }
        if not keyed:
            return {}
        env = next(iter(keyed)).recordset.env
        found = repository.find_twins(env, keyed.values())
        jobs = env["queue.job"].sudo()
        return {
            vertex: jobs.browse(found[key])
            for vertex, key in keyed.items()
            if key in found
        }

    def _link_twins(self, vertices, twins, children) -> dict[Delayable, Job]:
        """Return the job of each vertex; an existing one where it has a twin.

        When some of the keys of a graph are waiting already and others are not, the
        graph is made of new jobs and of those that exist: the work is done once, and
        what depends on it waits for it. Only a twin which has been given to a worker
        cannot be made to wait for new parents: then a second job waits for them.
        """
        jobs = {vertex: vertex._generated_job for vertex in vertices}
        for vertex, record in twins.items():
            if vertex in children and record.state not in (PENDING, WAIT_DEPENDENCIES):
                continue
            vertex._generated_job = record
            jobs[vertex] = Job._load_from_db_record(record)
        return jobs

    def _store(self, vertices: list[Delayable], jobs: dict[Delayable, Job]) -> None:
        """Write the jobs, the new ones in bulk."""
        new = [job for job in jobs.values() if _is_insertable(job)]
        if new:
            env = vertices[0].recordset.env
            twins = repository.insert_many(env, new, dedupe=len(new) == len(jobs))
            for vertex in vertices:
                if jobs[vertex] in twins:
                    vertex._generated_job = twins[jobs[vertex]]
        inserted = {id(job) for job in new}
        for vertex, job in jobs.items():
            if id(job) in inserted:
                continue
            # The row of a twin which only gets new children is not touched: it may
            # be running by now. The edge is enough.
            is_parent_twin = job is not vertex._generated_job and not job._depends_on
            if not is_parent_twin:
                job.store()


def _is_insertable(job) -> bool:
    """Whether the job is new, and its `store` has not been replaced."""
    return (
        getattr(type(job), "store", None) is _STORE
        and "store" not in job.__dict__
        and not job.id
    )
