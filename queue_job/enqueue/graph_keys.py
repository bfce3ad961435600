# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which calls of a graph are new jobs, and which are jobs that exist.

A call that was delayed before is its job. For the others the identity keys decide:
there is one waiting job for each key, and no call of a graph is lost to that.

- Calls with the same key are one job, and a call whose key a stored job holds is that
  job. The edges from and to the call are edges of that job.
- A call that has to run after the job which has its key cannot be that job: it becomes
  the key's second job. So it is where the graph puts one behind the other, where the
  stored edges do, and where the stored job has been given to a worker and cannot be
  made to wait for new parents.
- If every call has a key and every key is held, nothing is created. An edge which would
  need a second job is left out then.

The log has a line for each call that is not enqueued, and for each second job.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from odoo.models import BaseModel

from ..core.states import PENDING, WAIT_DEPENDENCIES
from ..job import Job
from ..storage.identity_slots import find_duplicates
from .protocols import Call, CallGraph

_logger = logging.getLogger(__name__)

# The edges among these jobs.
READ_EDGES = """
SELECT parent_id, child_id, condition FROM queue_job_dependency
 WHERE parent_id = ANY(%(ids)s) AND child_id = ANY(%(ids)s)"""

# Which of these jobs waits, directly or not, for which of them.
READ_PATHS = """
WITH RECURSIVE path AS (
    SELECT parent_id AS start, child_id AS id FROM queue_job_dependency
     WHERE parent_id = ANY(%(ids)s)
     UNION
    SELECT path.start, edge.child_id
      FROM path JOIN queue_job_dependency edge ON edge.parent_id = path.id
)
SELECT start, id FROM path WHERE id = ANY(%(ids)s)"""

# Of two transactions which join the same jobs in opposite orders one has to see the
# edges of the other, or the jobs would wait for each other.
LOCK_WAITING = """
SELECT id FROM queue_job
 WHERE id = ANY(%(ids)s) AND state IN ('pending', 'wait_dependencies')
 ORDER BY id
   FOR NO KEY UPDATE"""

#: A job of the graph: the call which becomes it, or the id of a stored one.
Node = Any


class JobEdge(NamedTuple):
    """An edge to write, of two jobs in memory."""

    parent: Job
    child: Job
    condition: str


class Links(NamedTuple):
    """A graph of calls as a graph of jobs."""

    #: jobs to create
    new: list[Job]
    #: stored jobs to update
    changed: list[Job]
    #: edges to write
    edges: list[JobEdge]
    #: {call: record of the stored job which it is}
    records: dict[Call, BaseModel]
    #: {call: call whose job is its own as well}
    same: dict[Call, Call]

    @property
    def is_all_new(self) -> bool:
        """Return whether no stored job has a part in the graph."""
        return not self.records and not self.changed


def link(graph: CallGraph, vertices: list[Call]) -> Links:
    """Find the jobs and the edges of a graph whose calls have got their `Job`.

    :param vertices: all calls of the graph, each after its parents
    :return: the jobs and edges to write, and what becomes of each call
    :raise ValueError: a call that was delayed before cannot wait for its parents
    """
    keys = {v: v._generated_job.identity_key for v in vertices if v.identity_key}
    keys = {vertex: key for vertex, key in keys.items() if key}
    stored = _stored(vertices)
    held = _held(keys)
    if not held and not stored and len(set(keys.values())) == len(keys):
        jobs = {vertex: vertex._generated_job for vertex in vertices}
        edges = [
            JobEdge(jobs[parent], jobs[child], graph.condition(parent, child))
            for parent, child in graph.edges()
        ]
        return Links(list(jobs.values()), [], edges, {}, {})
    linker = _Linker(graph, vertices, keys, held, stored)
    linker.work_out()
    return linker.links()


def _stored(vertices: list[Call]) -> dict[Call, Any]:
    """Return {call: record of its job} of the calls which were delayed before."""
    ids = {vertex: getattr(vertex._generated_job, "id", None) for vertex in vertices}
    ids = {vertex: id_ for vertex, id_ in ids.items() if isinstance(id_, int) and id_}
    if not ids:
        return {}
    jobs = next(iter(ids)).recordset.env["queue.job"].sudo()
    found = jobs.browse(ids.values()).exists()
    return {v: found.browse(id_) for v, id_ in ids.items() if id_ in found._ids}


def _held(keys: dict[Call, str]) -> dict[str, Any]:
    """Return {key: record of the job which holds it}."""
    if not keys:
        return {}
    env = next(iter(keys)).recordset.env
    found = find_duplicates(env, keys.values())
    jobs = env["queue.job"].sudo().browse(found.values())
    return {key: jobs.browse(id_) for key, id_ in found.items()}


def _loaded(record: Any) -> Job:
    """Return the job of a record; a trap of tests has jobs in place of records."""
    if isinstance(record, Job):
        return record
    loaded: Job = Job._load_from_db_record(record)
    return loaded


class _Linker:
    """Goes through the calls of a graph, parents first, and finds the job of each."""

    def __init__(self, graph, vertices, keys, held, stored) -> None:
        self.graph = graph
        self.vertices = vertices
        self.keys = keys
        self.held = held
        self.stored = stored
        self.records = {r.id: r for r in (*held.values(), *stored.values())}
        self.creates = any(self._stored_node(vertex) is None for vertex in vertices)
        self.parents: dict[Call, list] = {vertex: [] for vertex in vertices}
        for parent, child in graph.edges():
            self.parents[child].append(parent)
        #: call -> its job
        self.node: dict[Call, Node] = {}
        #: job -> jobs which run after it
        self.after: dict[Node, set] = {}
        #: (parent id, child id) -> condition, of the edges among stored jobs
        self.existing: dict[tuple[Node, Node], str] = {}
        self.left_out: set[tuple[Node, Node]] = set()

    def work_out(self) -> None:
        """Find the job of each call."""
        self._read_edges()
        latest: dict[str, Node] = {}
        for vertex in self.vertices:
            key = self.keys.get(vertex)
            node = self._stored_node(vertex) or vertex
            if key and vertex not in self.stored:
                node = latest.setdefault(key, node)
            if node is not vertex:
                node = self._node_of(vertex, node)
            if node is vertex and key:
                latest[key] = node
            self.node[vertex] = node
            for parent in self._new_parents(vertex, node):
                if (parent, node) not in self.left_out:
                    self.after.setdefault(parent, set()).add(node)

    def links(self) -> Links:
        """Return what was worked out."""
        ends = {
            (self.node[parent], self.node[child]): self.graph.condition(parent, child)
            for parent, child in self.graph.edges()
        }
        ends = {
            pair: condition
            for pair, condition in ends.items()
            if pair not in self.left_out and self.existing.get(pair) != condition
        }
        jobs = self._jobs({node for pair in ends for node in pair})
        children = dict.fromkeys(child for _parent, child in ends)
        return Links(
            new=[v._generated_job for v in self.vertices if self.node[v] is v],
            changed=[jobs[node] for node in self._to_update(children)],
            edges=[
                JobEdge(jobs[parent], jobs[child], condition)
                for (parent, child), condition in ends.items()
            ],
            records={
                vertex: self.records[node]
                for vertex, node in self.node.items()
                if isinstance(node, int) and vertex not in self.stored
            },
            same={
                vertex: node
                for vertex, node in self.node.items()
                if node is not vertex and not isinstance(node, int)
            },
        )

    def _jobs(self, joined: set[Node]) -> dict[Node, Job]:
        """Return the job of each node which has new edges, or was delayed before."""
        jobs = {record.id: v._generated_job for v, record in self.stored.items()}
        for node in joined - set(jobs):
            if isinstance(node, int):
                jobs[node] = _loaded(self.records[node])
            else:
                jobs[node] = node._generated_job
        return jobs

    def _to_update(self, children: dict[Node, None]) -> list[int]:
        """Return the stored jobs whose rows tell of new edges.

        The row of a parent which was found by its key is not touched: it may be running
        by now. The edge is enough.
        """
        updated = [node for node in children if isinstance(node, int)]
        before = [r.id for r in self.stored.values() if r.state in _CAN_WAIT]
        return list(dict.fromkeys([*updated, *before]))

    # -- what is stored --------------------------------------------------------------

    def _stored_node(self, vertex: Call) -> int | None:
        record = self.stored.get(vertex) or self.held.get(self.keys.get(vertex))
        return record.id if record else None

    def _read_edges(self) -> None:
        """Read how the stored jobs depend on each other, if it matters."""
        if len(self.records) < 2:
            return
        to_be_children = [
            (parent, vertex)
            for vertex in self.vertices
            for parent in self.parents[vertex]
            if self._stored_node(vertex)
        ]
        if not to_be_children:
            return
        cr = self.vertices[0].recordset.env.cr
        ids = {"ids": list(self.records)}
        cr.execute(READ_EDGES, ids)
        self.existing = {(parent, child): cond for parent, child, cond in cr.fetchall()}
        if all(self._is_stored(*ends) for ends in to_be_children):
            return
        cr.execute(LOCK_WAITING, ids)
        cr.execute(READ_PATHS, ids)
        for start, end in cr.fetchall():
            self.after.setdefault(start, set()).add(end)

    def _is_stored(self, parent: Call, child: Call) -> bool:
        ends = self._stored_node(parent), self._stored_node(child)
        return self.existing.get(ends) == self.graph.condition(parent, child)

    # -- one call --------------------------------------------------------------------

    def _node_of(self, vertex: Call, node: Node) -> Node:
        """Return `node` if the call can be that job, or else the call itself."""
        parents = self._new_parents(vertex, node)
        reason = self._why_not(node, parents)
        if not reason:
            self._log(logging.DEBUG, "not enqueued, %s is job %s already", vertex, node)
            return node
        if vertex in self.stored:
            raise ValueError(
                f"{vertex._generated_job} was delayed before and cannot be made to wait"
                f" for other jobs, because it {reason}. Delay a new call instead."
            )
        if self.creates:
            text = f"enqueued again, %s cannot be job %s which {reason}"
            self._log(logging.INFO, text, vertex, node)
            return vertex
        text = f"not enqueued, %s is job %s already, which does not wait: it {reason}"
        self._log(logging.INFO, text, vertex, node)
        self.left_out.update((parent, node) for parent in parents)
        return node

    def _new_parents(self, vertex: Call, node: Node) -> list[Node]:
        """Return the parents of a call, but for those its job waits for already."""
        return [
            self.node[parent]
            for parent in self.parents[vertex]
            if self.existing.get((self.node[parent], node))
            != self.graph.condition(parent, vertex)
        ]

    def _why_not(self, node: Node, parents: list[Node]) -> str:
        if parents and self._leads_to(node, set(parents)):
            return "has to run before it"
        if parents and isinstance(node, int):
            state = self.records[node].state
            if state not in _CAN_WAIT:
                return f"is in state {state}"
        return ""

    def _leads_to(self, node: Node, others: set[Node]) -> bool:
        """Whether the job is one of the others, or one of them runs after it."""
        seen, todo = {node}, [node]
        while todo:
            job = todo.pop()
            if job in others:
                return True
            new = self.after.get(job, set()) - seen
            seen |= new
            todo.extend(new)
        return False

    def _log(self, level: int, text: str, vertex: Call, node: Node) -> None:
        if _logger.isEnabledFor(level):
            job = self.records[node] if isinstance(node, int) else node._generated_job
            _logger.log(level, text, vertex._generated_job.job_function_name, job.uuid)


_CAN_WAIT = (PENDING, WAIT_DEPENDENCIES)
