# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Controlled: no-op jobs whose order, rate or key is watched over.

Nothing binds but the order: one job after the other in the sequential channel and for
the key, and a rate that is never reached. The reference has sequential channels; its
throttle knows whole seconds only, and it has no keys.
"""

from ..scenario import Scenario
from ..sides import OURS, REFERENCE
from .drain import drain, rate_metrics

_SEQUENTIAL = "root:4,bench:1:sequential"
_RATED = "root:4,bench:4:rate=1000000/1"
_FREE = "root:4"


def _run(channels: str, options: dict):
    def run(bench, side) -> dict:
        jobs, sizes = bench.jobs(side), bench.sizes
        # the reference would take minutes
        count = sizes.controlled // (5 if side.name == REFERENCE else 1)
        with bench.own_server(side, channels=channels) as server:
            jobs.truncate()
            bench.warm_up(side, server)
            row = bench.driver(side).templates(
                method="noop", args=[], options={"channel": "root.bench", **options}
            )[0]
            rate = drain(jobs, row, count, sizes.timeout)
            server.check_alive()
        jobs.truncate()
        return {"rate": rate}

    return run


def _scenario(name: str, title: str, channels: str, options=None, only=None):
    return Scenario(
        name,
        title,
        _run(channels, options or {}),
        rate_metrics("no-op jobs run", 800, 50),
        rounds=1,
        only=only,
    )


SCENARIOS = [
    _scenario("controlled_sequential", "sequential channel", _SEQUENTIAL),
    _scenario("controlled_rate", "a rate that never binds", _RATED, only=OURS),
    _scenario(
        "controlled_key",
        "one sequence_key",
        _FREE,
        {"sequence_key": "bench"},
        only=OURS,
    ),
]
