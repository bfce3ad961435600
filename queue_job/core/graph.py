# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A small directed graph: hashable vertices, edges from parent to child.

Vertices and edges keep the order in which they were added where a result is a list
or a generator, so that the jobs of a group are created in the order of its members.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any


class Graph:
    """Acyclic directed graph of any hashable objects.

    >>> graph = Graph()
    >>> graph.add_edge("a", "b")
    >>> graph.add_edge("b", "c")
    >>> list(graph.topological_sort())
    ['a', 'b', 'c']
    >>> graph
    'a' → 'b' → 'c'
    """

    __slots__ = ("_graph",)

    def __init__(self, graph: dict[Any, set[Any]] | None = None) -> None:
        self._graph: dict[Any, set[Any]] = {} if graph is None else graph
        for child in [c for children in self._graph.values() for c in children]:
            self.add_vertex(child)

    def add_vertex(self, vertex: Hashable) -> None:
        """Add a vertex; nothing happens when it is there already."""
        self._graph.setdefault(vertex, set())

    def add_edge(self, parent: Hashable, child: Hashable) -> None:
        """Add an edge, and its two ends when they are new.

        :param parent: the vertex that comes first
        :param child: the vertex that waits for it
        """
        self.add_vertex(child)
        self._graph.setdefault(parent, set()).add(child)

    def vertices(self) -> set[Any]:
        """Return all vertices."""
        return set(self._graph)

    def edges(self) -> list[tuple[Any, Any]]:
        """Return all edges as pairs (parent, child)."""
        return [
            (parent, child)
            for parent, children in self._graph.items()
            for child in children
        ]

    def root_vertices(self) -> set[Any]:
        """Return the vertices which have no parent."""
        children = set().union(*self._graph.values()) if self._graph else set()
        return set(self._graph) - children

    def paths(self, vertex: Hashable) -> Iterator[list[Any]]:
        """Yield each longest path, without a cycle, which starts at `vertex`."""
        # Each entry of the stack is a path still to be made longer. No recursion:
        # a chain of thousands of vertices is a normal graph.
        stack = [[vertex]]
        while stack:
            path = stack.pop()
            following = [
                child for child in self._graph.get(path[-1], ()) if child not in path
            ]
            if not following:
                yield path
            stack.extend([*path, child] for child in reversed(following))

    def topological_sort(self) -> Iterator[Any]:
        """Yield each vertex after all of its parents.

        The vertices of a cycle, and those behind it, are never yielded.
        """
        order = {vertex: index for index, vertex in enumerate(self._graph)}
        missing_parents = dict.fromkeys(self._graph, 0)
        for children in self._graph.values():
            for child in children:
                missing_parents[child] += 1
        ready = deque(
            vertex for vertex, missing in missing_parents.items() if not missing
        )
        while ready:
            vertex = ready.popleft()
            yield vertex
            for child in sorted(self._graph[vertex], key=order.__getitem__):
                missing_parents[child] -= 1
                if not missing_parents[child]:
                    ready.append(child)

    def __repr__(self) -> str:
        roots = self.root_vertices()
        return "\n".join(
            " → ".join(repr(vertex) for vertex in path)
            for root in self._graph
            if root in roots
            for path in self.paths(root)
        )
