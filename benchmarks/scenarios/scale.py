# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Scale: many channels, several databases, more slots; each against one of each."""

import time
from contextlib import ExitStack
from dataclasses import replace

from ..driver_client import Driver
from ..jobs import Jobs
from ..scenario import Scenario
from ..targets import Metric, at_least, times
from .drain import NOOP, drain

CHANNELS = 50
DATABASES = 3


def _channels(bench, side) -> dict:
    names = [f"bench{number}" for number in range(CHANNELS)]
    config = ",".join(["root:4", *(f"{name}:4" for name in names)])
    jobs = bench.jobs(side)
    with bench.own_server(side, channels=config) as server:
        jobs.truncate()
        bench.warm_up(side, server)
        row = bench.driver(side).templates(method="noop", args=[])[0]
        changes = (
            f"jsonb_build_object('channel', 'root.bench' || (i %% {CHANNELS})::text)"
        )
        rate = drain(jobs, row, bench.sizes.many, bench.sizes.timeout, changes)
    jobs.truncate()
    return {"rate": rate}


def _slots(bench, side) -> dict:
    jobs = bench.jobs(side)
    with bench.own_server(side, channels="root:8", workers=8) as server:
        jobs.truncate()
        bench.warm_up(side, server)
        row = bench.driver(side).templates(method="noop", args=[])[0]
        rate = drain(jobs, row, bench.sizes.many, bench.sizes.timeout)
    jobs.truncate()
    return {"rate": rate}


def _databases(bench, side) -> dict:
    """The same number of jobs, spread over three databases of one server."""
    bench.stop_servers()
    names = [side.extra_database(number) for number in range(DATABASES)]
    with ExitStack() as stack:
        tables = [Jobs(bench.cluster, name) for name in names]
        for table in tables:
            stack.callback(table.close)
        driver = Driver(side, names[0])
        stack.callback(driver.stop)
        sleep = driver.templates(method="sleep_50ms", args=[])[0]
        noop = driver.templates(method="noop", args=[])[0]
        stack.enter_context(bench.own_server(side, databases=names))
        for _ in range(2):
            _fill_and_wait(tables, sleep, 20, 60)
        count = bench.sizes.many // DATABASES
        seconds = _fill_and_wait(tables, noop, count, bench.sizes.timeout)
        rate = count * DATABASES / seconds
    for name in names:
        bench.cluster.drop(name)
    return {"rate": rate}


def _fill_and_wait(tables: list[Jobs], row: dict, count: int, timeout: float) -> float:
    ranges = [table.copy(row, count) for table in tables]
    start = time.monotonic()
    for table, ids in zip(tables, ranges, strict=True):
        left = max(1, timeout - (time.monotonic() - start))
        if not table.wait_until_done(ids, left):
            return float("inf")
    return time.monotonic() - start


_RATE = Metric("rate", "no-op jobs run", "/s")
_LIKE_ONE = (
    _RATE,
    Metric(
        "rate",
        "of one channel and database",
        "%",
        targets=(at_least(95, " %"),),
        share_of=NOOP,
    ),
)
SCENARIOS = [
    Scenario("scale_channels", "50 channels", _channels, _LIKE_ONE, rounds=1),
    Scenario("scale_databases", "3 databases", _databases, _LIKE_ONE, rounds=1),
    Scenario(
        "scale_slots",
        "8 slots, 8 workers",
        _slots,
        (replace(_RATE, targets=(times(8),)),),
        rounds=1,
    ),
]
