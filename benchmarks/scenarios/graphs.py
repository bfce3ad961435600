# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Graphs: chains and fan-ins, from commit to the start of the last job."""

import uuid

from ..scenario import Scenario
from ..sides import OURS
from ..targets import LESS, Metric, at_most, times


def _graph(operation: str, size: str):
    def run(bench, side) -> dict:
        bench.server(side)
        jobs, driver = bench.jobs(side), bench.driver(side)
        token = uuid.uuid4().hex
        count = getattr(bench.sizes, size)
        committed = getattr(driver, operation)(count=count, token=token)
        started = jobs.stamp(token, bench.sizes.timeout)
        jobs.wait_until_empty(bench.sizes.timeout if started else 1)
        jobs.delete_finished()
        return {"seconds": started - committed if started else float("inf")}

    return run


def _seconds(*targets) -> tuple[Metric, ...]:
    return (Metric("seconds", "commit to last job", "s", LESS, targets),)


SCENARIOS = [
    Scenario("chain", "chain", _graph("chained", "chain"), _seconds(times(5))),
    Scenario("fan_in", "fan-in", _graph("fan_in", "fan_in"), _seconds(times(10))),
    Scenario(
        "fan_in_big",
        "fan-in of 10,000 (quick: 3,000)",
        _graph("fan_in", "big_fan_in"),
        _seconds(at_most(60, " s")),
        rounds=1,
        only=OURS,
    ),
]
