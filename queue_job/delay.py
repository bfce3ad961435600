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
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from odoo.models import BaseModel

from .core import options
from .core.graph import Graph  # noqa: F401 (public here)
from .core.identity import PartKeys
from .enqueue import calls
from .enqueue.delayable_graph import DelayableGraph
from .job import Job
from .storage.job_call import translated

_logger = logging.getLogger(__name__)


def group(*delayables: Any) -> DelayableGroup:
    """Return a group: its members may run at the same time.

    :param delayables: delayables, groups and chains
    """
    return DelayableGroup(*delayables)


def chain(*delayables: Any) -> DelayableChain:
    """Return a chain: each member runs after the one before it.

    :param delayables: delayables, groups and chains
    """
    return DelayableChain(*delayables)


def delay_many(delayables: Iterable[Delayable]) -> list[Any]:
    """Delay many calls at once, by few statements.

    jobs = delay_many(record.delayable().export() for record in records)

    :param delayables: the calls
    :return: the job of each call; the record of the stored job where it duplicates one
    :raise ValueError: an option of a call is not usable
    :raise TypeError: an argument of a call cannot be kept in a job
    """
    members = list(delayables)
    if members:
        group(*members).delay()
    return [delayable._generated_job for delayable in members]


class _Node:
    """What delayables, groups and chains have in common.

    What is added by `on_failed` is cancelled if there is no failure.
    """

    __slots__ = ()

    def delay(self) -> None:
        """Turn the graph from here downwards into jobs.

        :raise ValueError: the graph has a cycle, or an option of a call is not usable
        :raise TypeError: an argument of a call cannot be kept in a job
        """
        if self._is_nothing() and not self._graph._connect_graphs()._graph:
            _logger.debug("nothing to enqueue, no records were split: %s", self)
            return
        self._graph.delay()

    def _is_nothing(self) -> bool:
        """Whether this comes from no records: it need not become a job."""
        return False

    def on_done(self, *delayables: Any) -> _Node:
        """Run these when this is done: all of a group, the last of a chain."""
        self._add_children(delayables, "done")
        return self

    def on_failed(self, *delayables: Any) -> _Node:
        """Run these when this has failed: all of a group, the last of a chain."""
        self._add_children(delayables, "failed")
        return self

    def on_end(self, *delayables: Any) -> _Node:
        """Run these when this is done, has failed or was cancelled."""
        self._add_children(delayables, "always")
        return self


class DelayableGroup(_Node):
    """Delayables, groups and chains which may run at the same time."""

    __slots__ = ("_delayables", "_graph", "_may_be_empty", "_members")

    def __init__(self, *delayables):
        calls.check_members("group", delayables)
        self._may_be_empty = False
        self._members = delayables
        self._delayables = set(delayables)
        self._graph = DelayableGraph()
        for delayable in delayables:
            self._graph.add_vertex(delayable)

    def _add_children(self, delayables, condition: str) -> None:
        for parent in self._members:
            for child in delayables:
                self._graph.add_edge(parent, child, condition)
        if not self._members:
            calls.add_to_nothing(self, delayables, condition)

    def _is_nothing(self) -> bool:
        return calls.are_nothing(self)

    def _head(self) -> list:
        nodes = self._members or self._graph._graph
        return [head for node in nodes for head in node._head()]

    def _tail(self) -> list:
        return [tail for member in self._members for tail in member._tail()]

    def __repr__(self) -> str:
        return _repr_of_members(self)


class DelayableChain(_Node):
    """Delayables, groups and chains which run one after the other."""

    __slots__ = ("_graph", "_may_be_empty", "_members")

    def __init__(self, *delayables):
        calls.check_members("chain", delayables)
        self._may_be_empty = False
        self._members = delayables
        self._graph = DelayableGraph()
        for delayable in delayables:
            self._graph.add_vertex(delayable)
        for parent, child in pairwise(delayables):
            self._graph.add_edge(parent, child)

    def _add_children(self, delayables, condition: str) -> None:
        for child in delayables if self._members else ():
            self._graph.add_edge(self._members[-1], child, condition)
        if not self._members:
            calls.add_to_nothing(self, delayables, condition)

    def _is_nothing(self) -> bool:
        return calls.are_nothing(self)

    def _head(self) -> list:
        heads: list = []
        if not self._members:
            return [head for node in self._graph._graph for head in node._head()]
        for member in self._members:
            heads += member._head()
            if member._tail():
                break
        return heads

    def _tail(self) -> list:
        tails = (member._tail() for member in reversed(self._members))
        return next(filter(None, tails), [])

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
            self._generated_job = True  # not forgotten
            raise

    @property
    def _graph(self) -> DelayableGraph:
        graph = DelayableGraph()
        graph.add_vertex(self)
        for child, condition in self._children:
            graph.add_edge(self, child, condition)
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

    def set(self, *args: Any, **kwargs: Any) -> Delayable:
        """Change options: one dictionary, keywords, or both.

        :raise ValueError: there is no such option
        """
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

    def _add_children(self, delayables, condition: str) -> None:
        self._children += [(child, condition) for child in delayables]

    def split(self, size: int, chain: bool = False) -> DelayableGroup | DelayableChain:
        """Return a group of calls on some of the records each, in place of this one.

        :param size: records of each part, at most
        :param chain: return a chain: one part after the other
        :return: empty if there are no records: its `delay()` then does nothing
        :raise ValueError: no method was called on the delayable, or the size is none
        """
        if not self._job_method:
            raise ValueError("No method set on the Delayable")
        calls.check_size(size)
        starts = range(0, len(self.recordset), size)
        keys = self.identity_key
        if keys and len(starts) > 1:
            keys = PartKeys(keys)
        parts = [
            self._part(self.recordset[start : start + size], number, len(starts), keys)
            for number, start in enumerate(starts, start=1)
        ]
        self._generated_job = True  # replaced by its parts, not forgotten
        whole = DelayableChain(*parts) if chain else DelayableGroup(*parts)
        whole._may_be_empty = True
        return whole

    def _part(self, recordset, number: int, count: int, identity_key) -> Delayable:
        part = Delayable(
            recordset,
            **{name: getattr(self, name) for name in self._properties},
            **self._extras,
        )
        part.identity_key = identity_key
        part.description = f"{self._base_description()} (split {number}/{count})"
        part._job_method = getattr(recordset, self._job_method.__name__)
        part._job_args = self._job_args
        part._job_kwargs = self._job_kwargs
        return part

    def _base_description(self) -> str:
        if self.description:
            return translated(self.description, self.recordset)
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
        method = calls.method_of(self.recordset, name)

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
                arguments = options.job_arguments(
                    self._call_and_options(), self._extras
                )
                job = Job(self._job_method, **arguments)
                if self.channel:
                    self.recordset.env["queue.job.channel"]._check_called(self.channel)
                self._generated_job = job
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
            "description": translated(self.description, self.recordset),
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
    def recordset(self) -> BaseModel:
        """The records on which methods are delayed."""
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
