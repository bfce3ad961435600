# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Processes are killed: workers, the runner, a whole server, the leader of two."""

import time

import pytest


def test_worker_killed_every_second(arena):
    server = arena.server()
    arena.enqueue(server)
    with arena.every(1.0, lambda: arena.kill_busy_worker(server)):
        arena.wait_done()
    arena.verdict("kill -9 a worker every second", bound=3.0)


def test_runner_killed_every_second(arena):
    server = arena.server()
    arena.enqueue(server)
    with arena.every(1.0, lambda: arena.kill(server.runner_pid())):
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
