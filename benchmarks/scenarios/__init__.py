# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""All scenarios, in the order in which they run: families that need no server
first, then those which share one, then those which start their own.
"""

from . import (
    backlog,
    controlled,
    cost,
    disk,
    drain,
    enqueue,
    failures,
    graphs,
    latency,
    scale,
    soak,
    start,
    threads,
)

FAMILIES = {
    "enqueue": enqueue.SCENARIOS,
    "cost": cost.SCENARIOS,
    "drain": drain.SCENARIOS,
    "failures": failures.SCENARIOS,
    "latency": latency.SCENARIOS,
    "graphs": graphs.SCENARIOS,
    "start": start.SCENARIOS,
    "controlled": controlled.SCENARIOS,
    "scale": scale.SCENARIOS,
    "threads": threads.SCENARIOS,
    "backlog": backlog.SCENARIOS,
    "disk": disk.SCENARIOS,
    "soak": soak.SCENARIOS,
}
ON_DEMAND = {"soak"}


def select(only: list[str], *, quick: bool) -> list:
    """Scenarios of the named families, or those whose own name is given."""
    chosen = []
    for family, scenarios in FAMILIES.items():
        for scenario in scenarios:
            wanted = family in only or (not only and family not in ON_DEMAND)
            if scenario.name in only or (wanted and (scenario.quick or not quick)):
                chosen.append(scenario)
    return chosen
