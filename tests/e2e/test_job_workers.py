# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job workers of a real prefork server: their own door, their own limits.

Every server here is told a port on which nobody listens, so a job that runs shows that
neither host nor port matters.
"""

import re
import signal

import psutil
import pytest
import requests

from setup.postgres import free_port
from tests.harness.server import Server
from tests.harness.waiting import wait_for

JOB_WORKER = "WorkerJob"
WORKERS = 2
RECOVERY_SECONDS = 3.0


@pytest.fixture
def serve(make_server):
    """Start a prefork server with job workers; keywords are settings of [queue_job]."""

    def serve(settings=(), *, leads=True, **options) -> Server:
        section = {"workers": str(WORKERS), "port": str(free_port()), **dict(settings)}
        server = make_server(2, sections={"queue_job": section}, **options)
        server.expect_log("port of section .queue_job. has no effect")
        if leads:
            server.wait_runner()
        return server

    return serve


def job_worker_pids(server, count=WORKERS):
    return wait_for(
        lambda: server.worker_pids(JOB_WORKER),
        f"{count} job workers",
        until=lambda pids: len(pids) == count,
    )


def private_url(server) -> str:
    line = server.wait_log(f"leases go to {WORKERS} job workers at ")
    return re.search(r"http://127\.0\.0\.1:\d+", line)[0]


def test_jobs_leave_the_web_workers_alone(serve, database):
    """Without any channel configured there are as many slots as job workers."""
    server = serve()
    pids = job_worker_pids(server)
    client = server.client()
    uuids = client.delay_many(WORKERS, "record_run", "slow", 4)
    started = "SELECT count(*) FROM queue_job WHERE state = 'started'"
    database.wait(started, until=lambda count: count == WORKERS)
    for _time in range(5):
        assert server.get("/web/login").status_code == 200
    assert database.value(started) == WORKERS, "the pages came while the jobs ran"
    assert database.wait_settled(uuids) == {"done": WORKERS}
    assert sorted({pid for _tag, pid, *_rest in database.runs()}) == pids
    assert database.most_at_once() == WORKERS


def test_the_private_door(serve, database):
    server = serve()
    url = private_url(server)
    headers = {"X-Odoo-Database": server.database}
    for path in (
        "/web/login",
        "/web/health",
        "/",
        "/queue_job/lease/",
        "/web/static/x",
    ):
        answer = requests.get(f"{url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 404, path
    server.expect_log("refused a lease request")
    unsigned = requests.post(f"{url}/queue_job/lease", headers=headers, timeout=30)
    assert unsigned.status_code == 403
    server.expect_log("was requested to run job none")
    classic = requests.get(
        f"{url}/queue_job/runjob?job_uuid=none", headers=headers, timeout=30
    )
    assert (classic.status_code, classic.text) == (200, "")
    listening = psutil.Process(server.process.pid).net_connections(kind="inet")
    addresses = {
        each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_a_killed_worker_is_replaced(serve, database):
    server = serve()
    server.expect_log("re-queued dead job", "the connection of lease")
    uuid = server.client().delay("record_run", "again", 3)
    database.wait_state(uuid, "started")
    pid = database.wait("SELECT worker_pid FROM queue_job WHERE uuid = %s", uuid)
    before = job_worker_pids(server)
    server.kill_pid(pid)
    again = "SELECT state = 'started' AND retry = 1 FROM queue_job WHERE uuid = %s"
    database.wait(again, uuid, seconds=RECOVERY_SECONDS)
    after = job_worker_pids(server)
    assert pid in before and pid not in after
    assert database.wait_state(uuid, "done", "failed") == "done"


def test_what_the_server_has_loaded_is_not_collected(serve, database):
    """The registry and the modules are more than a hundred thousand objects.

    A registry that replaces the one of the server is kept out after its first lease.
    """
    server = serve({"workers": "1"})
    client = server.client()

    def frozen() -> int:
        database.forget_runs()
        uuid = client.delay("record_frozen")
        assert database.wait_state(uuid, "done", "failed") == "done"
        return int(database.runs()[0][0])

    assert frozen() > 100_000
    database.rows("INSERT INTO orm_signaling_registry DEFAULT VALUES RETURNING id")
    assert frozen() == 0, "the old registry can be collected"
    assert frozen() > 100_000


def test_their_own_time_limit(serve, database):
    """Eight seconds for a job, while the web workers have two minutes."""
    server = serve({"limit_time_real": "10"})
    server.expect_log(
        "its session is ended", "its code is interrupted", "job .* failed"
    )
    uuid = server.client().delay("record_run", "long", 60)
    database.wait_state(uuid, "started")
    assert database.wait_state(uuid, "failed", "done") == "failed"
    name, message = database.job(uuid, "exc_name", "exc_message")
    assert name == "JobTimeout"
    assert "limit_time_real of the job workers (section [queue_job])" in message
    uuid = server.client().delay("record_run", "next")
    assert database.wait_state(uuid, "done", "failed") == "done"


def test_their_own_processor_limit(serve, database):
    server = serve({"limit_time_cpu": "2"})
    server.expect_log("job .* failed")
    pids = set(job_worker_pids(server))
    uuid = server.client().delay("work_hard", 60, False)
    assert database.wait_state(uuid, "failed", "done", seconds=90) == "failed"
    name, message, retry = database.job(uuid, "exc_name", "exc_message", "retry")
    assert (name, retry) == ("JobTimeout", 1)
    assert "limit_time_cpu" in message
    wait_for(lambda: set(job_worker_pids(server)) != pids, "a fresh worker")


def test_memory_is_looked_at_between_leases(serve, database):
    """The limit is too small for any worker: each serves one lease, and all goes on."""
    server = serve({"limit_memory_soft": "1000000"})
    first = set(job_worker_pids(server))
    for number in range(3):
        uuid = server.client().delay("record_run", f"job {number}", 0.5)
        assert database.wait_state(uuid, "done", "failed") == "done"
        assert database.job(uuid, "retry") == 1
    server.wait_log("virtual memory limit .* reached", times=3)
    assert set(job_worker_pids(server)) != first


def test_a_stop_lets_jobs_end_and_leaves_nothing(serve, database):
    server = serve()
    uuid = server.client().delay("record_run", "last", 2)
    database.wait_state(uuid, "started")
    processes = server.processes()
    assert {each.pid for each in processes} >= set(job_worker_pids(server))
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)
    assert database.job(uuid, "state") == "done"
    assert not psutil.wait_procs(processes, timeout=10)[1]


def test_the_job_workers_of_the_next_leader_take_over(serve, database):
    first = serve()
    second = serve(leads=False)
    uuids = second.client().delay_many(8, "record_run", "over", 0.5)
    database.wait("SELECT count(*) FROM queue_job WHERE state = 'done'")
    assert {pid for _tag, pid, *_rest in database.runs()} <= set(job_worker_pids(first))
    second.expect_log("re-queued dead job")
    first.kill()
    assert database.wait_settled(uuids) == {"done": 8}
    last = max(database.runs(), key=lambda run: run[3])
    assert last[1] in job_worker_pids(second)


def test_a_server_for_jobs_only(serve, make_server, database):
    """No web worker at all: the other server has the users."""
    web = make_server(channels="root:0")
    jobs = make_server(
        1,
        start=False,
        options={"http_enable": "False"},
        sections={"queue_job": {"workers": str(WORKERS)}},
    )
    jobs.start(wait=False)
    jobs.wait_runner(60)
    pids = job_worker_pids(jobs)
    uuids = web.client().delay_many(4, "record_run", "there", 0.1)
    assert database.wait_settled(uuids) == {"done": 4}
    assert {pid for _tag, pid, *_rest in database.runs()} <= set(pids)
    assert not jobs.worker_pids("WorkerHTTP")


def test_a_threaded_server_says_that_it_has_none(make_server, database):
    server = make_server(0, sections={"queue_job": {"workers": "2"}})
    server.expect_log("workers = 2 of section .queue_job. is ignored")
    server.wait_log("workers = 2 of section .queue_job. is ignored")
    server.wait_log("leases go to the HTTP workers")
    uuid = server.client().delay("record_run", "thread")
    assert database.wait_state(uuid, "done", "failed") == "done"
