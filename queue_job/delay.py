# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From a call to jobs: `with_delay`, `delayable`, `group` and `chain`.

A `Delayable` holds one call which is not a job yet. Calls are joined to a graph by
`on_done`, `group` and `chain`; `delay()` on the outermost one turns all of them into
jobs, written together:

    chain(
        group(a.delayable().prepare(), b.delayable().prepare()),
        records.delayable(priority=5).publish(),
    ).delay()

References point from parents to children only, and `Delayable._graph` is made when it
is asked for: there are no reference cycles, and what was prepared but never delayed
is reported as soon as it is forgotten.
"""

from __future__ import annotations

import logging
import uuid

from . import options, repository
from .graph import Graph
from .job import Job
from .states import PENDING, WAIT_DEPENDENCIES
from .utils import must_run_without_delay

_logger = logging.getLogger(__name__)

_STORE = Job.store


def group(*delayables) -> DelayableGroup:
    """Return a group: its members may run at the same time."""
    return DelayableGroup(*delayables)


def chain(*delayables) -> DelayableChain:
    """Return a chain: each member runs after the one before it."""
    return DelayableChain(*delayables)


class DelayableGraph(Graph):
    """A graph of delayables, groups and chains, which becomes a graph of jobs."""

    def _merge_graph(self, graph: Graph) -> None:
        """Add the vertices and edges of another graph."""
        for vertex, children in graph._graph.items():
            self._graph.setdefault(vertex, set()).update(children)

    def _connect_graphs(self) -> DelayableGraph:
        """Return the graph of the bare delayables, groups and chains taken apart.

        An edge between groups or chains becomes an edge from each tail of the first
        to each head of the second.
        """
        everything = DelayableGraph()
        seen: set = set()
        pending = list(self._graph)
        everything._merge_graph(self)
        while pending:
            vertex = pending.pop(0)
            if vertex in seen:
                continue
            seen.add(vertex)
            everything._merge_graph(vertex._graph)
            pending.extend(vertex._graph._graph)
        connected = DelayableGraph()
        for vertex, children in everything._graph.items():
            for tail in vertex._tail():
                connected.add_vertex(tail)
                for child in children:
                    for head in child._head():
                        connected.add_edge(tail, head)
        return connected

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
            jobs[child].add_depends({jobs[parent]})
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


class _Node:
    """What delayables, groups and chains have in common: they are delayed."""

    __slots__ = ()

    def delay(self) -> None:
        """Turn the graph from here downwards into jobs."""
        self._graph.delay()


class DelayableGroup(_Node):
    """Delayables, groups and chains which may run at the same time."""

    __slots__ = ("_delayables", "_graph", "_members")

    def __init__(self, *delayables):
        self._members = delayables
        self._delayables = set(delayables)
        self._graph = DelayableGraph()
        for delayable in delayables:
            self._graph.add_vertex(delayable)

    def on_done(self, *delayables) -> DelayableGroup:
        """Run these when all members are done."""
        for parent in self._members:
            for child in delayables:
                self._graph.add_edge(parent, child)
        return self

    def _head(self) -> list:
        return [head for member in self._members for head in member._head()]

    def _tail(self) -> list:
        return [tail for member in self._members for tail in member._tail()]

    def __repr__(self) -> str:
        return _repr_of_members(self)


class DelayableChain(_Node):
    """Delayables, groups and chains which run one after the other."""

    __slots__ = ("_graph", "_members")

    def __init__(self, *delayables):
        self._members = delayables
        self._graph = DelayableGraph()
        for delayable in delayables:
            self._graph.add_vertex(delayable)
        for parent, child in zip(delayables, delayables[1:], strict=False):
            self._graph.add_edge(parent, child)

    def on_done(self, *delayables) -> DelayableChain:
        """Run these when the last member is done."""
        for child in delayables:
            self._graph.add_edge(self._members[-1], child)
        return self

    def _head(self) -> list:
        return self._members[0]._head() if self._members else []

    def _tail(self) -> list:
        return self._members[-1]._tail() if self._members else []

    def __repr__(self) -> str:
        return _repr_of_members(self)


def _repr_of_members(node: DelayableGroup | DelayableChain) -> str:
    members = "\n\t".join(repr(member) for member in node._members)
    return f"{type(node).__name__}(\n\t{members}\n)"


class Delayable(_Node):
    """One call of a method on a recordset, not a job yet.

    Unknown attributes are the methods of the recordset; calling one keeps its
    arguments and returns the delayable, so that calls can be strung together. For the
    options see `options`.
    """

    _properties = options.PROPERTIES
    __slots__ = (
        *_properties,
        "_children",
        "_extras",
        "_generated_job",
        "_job_args",
        "_job_kwargs",
        "_job_method",
        "recordset",
    )

    def __init__(
        self,
        recordset,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        **extras,
    ):
        self._generated_job = None
        self._children: list = []
        self.recordset = recordset
        self._job_method = None
        self._job_args: tuple = ()
        self._job_kwargs: dict = {}
        self.priority = priority
        self.eta = eta
        self.max_retries = max_retries
        self.description = description
        self.channel = channel
        self.identity_key = identity_key
        try:
            self._extras = options.given(extras, "delayable")
        except TypeError:
            self._generated_job = True  # nobody forgot it
            raise

    @property
    def _graph(self) -> DelayableGraph:
        graph = DelayableGraph()
        graph.add_vertex(self)
        for child in self._children:
            graph.add_edge(self, child)
        return graph

    def _head(self) -> list:
        return [self]

    def _tail(self) -> list:
        return [self]

    def __repr__(self) -> str:
        name = self._job_method.__name__ if self._job_method else ""
        return (
            f"Delayable({self.recordset}.{name}({self._job_args}, {self._job_kwargs}))"
        )

    def __del__(self):
        if not self._generated_job:
            _logger.warning("Delayable %s was prepared but never delayed", self)

    def set(self, *args, **kwargs) -> Delayable:
        """Change options: one dictionary, keywords, or both."""
        if args:
            # one dictionary, as dict() takes it
            kwargs = dict(*args, **kwargs)
        for name, value in kwargs.items():
            if name in self._properties:
                setattr(self, name, value)
            elif name in options.EXTRAS:
                self._extras = options.given({**self._extras, name: value})
            else:
                raise ValueError(f"No property {name}")
        return self

    def on_done(self, *delayables) -> Delayable:
        """Run these when this one is done."""
        self._children += delayables
        return self

    def split(self, size: int, chain: bool = False) -> DelayableGroup | DelayableChain:
        """Return a group of calls on `size` records each, in place of this one.

        :param chain: one part after the other
        """
        if not self._job_method:
            raise ValueError("No method set on the Delayable")
        starts = range(0, len(self.recordset), size)
        parts = [
            self._part(self.recordset[start : start + size], number, len(starts))
            for number, start in enumerate(starts, start=1)
        ]
        self._generated_job = True  # replaced by its parts: nobody forgot it
        return DelayableChain(*parts) if chain else DelayableGroup(*parts)

    def _part(self, recordset, number: int, count: int) -> Delayable:
        part = Delayable(
            recordset,
            **{name: getattr(self, name) for name in self._properties},
            **self._extras,
        )
        part.description = f"{self._base_description()} (split {number}/{count})"
        part._job_method = getattr(recordset, self._job_method.__name__)
        part._job_args = self._job_args
        part._job_kwargs = self._job_kwargs
        return part

    def _base_description(self) -> str:
        if self.description:
            return self.description
        doc = (self._job_method.__doc__ or "").strip()
        if doc:
            return doc.splitlines()[0].strip()
        return f"{self.recordset._name}.{self._job_method.__name__}"

    def __getattr__(self, name):
        if name in Delayable.__slots__:
            raise AttributeError(name)
        if name in self.recordset:
            raise AttributeError(
                f"only methods can be delayed ({name} called on {self.recordset})"
            )
        method = getattr(self.recordset, name)

        def keep_call(*args, **kwargs) -> Delayable:
            self._job_method = method
            self._job_args = args
            self._job_kwargs = kwargs
            return self

        return keep_call

    def _build_job(self) -> Job:
        """Return the job of this call, built once."""
        if not self._generated_job:
            try:
                arguments = options.job_arguments(self._call_and_options(), self._extras)
                self._generated_job = Job(self._job_method, **arguments)
            except Exception:
                self._generated_job = True  # refused, not forgotten
                raise
        return self._generated_job

    def _call_and_options(self) -> dict:
        """Return the arguments of `Job`, in the order in which tests print them."""
        return {
            "args": self._job_args,
            "kwargs": self._job_kwargs,
            "priority": self.priority,
            "max_retries": self.max_retries,
            "eta": self.eta,
            "description": self.description,
            "channel": self.channel,
            "identity_key": self.identity_key,
        }

    def _is_nested(self) -> bool:
        """Whether the call is made inside a job and must not become another one."""
        return self._extras.get("allow_nested") is False and bool(
            self.recordset.env.context.get("job_uuid")
        )

    def _execute_direct(self):
        """Run the method now, in this transaction."""
        if self._is_nested():
            _logger.warning(
                "%s runs inside of job %s and not as a job (allow_nested=False)",
                self,
                self.recordset.env.context["job_uuid"],
            )
        return self._generated_job.perform()


class DelayableRecordset:
    """A recordset whose methods become jobs: what `with_delay` returns."""

    __slots__ = ("delayable",)

    def __init__(
        self,
        recordset,
        priority=None,
        eta=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        **extras,
    ):
        self.delayable = Delayable(
            recordset,
            priority=priority,
            eta=eta,
            max_retries=max_retries,
            description=description,
            channel=channel,
            identity_key=identity_key,
            **extras,
        )

    @property
    def recordset(self):
        return self.delayable.recordset

    def __getattr__(self, name):
        if name == "delayable":
            raise AttributeError(name)
        keep_call = getattr(self.delayable, name)

        def delay_call(*args, **kwargs):
            keep_call(*args, **kwargs).delay()
            return self.delayable._generated_job

        return delay_call

    def __repr__(self) -> str:
        recordset = self.recordset
        ids = getattr(recordset, "_ids", recordset)
        return f"DelayableRecordset({recordset._name}{ids})"

    __str__ = __repr__
