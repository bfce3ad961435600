# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Start: from starting the server process to the first job, on an empty queue."""

import uuid

from ..scenario import Scenario
from ..targets import LESS, Metric, at_most


def enqueue_stamp(bench, side, priority: int = 0) -> str:
    token = uuid.uuid4().hex
    bench.driver(side).stamps(tokens=[token], pause=0, priority=priority)
    return token


def _empty(bench, side) -> dict:
    bench.stop_servers()
    jobs = bench.jobs(side)
    jobs.truncate()
    token = enqueue_stamp(bench, side)
    with bench.own_server(side) as server:
        at = jobs.stamp(token, bench.sizes.timeout)
        return {"seconds": at - server.started_at if at else float("inf")}


SCENARIOS = [
    Scenario(
        "start_empty",
        "server start, empty queue",
        _empty,
        (Metric("seconds", "start to first job", "s", LESS, (at_most(2.5, " s"),)),),
        rounds=1,
    ),
]
