# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The directed graph: edges, paths, order."""

from queue_job.core.graph import Graph


def diamond():
    return Graph({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()})


def test_vertices_are_added_once():
    graph = Graph()
    graph.add_vertex("a")
    graph.add_edge("a", "b")
    graph.add_vertex("a")
    assert graph.vertices() == {"a", "b"}
    assert graph.edges() == [("a", "b")]


def test_an_edge_adds_both_ends():
    graph = Graph()
    graph.add_edge(1, 2)
    assert graph.vertices() == {1, 2}


def test_a_given_dict_is_used_as_it_is():
    content = {"a": {"b"}, "b": set()}
    graph = Graph(content)
    graph.add_edge("b", "c")
    assert content["b"] == {"c"}


def test_edges():
    assert sorted(diamond().edges()) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "d"),
        ("c", "d"),
    ]


def test_paths():
    assert sorted(diamond().paths("a")) == [["a", "b", "d"], ["a", "c", "d"]]
    assert list(diamond().paths("d")) == [["d"]]


def test_paths_stop_at_a_cycle():
    graph = Graph({"a": {"b"}, "b": {"a"}})
    assert list(graph.paths("a")) == [["a", "b"]]


def test_topological_order_respects_every_edge():
    graph = diamond()
    order = list(graph.topological_sort())
    assert sorted(order) == ["a", "b", "c", "d"]
    assert all(order.index(p) < order.index(c) for p, c in graph.edges())


def test_independent_vertices_keep_the_order_of_their_addition():
    graph = Graph()
    for number in range(100):
        graph.add_edge("root", number)
    assert list(graph.topological_sort()) == ["root", *range(100)]


def test_the_vertices_of_a_cycle_are_not_sorted():
    graph = Graph({"a": set(), "b": {"c"}, "c": {"b"}})
    assert list(graph.topological_sort()) == ["a"]


def test_long_chains_need_no_recursion():
    graph = Graph()
    for number in range(5000):
        graph.add_edge(number, number + 1)
    assert list(graph.topological_sort()) == list(range(5001))
    assert len(next(graph.paths(0))) == 5001


def test_roots():
    assert diamond().root_vertices() == {"a"}
    assert Graph().root_vertices() == set()


def test_repr_shows_a_line_for_each_path():
    assert sorted(repr(diamond()).splitlines()) == [
        "'a' → 'b' → 'd'",
        "'a' → 'c' → 'd'",
    ]
