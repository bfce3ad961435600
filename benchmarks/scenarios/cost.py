# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Cost: the CPU of one job in a lease, by stage and by statement, without a server.

A process of ours serves one lease after the other, twice for each kind of job: as it
is, which gives the sums and PostgreSQL's statements, and with a watch on each stage.
Commits don't wait for the disk here, so the time of a statement is its CPU.
"""

from ..cost_table import JobCost
from ..jobs import PLACEHOLDER, numbered
from ..processes import cpu_seconds
from ..scenario import Scenario
from ..sides import OURS
from ..targets import LESS, Metric

_RUNNER = "bench"
_LEAD = """
    /* bench */ DELETE FROM queue_job_runner;
    /* bench */ INSERT INTO queue_job_runner (uuid, pid, leader) VALUES (%s, 1, true)
"""
_CLAIM = """
    /* bench */ UPDATE queue_job SET state = 'enqueued', claim_token = 1, lease_id = 77
    WHERE id = %s
"""
_STATEMENTS = """
    /* bench */
    SELECT query, calls, total_exec_time / 1000
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = %s AND position('/* bench' in query) = 0
    ORDER BY total_exec_time DESC
"""


def _run(method: str):
    def run(bench, side) -> dict:
        bench.stop_servers()
        database = f'ALTER DATABASE "{side.database}"'
        with bench.cluster.cursor() as cursor:
            cursor.execute(f"{database} SET synchronous_commit = off")
        bench.close()  # the driver's sessions are to have it
        try:
            cost = bench.costs[method] = _measure(bench, side, method)
        finally:
            bench.close()
            with bench.cluster.cursor() as cursor:
                cursor.execute(f"{database} RESET synchronous_commit")
        return {"python": cost.python_us, "postgres": cost.postgres_us}

    return run


def _measure(bench, side, method: str) -> JobCost:
    jobs, driver = bench.jobs(side), bench.driver(side)
    count = bench.sizes.cost
    first = driver.records(count=count)
    row = driver.templates(method=method, args=[], record_id=PLACEHOLDER)[0]
    jobs.cursor.execute(_LEAD, [_RUNNER])

    def lease(count: int, *, by_stage: bool) -> dict:
        jobs.truncate()
        changes = numbered(f"{first} + i - 1")
        claimed, _last = jobs.copy(row, count, ring=False, changes=changes)
        jobs.cursor.execute(_CLAIM, [claimed])
        jobs.analyze()
        jobs.cursor.execute("/* bench */ SELECT pg_stat_statements_reset()")
        before = cpu_seconds(bench.cluster.process.pid)
        ran = driver.lease(job_id=claimed, runner=_RUNNER, by_stage=by_stage)
        ran["postgres"] = cpu_seconds(bench.cluster.process.pid) - before
        if ran["jobs"] != count or ran["states"] != ["done"]:
            raise RuntimeError(f"The lease ran {ran['jobs']} of {count} jobs: {ran}")
        return ran

    lease(count // 10, by_stage=False)
    plain = lease(count, by_stage=False)
    jobs.cursor.execute(_STATEMENTS, [side.database])
    statements = jobs.cursor.fetchall()
    staged = lease(count, by_stage=True)
    jobs.truncate()
    return JobCost(count, plain, statements, staged["stages"])


def _scenario(method: str, title: str) -> Scenario:
    return Scenario(
        f"cost_{method}",
        f"CPU of one job in a lease: {title}",
        _run(method),
        (
            Metric("python", "Python", "us", LESS),
            Metric("postgres", "PostgreSQL", "us", LESS),
        ),
        rounds=1,
        only=OURS,
    )


SCENARIOS = [_scenario("noop", "no-op"), _scenario("write_one", "one write")]
