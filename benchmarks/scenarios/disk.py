# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Disk: no-op jobs where each flush takes 5 ms longer, as on a network volume.

How many flushes a job waits for is counted with one slot: nobody else commits there,
but for the runner now and then, and PostgreSQL's WAL writer a few times a second.
"""

import time

from ..scenario import Scenario
from ..sides import REFERENCE
from ..slow_disk import SlowDisk
from ..targets import LESS, Metric
from .drain import drain

FLUSH_SECONDS = 0.005
_CHANNELS = "root:4,one:1"


def _run(bench, side) -> dict:
    disk = SlowDisk(bench.cluster.directory)
    with bench.own_cluster(disk.environment):
        jobs = bench.jobs(side)
        with bench.own_server(side, channels=_CHANNELS) as server:
            jobs.truncate()
            bench.warm_up(side, server)
            figures = _measure(bench, side, disk)
            server.check_alive()
        jobs.truncate()
    return figures


def _measure(bench, side, disk: SlowDisk) -> dict:
    sizes, jobs, driver = bench.sizes, bench.jobs(side), bench.driver(side)
    count = sizes.slow_disk // (3 if side.name == REFERENCE else 1)
    noop = driver.templates(method="noop", args=[])[0]
    one = driver.templates(method="noop", args=[], options={"channel": "root.one"})[0]
    disk.set_delay(FLUSH_SECONDS)
    try:
        before, start = disk.flushes, time.monotonic()
        one_slot = drain(jobs, one, count, sizes.timeout)
        done = one_slot * (time.monotonic() - start)  # not all, when time was over
        flushes = (disk.flushes - before) / max(1, done)
        rate = drain(jobs, noop, count, sizes.timeout)
    finally:
        disk.set_delay(0)
    return {"rate": rate, "one_slot": one_slot, "flushes": flushes}


SCENARIOS = [
    Scenario(
        "disk_slow",
        "slow disk: a flush takes 5 ms",
        _run,
        (
            Metric("rate", "no-op jobs run, four slots", "/s"),
            Metric("one_slot", "no-op jobs run, one slot", "/s"),
            Metric("flushes", "flushes a job waits for", "", LESS),
        ),
        rounds=1,
    )
]
