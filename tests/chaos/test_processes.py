# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Processes are killed: workers, the runner, a whole server, the leader of two; or
they lose sight of each other."""

import time

import pytest

from setup.postgres import free_port
from tests.harness.rpc import PROBE
from tests.harness.server import RUNNER

from . import network


def test_worker_killed_every_second(arena):
    server = arena.server()
    arena.enqueue(server, max_retries=0)  # on a slow machine one may die often
    with arena.every(1.0, lambda: arena.kill_busy_worker(server)):
        arena.wait_done()
    arena.verdict("kill -9 a worker every second", bound=3.0)


@pytest.mark.long
def test_graphs_while_workers_die(arena):
    """Each third job waits for two that end at about the same time, on different
    workers, of which one dies every second."""
    server = arena.server()
    path, seconds = str(arena.journal_path), 0.15
    graphs = server.client().call(
        PROBE, "delay_mark_graphs", arena.jobs // 3, path, seconds, 0
    )
    arena.uuids += [uuid for graph in graphs for uuid in graph]
    with arena.every(1.0, lambda: arena.kill_busy_worker(server)):
        arena.wait_done()
    arena.verdict("graphs, kill -9 a worker every second", bound=3.0)
    starts = {each.uuid: each.start for each in arena.attempts()}  # the last ones
    assert all(starts[last] > max(starts[a], starts[b]) for a, b, last in graphs)


def test_runner_killed_every_second(arena):
    server = arena.server()
    arena.enqueue(server)
    # not one that is just being born: the server would think that it can't live
    with arena.every(1.0, lambda: arena.kill(*server.worker_pids(RUNNER))):
        arena.wait_done()
    arena.verdict("kill -9 the runner every second", bound=3.0)


@pytest.mark.long
def test_server_killed_twice(arena):
    """What counts is the time from when the new server answers."""
    server = arena.server()
    arena.enqueue(server)
    for share in (0.2, 0.6):
        arena.wait_done(share)
        with arena.outage():
            arena.kill_server(server)
            server.start()
    arena.wait_done()
    arena.verdict("kill -9 the whole server twice", bound=5.0)


def test_leader_killed(arena):
    first = arena.server()
    first.wait_runner()
    second = arena.server()
    arena.enqueue(second)
    arena.wait_done(0.3)
    arena.kill_server(first)
    arena.wait_done()
    arena.verdict("two servers, kill -9 the leader's", bound=5.0)


@pytest.mark.long
def test_leader_session_ended(arena):
    """The leader lives on, but is none any more; the other one takes its place."""
    first = arena.server(workers=8)
    first.wait_runner()
    second = arena.server(workers=8)
    arena.enqueue(second)
    with arena.every(1.0, lambda: arena.cluster.depose_leader(arena.db.name)):
        arena.wait_done()
    arena.verdict("two servers, the leader's lock lost every second", bound=5.0)


@pytest.mark.long
def test_due_date_passes_during_failover(arena):
    first = arena.server()
    first.wait_runner()
    second = arena.server()
    arena.enqueue(second, arena.jobs // 2)
    arena.enqueue(second, arena.jobs // 2, eta=4)
    with arena.outage():  # nothing to do until then, as the case may be
        _wait_until_due(arena, seconds=0.1)
    arena.kill_server(first)
    arena.wait_done()
    arena.verdict("due dates pass while the leader is killed", bound=5.0)


def _wait_until_due(arena, seconds: float) -> None:
    left = arena.db.value(
        "SELECT extract(epoch FROM max(eta) - now() AT TIME ZONE 'UTC') FROM queue_job"
    )
    time.sleep(max(0.0, float(left) - seconds))


@pytest.mark.long
def test_threaded_server_killed(arena):
    server = arena.server(workers=0)
    arena.enqueue(server)
    arena.wait_done(0.3)
    with arena.outage():
        arena.kill_server(server)
        server.start()
    arena.wait_done()
    arena.verdict("kill -9 a threaded server", bound=5.0)


def test_connections_to_workers_broken(arena):
    """The workers live on, and must not take jobs in slots that others have by now.

    There are more workers than slots, so that nobody waits for one.
    """
    port = free_port()
    relay = network.BrittleRelay(port)
    try:
        server = arena.server(
            workers=8, port=port, env={"ODOO_QUEUE_JOB_PORT": str(relay.port)}
        )
        arena.enqueue(server)
        with arena.every(0.5, relay.cut):
            arena.wait_done()
    finally:
        relay.close()
    arena.verdict("connections to workers broken twice a second", bound=3.0)
