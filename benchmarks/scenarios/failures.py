# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Failures: jobs that fail, that ask for another attempt, and whose worker has died.

The dead are rows which say that a worker runs them, for the last time they may; none
does. So each is found, given to a worker, and failed with its message and its hook.
The reference fails all it finds by one UPDATE, up to a minute later and without either:
there is no rate to compare with.
"""

import time
from collections.abc import Callable

from ..jobs import Jobs
from ..scenario import Scenario
from ..sides import OURS, REFERENCE
from ..targets import LESS, Metric
from .drain import rate_metrics

# a worker that is no more: its lease is held by nobody
_DEAD = """
    jsonb_build_object(
        'state', 'started', 'retry', 4, 'max_retries', 5,
        'claim_token', 1, 'lease_id', -7, 'worker_pid', 1, 'worker_host', 'nowhere',
        'date_enqueued', now() AT TIME ZONE 'UTC' - interval '1 minute',
        'date_started', now() AT TIME ZONE 'UTC' - interval '1 minute'
    )
"""
_POLL = 0.02


def _count(bench, side) -> int:
    """How many jobs are tried; the reference would take minutes."""
    return bench.sizes.failures // (3 if side.name == REFERENCE else 1)


def _failed(bench, side) -> dict:
    return _rate(bench, side, "fail", Jobs.wait_until_done, _count_failed)


def _retried(bench, side) -> dict:
    """Attempts that end in another one, which comes after the benchmark."""
    wait, count = Jobs.wait_until_postponed, Jobs.count_postponed
    return _rate(bench, side, "retry_later", wait, count)


def _count_failed(jobs: Jobs, ids: tuple[int, int]) -> int:
    return jobs.count(ids, "failed")


def _rate(bench, side, method: str, wait: Callable, count: Callable) -> dict:
    """Attempts per second: `wait` for the end of all, `count` those that ended so."""
    server, jobs = bench.server(side), bench.jobs(side)
    row = bench.driver(side).templates(method=method, args=[])[0]
    ids = jobs.copy(row, _count(bench, side))
    start = time.monotonic()
    wait(jobs, ids, bench.sizes.timeout)
    rate = count(jobs, ids) / (time.monotonic() - start)
    jobs.delete(ids)
    server.check_alive()
    return {"rate": rate}


def _dead(bench, side) -> dict:
    """The rate from the first to the last; and when the first was settled."""
    server, jobs = bench.server(side), bench.jobs(side)
    row = bench.driver(side).templates(method="noop", args=[])[0]
    ids = jobs.copy(row, bench.sizes.dead, changes=_DEAD)
    start = time.monotonic()
    seen = []  # (seconds, failed by then)
    while not seen or seen[-1][1] < bench.sizes.dead:
        seen.append((time.monotonic() - start, jobs.count(ids, "failed")))
        if seen[-1][0] > bench.sizes.timeout:
            break
        time.sleep(_POLL)
    jobs.delete(ids)
    server.check_alive()
    return _pace(seen)


def _pace(seen: list[tuple[float, int]]) -> dict:
    first = next(((at, count) for at, count in seen if count), None)
    if first is None:
        return {"rate": 0.0, "first": float("inf")}
    (began, before), (ended, after) = first, seen[-1]
    seconds = max(ended - began, _POLL)
    return {"rate": (after - before) / seconds, "first": began}


SCENARIOS = [
    Scenario(
        "failures_failed",
        "failing jobs",
        _failed,
        rate_metrics("jobs failed", 400, 25),
        rounds=1,
    ),
    Scenario(
        "failures_retried",
        "retried jobs",
        _retried,
        rate_metrics("attempts", 800, 50),
        rounds=1,
    ),
    Scenario(
        "failures_dead",
        "jobs found dead",
        _dead,
        (
            *rate_metrics("jobs failed", 200, 12.5),
            Metric("first", "until the first is", "s", LESS),
        ),
        rounds=1,
        only=OURS,
    ),
]
