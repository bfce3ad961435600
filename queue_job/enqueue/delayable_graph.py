# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A graph of delayables, and the way from it to a graph of jobs.

1. Groups and chains are taken apart until only calls are left, with an edge from each
   tail of the first to each head of the second.
2. Each call becomes a `Job`, all of them with one graph uuid.
3. If one of the calls has to run now, all run now, parents first, and nothing is
   stored.
4. Calls with an identity key may be one job, or jobs that exist (see `graph_keys`).
5. What is new is inserted in bulk.

An edge carries a condition: the end of the parent which the child waits for.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from odoo.models import BaseModel

from ..core.graph import Graph
from ..job import Job
from ..storage.insert import insert_many
from ..utils import must_run_without_delay
from . import browser_hint, graph_keys
from .protocols import Call

_STORE = Job.store


class DelayableGraph(Graph):
    """A graph of delayables, groups and chains, which becomes a graph of jobs."""

    __slots__ = ("_conditions",)

    def __init__(self, graph=None):
        super().__init__(graph)
        #: (parent, child) -> condition, where it is not "done"
        self._conditions: dict[tuple, str] = {}

    def add_edge(self, parent: Any, child: Any, condition: str = "done") -> None:  # pylint: disable=missing-return
        """Add an edge: the child waits for this end of the parent.

        :param condition: "done", "failed" or "always"; "always" if the edge is there
            with another one
        """
        is_known = child in self._graph.get(parent, ())
        if is_known and self.condition(parent, child) != condition:
            condition = "always"  # it was added for the one end and for the other
        super().add_edge(parent, child)
        if condition != "done":
            self._conditions[parent, child] = condition

    def condition(self, parent: Any, child: Any) -> str:
        """Return the end of the parent which the child waits for."""
        return self._conditions.get((parent, child), "done")

    def _merge_graph(self, graph: Graph) -> None:
        """Add the vertices and edges of another graph."""
        for vertex, children in graph._graph.items():
            self._graph.setdefault(vertex, set()).update(children)
        self._conditions.update(getattr(graph, "_conditions", ()))

    def _connect_graphs(self) -> DelayableGraph:
        """Return the graph of the bare delayables, groups and chains taken apart.

        An edge between groups or chains becomes an edge from each tail of the first
        to each head of the second. What is empty is passed through: what follows it
        waits for what was before it.
        """
        everything = self._with_inner_graphs()
        connected = DelayableGraph()
        for vertex, children in everything._graph.items():
            for tail in vertex._tail():
                connected.add_vertex(tail)
                for child in children:
                    condition = everything.condition(vertex, child)
                    for head in everything._heads_from(child):
                        connected.add_edge(tail, head, condition)
        return connected

    def _heads_from(self, vertex) -> list:
        """Return the heads of a vertex, and if it is empty those of what follows."""
        heads: list = []
        seen, todo = {vertex}, [vertex]
        while todo:
            following = todo.pop()
            heads += following._head()
            if not following._tail():
                new = self._graph.get(following, set()) - seen
                seen |= new
                todo.extend(new)
        return heads

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
        """Build all jobs of the graph and store them, or run them now.

        :raise ValueError: the graph has a cycle, or an option of a call is not usable
        :raise TypeError: an argument of a call cannot be kept in a job
        """
        graph = self._connect_graphs()
        vertices = list(graph.topological_sort())
        if len(vertices) != len(graph._graph):
            raise ValueError("Jobs cannot wait for each other: their graph has a cycle")
        for vertex in vertices:
            _build_job(vertex)
        self._ensure_same_graph_uuid([vertex._generated_job for vertex in vertices])
        if self._has_to_execute_directly(vertices):
            graph._execute_direct(vertices)
            return
        links = graph_keys.link(graph, vertices)
        for edge in links.edges:
            # a `Job` of others may know no conditions
            options = {} if edge.condition == "done" else {"condition": edge.condition}
            edge.child.add_depends({edge.parent}, **options)
        self._store(vertices, links)

    def _execute_direct(self, vertices: list[Call]) -> None:
        """Run the calls now, parents first.

        They raise if they fail: what waits for a failure, and what waits for that, is
        left out.
        """
        left_out: set[Call] = set()
        parents: dict[Call, list[Call]] = {}
        for parent, child in self.edges():
            parents.setdefault(child, []).append(parent)
        for vertex in vertices:
            ends = [(self.condition(p, vertex), p) for p in parents.get(vertex, ())]
            if any(
                end == "failed" or (end == "done" and parent in left_out)
                for end, parent in ends
            ):
                left_out.add(vertex)
            else:
                vertex._execute_direct()

    def _store(self, vertices: list[Call], links: graph_keys.Links) -> None:
        """Write the jobs, the new ones in bulk, and tell each call its job."""
        for vertex, record in links.records.items():
            vertex._generated_job = record
        insertable = [job for job in links.new if _is_insertable(job)]
        others = [job for job in links.new if not _is_insertable(job)]
        if insertable:
            env = vertices[0].recordset.env
            dedupe = links.is_all_new and not others
            held = insert_many(env, insertable, dedupe=dedupe)
            browser_hint.leave(env)
            for vertex in vertices if held else ():
                job = vertex._generated_job
                vertex._generated_job = held.get(job, job)
        for job in (*others, *links.changed):
            job.store()
        for vertex, other in links.same.items():
            vertex._generated_job = other._generated_job


def _build_job(vertex: Call) -> None:
    """Give a call its job; the one it has got before, if it was delayed before."""
    if isinstance(vertex._generated_job, BaseModel):
        # It was the job of another call: that may have ended by now.
        vertex._generated_job = None
    if vertex._build_job() is True:
        raise ValueError(f"{vertex} was split or refused: it cannot be delayed again")


def _is_insertable(job) -> bool:
    """Whether the job is new, and its `store` has not been replaced."""
    return (
        getattr(type(job), "store", None) is _STORE
        and "store" not in job.__dict__
        and not job.id
    )
