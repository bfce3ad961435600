# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Backlog: what a large table of waiting jobs does to start, rate, memory, latency.

Three kinds of waiting: pending behind more urgent jobs, due in some weeks, and
waiting for a parent. All are compared with the same server at 1,000 waiting jobs.
"""

import math

from ..measure import idle_cpu_percent, median, runner_megabytes
from ..scenario import Scenario
from ..sides import OURS
from ..targets import LESS, Metric, at_most, share_of
from .drain import drain
from .latency import measure_latency
from .start import enqueue_stamp

DAY = 86400
QUICK = {("future", 1000), ("future", 100_000)}
# the reference keeps the whole backlog in memory: this is where it is stopped
REFERENCE_LIMIT = 100_000
FAR_LIMIT = 20_000


def _fill(bench, side, kind: str, count: int) -> None:
    """Write the backlog, as fast as SQL can, while no server runs."""
    jobs, driver = bench.jobs(side), bench.driver(side)
    jobs.truncate()
    if kind == "parents":
        parent, child = driver.templates(method="noop", args=[], parent=True)
        jobs.wait_for_parent(parent, jobs.copy(child, count, ring=False))
    else:
        options = {
            "low_priority": {"priority": 1000},
            "future": {"eta": 10 * DAY},
            "far_future": {"eta": 30 * DAY},
        }[kind]
        method = "sleep_50ms" if kind == "low_priority" else "noop"
        row = driver.templates(method=method, args=[], options=options)[0]
        jobs.copy(row, count, ring=False)
    jobs.analyze()


def _run(kind: str, count: int):
    def run(bench, side) -> dict:
        bench.stop_servers()
        _fill(bench, side, kind, count)
        token = enqueue_stamp(bench, side)
        jobs, timeout = bench.jobs(side), bench.sizes.timeout
        with bench.own_server(side) as server:
            at = jobs.stamp(token, timeout)
            if at is None:
                return {"start": math.inf}
            figures = {"start": at - server.started_at}
            measure_latency(bench, side, 8, 0.06, priority=1)
            figures |= _while_waiting(bench, side, server, kind)
        jobs.truncate()
        return figures

    return run


def _while_waiting(bench, side, server, kind: str) -> dict:
    """Rate, latency and the runner's memory and idle CPU beside the backlog."""
    jobs, sizes = bench.jobs(side), bench.sizes
    row = bench.driver(side).templates(method="noop", args=[], options={"priority": 5})[
        0
    ]
    figures = {"rate": drain(jobs, row, sizes.backlog_drain, sizes.timeout)}
    values = measure_latency(bench, side, 20, 0.1, priority=1)
    figures["latency"] = median(values) if values else math.inf
    if kind != "low_priority":
        figures["idle_cpu"] = idle_cpu_percent(server, sizes.idle_seconds)
    figures["memory"] = runner_megabytes(server)
    return figures


def _metrics(kind: str, count: int, base: str) -> tuple[Metric, ...]:
    start, rate, memory, latency = (
        share_of(share, (base, OURS, key), "that at 1,000")
        for share, key in (
            (1.1, "start"),
            (0.9, "rate"),
            (1.1, "memory"),
            (1.25, "latency"),
        )
    )
    large = count > 1000
    metrics = [
        Metric("start", "server start to first job", "s", LESS, (start,) * large),
        Metric("rate", "no-op jobs beside it", "/s", targets=(rate,) * large),
        Metric("latency", "commit to start, p50", "ms", LESS, (latency,) * large),
        Metric(
            "memory",
            "runner memory",
            "MB",
            LESS,
            (at_most(100, " MB"), memory)[: 1 + large],
        ),
    ]
    if kind != "low_priority":
        metrics.append(
            Metric("idle_cpu", "runner idle CPU", "%", LESS, (at_most(1, " %"),))
        )
    return tuple(metrics)


def _name(kind: str, count: int) -> str:
    return f"backlog_{kind}_{count}"


def _scenario(kind: str, count: int) -> Scenario:
    return Scenario(
        _name(kind, count),
        f"backlog: {count:,} {kind.replace('_', ' ')}",
        _run(kind, count),
        _metrics(kind, count, _name(kind.removeprefix("far_"), 1000)),
        rounds=1,
        only=OURS if count > REFERENCE_LIMIT else None,
        quick=(kind, count) in QUICK,
    )


SCENARIOS = [
    *(
        _scenario(kind, count)
        for kind in ("low_priority", "future", "parents")
        for count in (1000, 100_000, 500_000)
    ),
    _scenario("far_future", FAR_LIMIT),
]
