# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""PostgreSQL goes away, and comes back: restarts, lost sessions, a dead network."""

import time

import pytest

from . import network, pooler

RECOVERY_SECONDS = 10.0
EXHAUSTION_SECONDS = 10.0
NOTICE_SECONDS = 11.0  # within ten, and the look at the log


@pytest.mark.parametrize(
    "mode", [pytest.param("fast", marks=pytest.mark.long), "immediate"]
)
def test_restart(arena, mode):
    server = arena.server()
    arena.enqueue(server)
    arena.wait_done(0.3)
    with arena.outage():
        arena.cluster.stop(mode)
        time.sleep(3.0)
        arena.cluster.start()
    arena.wait_done()
    arena.verdict(f"PostgreSQL restarted, mode {mode}", RECOVERY_SECONDS)


def test_all_sessions_terminated(arena):
    server = arena.server()
    arena.enqueue(server)
    for share in (0.2, 0.5, 0.8):
        arena.wait_done(share)
        arena.cluster.terminate_backends(arena.db.name)
    arena.wait_done()
    arena.verdict("all database sessions terminated, 3 times", bound=5.0)


@pytest.mark.parametrize("kind", [network.DroppedPackets, network.Relay])
def test_silence(arena, kind):
    """The runner is cut off, in both directions and without a word."""
    if not kind.is_possible():
        pytest.skip("it takes root and iptables")
    way = kind(arena.cluster.port)
    host, port = way.address
    try:
        server = arena.server(
            env={
                "ODOO_QUEUE_JOB_JOBRUNNER_DB_HOST": host,
                "ODOO_QUEUE_JOB_JOBRUNNER_DB_PORT": str(port),
            }
        )
        arena.enqueue(server)
        arena.wait_done(0.3)
        with arena.outage(), way.silence():
            server.wait_log("database lost", seconds=NOTICE_SECONDS)
        arena.wait_done()
    finally:
        way.close()
    what = "packets dropped" if kind is network.DroppedPackets else "relay silent"
    arena.verdict(f"{what} between runner and database", RECOVERY_SECONDS)


@pytest.mark.skipif(not pooler.is_possible(), reason="there is no PgBouncer")
def test_pgbouncer(arena):
    """Everything goes through the pooler; LISTEN doesn't deliver there."""
    with pooler.pgbouncer(arena.cluster, arena.directory) as port:
        server = arena.server(env={"PGPORT": str(port)})
        server.wait_log("LISTEN does not deliver")
        arena.enqueue(server)
        arena.wait_done(0.5)
        arena.kill_busy_worker(server)
        arena.wait_done()
        arena.verdict("PgBouncer in transaction mode", bound=5.0)


@pytest.mark.long
def test_connections_exhausted(arena):
    """Not one connection is to be had; attempts that could not begin don't count."""
    server = arena.server()
    arena.enqueue(server)
    arena.wait_done(0.3)
    with arena.outage():
        arena.cluster.exhaust_connections(arena.db.name, EXHAUSTION_SECONDS)
    arena.wait_done()
    arena.verdict("no connection slot free for 10 s", RECOVERY_SECONDS)
