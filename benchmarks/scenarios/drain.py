# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Drain: jobs that are all there at once, four slots, from commit to the last done."""

import time

from ..jobs import PLACEHOLDER, Jobs, numbered
from ..measure import Meter
from ..scenario import Scenario
from ..targets import LESS, Metric, at_least, at_most, share_of, times

SLOTS = 4
# a spread of 0 to 100 ms, the same for every run
_MIXED_MS = "(i * 7919) %% 101"
_COSTS = (
    Metric("statements", "SQL statements per job", better=LESS, targets=(at_most(6),)),
    Metric("all_statements", "the same with BEGIN and COMMIT", better=LESS),
    Metric("commits", "commits per job", better=LESS, targets=(at_most(3),)),
    Metric(
        "notifications", "notifications per job", better=LESS, targets=(at_most(0.05),)
    ),
    Metric("cpu_ms", "CPU per job, all", "ms", LESS, (at_most(1.8),)),
    Metric("server_cpu_ms", "CPU per job, server", "ms", LESS),
    Metric("postgres_cpu_ms", "CPU per job, PostgreSQL", "ms", LESS),
    Metric("wal_bytes", "WAL per job", "B", LESS),
    Metric("updates", "row versions written per job", "", LESS),
)


def drain(jobs: Jobs, row: dict, count: int, timeout: float, changes=None) -> float:
    """Insert copies of a row and wait for the last; return jobs per second."""
    options = {"changes": changes} if changes else {}
    ids = jobs.copy(row, count, **options)
    start = time.monotonic()
    if jobs.wait_until_done(ids, timeout):
        return count / (time.monotonic() - start)
    return jobs.count(ids) / timeout


def _noop(bench, side) -> dict:
    server, jobs = bench.server(side), bench.jobs(side)
    row = bench.driver(side).templates(method="noop", args=[])[0]
    rate = drain(jobs, row, bench.sizes.drain, bench.sizes.timeout)
    jobs.delete_finished()
    server.check_alive()
    return {"rate": rate}


def _costs(bench, side) -> dict:
    server, jobs = bench.server(side), bench.jobs(side)
    idle_since = bench.idle_since.get(side.name)
    row = bench.driver(side).templates(method="noop", args=[])[0]
    count, jobs.polls = bench.sizes.drain, 0
    with Meter(bench.cluster, server, commits=True, idle_since=idle_since) as meter:
        drain(jobs, row, count, bench.sizes.timeout)
    figures = meter.per_job(count, polls=jobs.polls)
    jobs.delete_finished()
    return figures


def _write(bench, side) -> dict:
    bench.server(side)
    jobs, driver = bench.jobs(side), bench.driver(side)
    count = bench.sizes.drain
    first = driver.records(count=count)
    row = driver.templates(method="write_one", args=[], record_id=PLACEHOLDER)[0]
    changes = numbered(f"{first} + i - 1")
    rate = drain(jobs, row, count, bench.sizes.timeout, changes)
    jobs.delete_finished()
    return {"rate": rate}


def _sleep(bench, side) -> dict:
    bench.server(side)
    jobs = bench.jobs(side)
    row = bench.driver(side).templates(method="sleep_50ms", args=[])[0]
    rate = drain(jobs, row, bench.sizes.sleepers, bench.sizes.timeout)
    jobs.delete_finished()
    return {"rate": rate, "share": 100 * rate / (SLOTS / 0.05)}


def _mixed(bench, side) -> dict:
    bench.server(side)
    jobs, count = bench.jobs(side), bench.sizes.sleepers
    row = bench.driver(side).templates(method="mixed", args=[PLACEHOLDER])[0]
    changes = numbered(_MIXED_MS)
    rate = drain(jobs, row, count, bench.sizes.timeout, changes)
    mean = sum(i * 7919 % 101 for i in range(1, count + 1)) / count / 1000
    jobs.delete_finished()
    return {"rate": rate, "share": 100 * rate / (SLOTS / mean)}


_FLOOR = share_of(
    0.8, ("floor_loop", "machine", "rate"), "the bare loop in 2 processes"
)
SCENARIOS = [
    Scenario(
        "drain_noop",
        "drain: no-op",
        _noop,
        (Metric("rate", "jobs run", "/s", targets=(times(16), _FLOOR)),),
    ),
    Scenario("drain_costs", "drain: no-op, costs", _costs, _COSTS, rounds=1),
    Scenario(
        "drain_write",
        "drain: write one record",
        _write,
        (Metric("rate", "jobs run", "/s", targets=(times(10),)),),
    ),
    Scenario(
        "drain_50ms",
        "drain: 50 ms jobs",
        _sleep,
        (
            Metric("rate", "jobs run", "/s"),
            Metric("share", "of the ideal 80/s", "%", targets=(at_least(97, " %"),)),
        ),
    ),
    Scenario(
        "drain_mixed",
        "drain: 0 to 100 ms jobs",
        _mixed,
        (
            Metric("rate", "jobs run", "/s"),
            Metric("share", "of the ideal", "%", targets=(at_least(97, " %"),)),
        ),
    ),
]
NOOP = ("drain_noop", "rate")


def rate_metrics(title: str, rate: float, share: float, key="rate"):
    """A rate, and the same as a share of the no-op jobs of the run.

    Rates depend on the machine; those of the targets belong to one that runs some
    1,600 no-op jobs/s. The share tells the same on any machine.
    """
    return (
        Metric(key, title, "/s", targets=(at_least(rate, "/s"),)),
        Metric(
            key,
            f"{title}, of no-op",
            "%",
            targets=(at_least(share, " %"),),
            share_of=NOOP,
        ),
    )
