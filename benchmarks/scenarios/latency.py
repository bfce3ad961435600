# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Latency: from the caller's commit to the first line of the job."""

import time
import uuid

from ..measure import median, percentile
from ..scenario import Scenario
from ..targets import LESS, Metric, at_most


def measure_latency(bench, side, count: int, pause: float, priority=10) -> list[float]:
    """Milliseconds from commit to start of `count` jobs, one after the other."""
    driver, jobs = bench.driver(side), bench.jobs(side)
    tokens = [uuid.uuid4().hex for _ in range(count)]
    committed = driver.stamps(tokens=tokens, pause=pause, priority=priority)
    for token in tokens:
        jobs.stamp(token, 20)
    started = jobs.stamps(tokens)
    return [1000 * (started[token] - committed[token]) for token in started]


def _idle(bench, side) -> dict:
    bench.server(side)
    values = measure_latency(bench, side, bench.sizes.latency, 0.06)
    bench.jobs(side).delete_finished()
    return {"p50": median(values), "p99": percentile(values, 0.99)}


def _loaded(bench, side) -> dict:
    """Urgent jobs enter a queue that keeps all slots busy with 50 ms jobs."""
    bench.server(side)
    jobs, count = bench.jobs(side), bench.sizes.loaded_latency
    row = bench.driver(side).templates(method="sleep_50ms", args=[])[0]
    ids = jobs.copy(row, int(80 * (count * 0.2 + 2)))
    time.sleep(1)
    values = measure_latency(bench, side, count, 0.2, priority=1)
    jobs.wait_until_done(ids, bench.sizes.timeout)
    jobs.delete_finished()
    return {"p50": median(values), "p95": percentile(values, 0.95)}


def _worst(key: str, milliseconds: float) -> Metric:
    return Metric(
        key,
        f"commit to start, {key}, worst round",
        "ms",
        LESS,
        (at_most(milliseconds, " ms"),),
        each_round=True,
    )


SCENARIOS = [
    Scenario(
        "latency_idle",
        "latency: idle queue",
        _idle,
        (
            _worst("p50", 6),
            _worst("p99", 20),
        ),
    ),
    Scenario(
        "latency_loaded",
        "latency: urgent job, full queue of 50 ms jobs",
        _loaded,
        (
            Metric("p50", "commit to start, p50", "ms", LESS),
            Metric("p95", "commit to start, p95", "ms", LESS, (at_most(50, " ms"),)),
        ),
    ),
]
