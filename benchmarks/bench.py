# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What one run of the benchmark holds: sizes, PostgreSQL, sides, servers, drivers.

Servers and drivers are started when a scenario first needs them and kept for the
next; `stop_servers` ends them for scenarios that need a start of their own.
"""

from contextlib import contextmanager

from .cluster import Cluster
from .cost_table import JobCost
from .driver_client import Driver
from .jobs import Jobs
from .servers import Server
from .settings import Ports, Sizes
from .sides import Side


class Bench:
    def __init__(self, sizes: Sizes, cluster: Cluster, sides: list[Side], ports: Ports):
        self.sizes = sizes
        self.cluster = cluster
        self.sides = sides
        self.ports = ports
        #: by side: when its last scenario ended (time.monotonic())
        self.idle_since: dict[str, float] = {}
        #: by method: what a job costs in a lease
        self.costs: dict[str, JobCost] = {}
        self._servers: dict[str, Server] = {}
        self._drivers: dict[str, Driver] = {}
        self._jobs: dict[str, Jobs] = {}

    # -- what scenarios use --------------------------------------------------------

    def driver(self, side: Side) -> Driver:
        if side.name not in self._drivers:
            self._drivers[side.name] = Driver(side)
        return self._drivers[side.name]

    def jobs(self, side: Side) -> Jobs:
        if side.name not in self._jobs:
            self._jobs[side.name] = Jobs(self.cluster, side.database)
        return self._jobs[side.name]

    def server(self, side: Side) -> Server:
        """The side's server with the standard settings, running and warm."""
        if side.name not in self._servers:
            server = self._servers[side.name] = Server(side, self.ports)
            self.jobs(side).truncate()
            server.start()
            self.warm_up(side, server)
        self._servers[side.name].check_alive()
        return self._servers[side.name]

    @contextmanager
    def own_server(self, side: Side, **options):
        """A server of the scenario's own, started now and stopped at the end."""
        self.stop_servers()
        with Server(side, self.ports, **options) as server:
            yield server

    @contextmanager
    def own_cluster(self, environment: dict[str, str]):
        """The same PostgreSQL, started anew in another environment."""
        self.close()
        self.cluster.stop()
        self.cluster.start(environment)
        try:
            yield
        finally:
            self.close()
            self.cluster.stop()
            self.cluster.start()

    def warm_up(self, side: Side, server: Server) -> None:
        """Let every worker run some jobs before anything is measured."""
        jobs = self.jobs(side)
        row = self.driver(side).templates(method="sleep_50ms", args=[])[0]
        for _ in range(2):
            ids = jobs.copy(row, 10 * server.workers)
            if not jobs.wait_until_done(ids, 60):
                server.check_alive()
                raise RuntimeError(f"No job runs on {side.name}, see {server.log}")
        jobs.delete_finished()

    # -- life ----------------------------------------------------------------------

    def stop_servers(self) -> None:
        while self._servers:
            self._servers.popitem()[1].stop()

    def close(self) -> None:
        self.stop_servers()
        while self._drivers:
            self._drivers.popitem()[1].stop()
        while self._jobs:
            self._jobs.popitem()[1].close()
