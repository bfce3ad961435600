# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The floor: what this machine can do at best, measured in the same run.

- a bare Odoo HTTP route: the price of one request per job;
- a bare loop of claim, commit, method, done, commit on a plain table, in two and in
  four processes: a queue with nothing around it.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import requests

from .bench import Bench
from .driver_client import Driver
from .processes import cpu_seconds
from .sides import Side

_LOOP = "bare loop, {} processes"
_TABLE = """
    DROP TABLE IF EXISTS bench_queue;
    CREATE TABLE bench_queue (id serial PRIMARY KEY, state varchar, payload text);
    INSERT INTO bench_queue (state, payload)
    SELECT 'pending', repeat('x', 200) FROM generate_series(1, 60000);
    CREATE INDEX bench_queue_pending ON bench_queue (id) WHERE state = 'pending';
    ANALYZE bench_queue
"""


def http_route(bench: Bench, side: Side) -> dict[str, float]:
    """Requests per second of a route that does nothing, by four clients."""
    server = bench.server(side)
    deadline = time.monotonic() + bench.sizes.floor_seconds
    cpu = server.cpu_seconds()

    def client(_number: int) -> int:
        count = 0
        with requests.Session() as session:
            while time.monotonic() < deadline:
                server.ping(session)
                count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        count = sum(pool.map(client, range(4)))
    return {
        "rate": count / bench.sizes.floor_seconds,
        "cpu_ms": 1000 * (server.cpu_seconds() - cpu) / max(1, count),
    }


def bare_loop(bench: Bench, side: Side, processes: int) -> dict[str, float]:
    """Jobs per second of the simplest possible queue."""
    with bench.cluster.cursor(side.database) as cursor:
        cursor.execute(_TABLE)
    drivers = [Driver(side) for _ in range(processes)]
    try:
        for driver in drivers:
            driver.wait_until_ready()
        seconds = bench.sizes.floor_seconds
        postgres = bench.cluster.process.pid
        before = cpu_seconds(postgres)
        python = sum(cpu_seconds(driver.process.pid) for driver in drivers)
        with ThreadPoolExecutor(processes) as pool:
            calls = [
                pool.submit(driver.bare_loop, seconds=seconds) for driver in drivers
            ]
            count = sum(call.result() for call in calls)
        python = sum(cpu_seconds(driver.process.pid) for driver in drivers) - python
        return {
            "rate": count / seconds,
            "python_ms": 1000 * python / count,
            "postgres_ms": 1000 * (cpu_seconds(postgres) - before) / count,
        }
    finally:
        for driver in drivers:
            driver.stop()
        with bench.cluster.cursor(side.database) as cursor:
            cursor.execute("DROP TABLE bench_queue")


def measure(bench: Bench, side: Side) -> dict[str, dict[str, float]]:
    bench.stop_servers()
    floor = {_LOOP.format(n): bare_loop(bench, side, n) for n in (2, 4)}
    floor["bare HTTP route"] = http_route(bench, side)
    return floor


def two_process_loop(floor: dict[str, dict[str, float]]) -> float:
    """The rate that the no-op jobs are compared with: one process for each core."""
    return floor[_LOOP.format(2)]["rate"]
