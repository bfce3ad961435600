# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Enqueue: what writing jobs costs the caller, with no server around."""

from ..scenario import Scenario
from ..targets import Metric, times


def _rate(operation: str, size: str):
    def run(bench, side) -> dict:
        bench.stop_servers()
        jobs, driver = bench.jobs(side), bench.driver(side)
        jobs.truncate()
        call = getattr(driver, operation)
        call(count=20)
        count = getattr(bench.sizes, size)
        rate = count / call(count=count)
        jobs.truncate()
        return {"rate": rate}

    return run


def _metric(factor: float) -> tuple[Metric, ...]:
    return (Metric("rate", "jobs written", "/s", targets=(times(factor),)),)


SCENARIOS = [
    Scenario("enqueue_loop", "enqueue: loop", _rate("loop", "loop"), _metric(3)),
    Scenario("enqueue_group", "enqueue: group", _rate("grouped", "group"), _metric(12)),
    Scenario(
        "enqueue_per_transaction",
        "enqueue: one per transaction",
        _rate("per_transaction", "per_transaction"),
        _metric(2.5),
    ),
]
