# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a scenario costs, seen from outside: CPU, statements, commits, bells, WAL.

`with Meter(...) as meter:` around the work, then `meter.per_job(count)`. The
benchmark's own statements carry the comment `/* bench */` and are not counted.
"""

import select
import time
from dataclasses import dataclass, fields

from .cluster import Cluster
from .processes import cpu_seconds
from .servers import Server

# PostgreSQL's backends report their commits 10 seconds late once they are idle
STATISTICS_DELAY = 10.5
_CONTROL = "(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)"
_STATEMENTS = f"""
    /* bench */
    SELECT coalesce(sum(calls) FILTER (WHERE query !~* '^{_CONTROL}'), 0),
           coalesce(sum(calls), 0)
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = %s AND position('/* bench' in query) = 0
"""
_DATABASE = """
    /* bench */
    SELECT xact_commit, xact_rollback, pg_current_wal_insert_lsn() - '0/0'
    FROM pg_stat_database WHERE datname = %s
"""
_TABLE = """
    /* bench */
    SELECT n_dead_tup, n_tup_upd, n_tup_hot_upd
    FROM pg_stat_user_tables WHERE relname = 'queue_job'
"""


@dataclass
class Reading:
    """All counters at one moment."""

    server_cpu: float = 0.0
    postgres_cpu: float = 0.0
    statements: float = 0.0
    all_statements: float = 0.0
    commits: float = 0.0
    rollbacks: float = 0.0
    wal_bytes: float = 0.0
    dead_tuples: float = 0.0
    updates: float = 0.0
    hot_updates: float = 0.0
    notifications: float = 0.0

    def __sub__(self, other: "Reading") -> "Reading":
        names = [field.name for field in fields(self)]
        return Reading(*(getattr(self, n) - getattr(other, n) for n in names))


class Meter:
    """Counters before and after a piece of work.

    `commits=True` waits until PostgreSQL's statistics are complete, which makes
    the figures exact and the scenario ten seconds longer, or twice that when the
    server has worked just before (`idle_since`, of `time.monotonic()`).
    """

    def __init__(
        self,
        cluster: Cluster,
        server: Server,
        *,
        commits: bool = False,
        idle_since: float | None = None,
    ) -> None:
        self.cluster = cluster
        self.server = server
        self.commits = commits
        self.idle_since = idle_since
        self.database = server.databases[0]
        self.spent = Reading()
        self.seconds = 0.0

    def __enter__(self):
        if self.commits:
            idle = time.monotonic() - (self.idle_since or time.monotonic())
            time.sleep(max(0.0, STATISTICS_DELAY - idle))
        self.connection = self.cluster.connect(self.database)
        self.connection.cursor().execute("LISTEN queue_job")
        self._start = time.monotonic()
        self._before = self._read()
        self._cpu_before = self._cpu()
        return self

    def __exit__(self, *exc_info) -> None:
        cpu = self._cpu()
        self.seconds = time.monotonic() - self._start
        if self.commits and not exc_info[0]:
            time.sleep(STATISTICS_DELAY)
        after = self._read()
        self.spent = after - self._before
        self.spent.server_cpu = cpu[0] - self._cpu_before[0]
        self.spent.postgres_cpu = cpu[1] - self._cpu_before[1]
        self.spent.notifications = self._notifications()
        self.connection.close()

    def per_job(self, count: int, polls: int = 0) -> dict[str, float]:
        """The figures of one job; `polls` own reads are taken off the commits."""
        spent = self.spent
        cpu = spent.server_cpu + spent.postgres_cpu
        figures = {
            "server_cpu_ms": 1000 * spent.server_cpu / count,
            "postgres_cpu_ms": 1000 * spent.postgres_cpu / count,
            "cpu_ms": 1000 * cpu / count,
            "statements": spent.statements / count,
            "all_statements": spent.all_statements / count,
            "notifications": spent.notifications / count,
            "wal_bytes": spent.wal_bytes / count,
        }
        if self.commits:
            figures["commits"] = (spent.commits - polls) / count
            figures["rollbacks"] = spent.rollbacks / count
            figures["dead_tuples"] = spent.dead_tuples / count
            figures["updates"] = spent.updates / count
            figures["hot_updates"] = spent.hot_updates / count
        return figures

    def _cpu(self) -> tuple[float, float]:
        return self.server.cpu_seconds(), cpu_seconds(self.cluster.process.pid)

    def _read(self) -> Reading:
        with self.connection.cursor() as cursor:
            cursor.execute(_STATEMENTS, [self.database])
            statements, every = map(float, cursor.fetchone())
            cursor.execute(_DATABASE, [self.database])
            commits, rollbacks, wal = map(float, cursor.fetchone())
            cursor.execute(_TABLE)
            dead, updates, hot = map(float, cursor.fetchone())
        return Reading(
            statements=statements,
            all_statements=every,
            commits=commits,
            rollbacks=rollbacks,
            wal_bytes=wal,
            dead_tuples=dead,
            updates=updates,
            hot_updates=hot,
        )

    def _notifications(self) -> int:
        while select.select([self.connection], [], [], 0.2)[0]:
            before = len(self.connection.notifies)
            self.connection.poll()
            if len(self.connection.notifies) == before:
                break
        return len(self.connection.notifies)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: list[float]) -> float:
    return percentile(values, 0.5)


def idle_cpu_percent(server: Server, seconds: float) -> float:
    """CPU of the runner process while nothing happens, in percent of one core."""
    runner = server.runner()
    if runner is None:
        return float("nan")
    before = sum(runner.cpu_times()[:2])
    time.sleep(seconds)
    return 100 * (sum(runner.cpu_times()[:2]) - before) / seconds


def runner_megabytes(server: Server) -> float:
    runner = server.runner()
    return runner.memory_info().rss / 1e6 if runner else float("nan")
