# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threads: jobs that wait for other servers, many of them in one process."""

from .. import processes
from ..measure import Meter
from ..scenario import Scenario
from ..sides import OURS
from ..targets import LESS, Metric, at_least, at_most
from .drain import drain

SLOTS, PROCESSES = 50, 4
# how long a job waits, and how many each slot runs
WAIT_MS, ROUNDS = 1000, 20
#: While the memory is measured.
LONG_MS = 20_000
CHANNEL = {"channel": "root.api"}


def _environment(count: int) -> dict[str, str]:
    return {
        "ODOO_QUEUE_JOB_WORKERS": "1",
        "ODOO_QUEUE_JOB_THREADS": str(SLOTS),
        "ODOO_QUEUE_JOB_THREADED_WORKERS": str(count),
    }


def _row(bench, side, milliseconds: int) -> dict:
    driver = bench.driver(side)
    return driver.templates(method="mixed", args=[milliseconds], options=CHANNEL)[0]


def _server(bench, side, count: int):
    return bench.own_server(
        side,
        workers=1,
        channels=f"root:{SLOTS * count + 1},api:0:threads",
        environment=_environment(count),
    )


def _share(bench, side) -> dict:
    """One process: from commit to the last done."""
    jobs, timeout = bench.jobs(side), bench.sizes.timeout
    jobs.truncate()
    row = _row(bench, side, WAIT_MS)
    count = ROUNDS * SLOTS
    with _server(bench, side, 1) as server:
        drain(jobs, row, 2 * SLOTS, timeout)  # its registry is loaded, and so on
        with Meter(bench.cluster, server) as meter:
            rate = drain(jobs, row, count, timeout)
    ideal = SLOTS / (WAIT_MS / 1000)
    share = 100 * rate / ideal
    return {"rate": rate, "share": share, **meter.per_job(count)}


def _memory(bench, side) -> dict:
    """Several processes, all of whose threads have a job that waits."""
    jobs, timeout = bench.jobs(side), bench.sizes.timeout
    jobs.truncate()
    count = SLOTS * PROCESSES
    with _server(bench, side, PROCESSES) as server:
        drain(jobs, _row(bench, side, WAIT_MS), 2 * count, timeout)
        ids = jobs.copy(_row(bench, side, LONG_MS), count)
        started = jobs.wait_until_started(ids, timeout)
        megabytes = _megabytes(server)
        jobs.wait_until_done(ids, timeout)
    return {"megabytes": megabytes if started else float("inf")}


def _megabytes(server) -> float:
    """What the whole server has for itself, and its share of what others have too."""
    tree = processes.tree(server.process.pid)
    return sum(each.memory_full_info().pss for each in tree) / 1e6


SCENARIOS = [
    Scenario(
        "threads_share",
        f"jobs that wait {WAIT_MS} ms, {SLOTS} threads of one process",
        _share,
        (
            Metric("rate", "jobs per second", "/s"),
            Metric("share", "share of the ideal", "%", targets=(at_least(90, " %"),)),
            Metric("server_cpu_ms", "CPU per job, server", "ms", LESS),
        ),
        rounds=1,
        only=OURS,
    ),
    Scenario(
        "threads_memory",
        f"{SLOTS * PROCESSES} waiting jobs, {PROCESSES} processes with threads",
        _memory,
        (
            Metric(
                "megabytes",
                "memory of the whole server",
                "MB",
                LESS,
                (at_most(600, " MB"),),
            ),
        ),
        rounds=1,
        only=OURS,
    ),
]
