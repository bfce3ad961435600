# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Graphs on a real server: what waits is released, whoever died in between."""

from tests.harness.rpc import PROBE

ENDED = "UPDATE queue_job SET state = 'done', date_done = now() WHERE uuid = ANY(%s)"


def test_a_release_that_a_crash_prevented(make_server, database, tmp_path):
    """The parents were done and nobody has told their child: the worker died just
    between the two. The runner finds it."""
    first = make_server(channels="root:0")
    journal = str(tmp_path / "journal")
    graphs = first.client().call(PROBE, "delay_mark_graphs", 3, journal, 0)
    first.stop()
    for *parents, _child in graphs:
        database.rows(ENDED, parents)
    children = [child for *_parents, child in graphs]
    assert database.states(children) == {"wait_dependencies": 3}
    server = make_server(channels="root:2")
    assert database.wait_settled(children) == {"done": 3}
    server.wait_log("3 jobs released whose parents had ended")


def test_the_last_parents_end_together(make_server, database, tmp_path):
    """On two workers, at the same time, again and again; nothing needs the sweep."""
    server = make_server(workers=3, channels="root:2")
    server.wait_runner()
    journal = str(tmp_path / "journal")
    graphs = server.client().call(PROBE, "delay_mark_graphs", 20, journal, 0.05)
    uuids = [uuid for graph in graphs for uuid in graph]
    assert database.wait_settled(uuids) == {"done": 60}
    assert "whose parents had ended" not in server.text()
    late = database.column(
        "SELECT c.uuid FROM queue_job_dependency e"
        " JOIN queue_job p ON p.id = e.parent_id JOIN queue_job c ON c.id = e.child_id"
        " WHERE c.date_started < p.date_done"
    )
    assert late == []
