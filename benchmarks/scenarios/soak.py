# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Soak: a steady load for an hour. Only run when asked for: `--only soak`.

Jobs are enqueued in small transactions at a constant rate. At twelve moments the
memory of the server, the dead tuples and the latency are read: what they are at the
end should be what they were at the start.
"""

import time

from ..measure import median, runner_megabytes
from ..processes import tree
from ..scenario import Scenario
from ..sides import OURS
from ..targets import LESS, Metric, at_most
from .latency import measure_latency

RATE = 200
BURST = 20
LOOKS = 12
_DEAD = """
    /* bench */
    SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'queue_job'
"""
_WAITING = "/* bench */ SELECT count(*) FROM queue_job WHERE state = 'pending'"


def _soak(bench, side) -> dict:
    server = bench.server(side)
    deadline = time.monotonic() + bench.sizes.soak_seconds
    looks: list[dict] = []
    interval = bench.sizes.soak_seconds / LOOKS
    while time.monotonic() < deadline:
        _load(bench, side, min(interval, deadline - time.monotonic()))
        server.check_alive()
        looks.append(_look(bench, side, server))
    bench.jobs(side).wait_until_empty(bench.sizes.timeout)
    first, last = looks[0], looks[-1]
    return {
        **{f"{key}_start": value for key, value in first.items()},
        **{f"{key}_end": value for key, value in last.items()},
        "growth": 100 * (last["memory"] / first["memory"] - 1),
        "dead_max": max(look["dead"] for look in looks),
    }


def _load(bench, side, seconds: float) -> None:
    """Enqueue at the given rate; a burst that comes late is not left out."""
    driver, start, sent = bench.driver(side), time.monotonic(), 0
    while (elapsed := time.monotonic() - start) < seconds:
        if sent < elapsed * RATE:
            driver.loop(count=BURST)
            sent += BURST
        else:
            time.sleep(0.005)


def _look(bench, side, server) -> dict:
    jobs = bench.jobs(side)
    figures = {
        "memory": sum(member.memory_info().rss for member in tree(server.process.pid))
        / 1e6,
        "runner": runner_megabytes(server),
        "latency": median(measure_latency(bench, side, 10, 0.05)),
    }
    for key, query in (("dead", _DEAD), ("waiting", _WAITING)):
        jobs.cursor.execute(query)
        figures[key] = float(jobs.cursor.fetchone()[0])
    return figures


SCENARIOS = [
    Scenario(
        "soak",
        f"soak: {RATE} jobs/s",
        _soak,
        (
            Metric("memory_start", "server memory, start", "MB", LESS),
            Metric("memory_end", "server memory, end", "MB", LESS),
            Metric("growth", "growth", "%", LESS, (at_most(5, " %"),)),
            Metric("runner_end", "runner memory, end", "MB", LESS),
            Metric("latency_start", "commit to start, start", "ms", LESS),
            Metric("latency_end", "commit to start, end", "ms", LESS),
            Metric("dead_max", "dead tuples, most", "", LESS, (at_most(20_000),)),
            Metric("waiting_end", "jobs waiting, end", "", LESS),
        ),
        rounds=1,
        only=OURS,
    )
]
