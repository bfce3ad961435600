# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threaded job workers of a real prefork server: many waiting jobs in one process."""

import signal
from collections import Counter

import psutil
import pytest

from tests.harness.server import Server
from tests.harness.waiting import holds, wait_for

THREADED = "WorkerThreads"
JOB_WORKER = "WorkerJob"
SLOTS = 40
CHANNEL = {"channel": "root.api"}
STARTED = "SELECT count(*) FROM queue_job WHERE state = 'started'"
#: What one process reaches at least, of what so many slots could do.
SHARE = 0.9
RECOVERY_SECONDS = 4.0
#: The rest of a job, and a beat, after which a worker knows that its parent is gone.
SECONDS_TO_END = 15.0
PROBE = "test.queue.job.probe"


@pytest.fixture
def serve(make_server):
    """Start a server with a threaded job worker; ``settings`` are of [queue_job]."""

    def serve(settings=(), channels="root:60,api:0:threads") -> Server:
        section = {"workers": "1", "threads": str(SLOTS), **dict(settings)}
        server = make_server(1, sections={"queue_job": section}, channels=channels)
        server.wait_runner()
        return server

    return serve


def threaded_pid(server, *others) -> int:
    """The process with threads that is none of the others."""
    return wait_for(
        lambda: [pid for pid in server.worker_pids(THREADED) if pid not in others],
        "a threaded job worker",
    )[0]


def database_connections(pid) -> int:
    """The connections of a process to PostgreSQL, to which it has the most."""
    remote = [
        each.raddr.port for each in psutil.Process(pid).net_connections() if each.raddr
    ]
    return Counter(remote).most_common(1)[0][1]


def worker_of(database, uuid) -> int:
    database.wait_state(uuid, "started")
    return database.job(uuid, "worker_pid")


def test_one_process_runs_all_that_wait(serve, database):
    """In two rounds, beside a job that has its process to itself."""
    rounds, seconds = 2, 10.0
    server = serve()
    client = server.client()
    pid = threaded_pid(server)
    warm = client.delay_many(SLOTS, "record_run", "warm", 0.1, **CHANNEL)
    assert database.wait_settled(warm) == {"done": SLOTS}
    count = rounds * SLOTS
    uuids = client.delay_many(count, "record_run", "api", seconds, **CHANNEL)
    alone = client.delay("record_run", "alone", 1)
    database.wait(STARTED, until=lambda number: number == SLOTS + 1)
    assert SLOTS <= database_connections(pid) <= SLOTS + 20, "one each, and a few"
    assert database.wait_settled([*uuids, alone]) == {"done": count + 1}
    runs = {tag: [] for tag in ("warm", "api", "alone")}
    for run in database.runs():
        runs[run[0]].append(run)
    assert {run[1] for run in runs["warm"] + runs["api"]} == {pid}
    assert {run[1] for run in runs["alone"]} == set(server.worker_pids(JOB_WORKER))
    starts, ends = zip(*((run[3], run[4]) for run in runs["api"]), strict=True)
    assert max(ends) - min(starts) <= rounds * seconds / SHARE
    assert database.most_at_once() == SLOTS + 1


def test_the_form_of_a_channel_decides(serve, database):
    server = serve(channels=None)
    client = server.client()
    threaded, alone = threaded_pid(server), server.worker_pids(JOB_WORKER)
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    values = {"name": "api", "parent_id": root, "threads": True}
    channel = client.call("queue.job.channel", "create", values)
    below = {"channel": "root.api.below"}

    def run_by(tag):
        uuids = client.delay_many(4, "record_run", tag, 0.2, **below)
        assert database.wait_settled(uuids) == {"done": 4}
        return {run[1] for run in database.runs() if run[0] == tag}

    assert run_by("threads") == {threaded}
    client.call("queue.job.channel", "write", [channel], {"threads": False})
    assert run_by("alone") == set(alone)
    assert database.most_at_once() == 4, "and one process runs one at a time"


def test_a_pause(serve, database):
    server = serve(channels=None)
    client = server.client()
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    values = {"name": "api", "parent_id": root, "threads": True, "capacity": 10}
    channel = client.call("queue.job.channel", "create", values)
    client.delay_many(30, "record_run", "api", 1, **CHANNEL)
    database.wait(STARTED, until=lambda number: number == 10)
    client.call("queue.job.channel", "action_pause", [channel])
    database.wait(STARTED, until=lambda number: number == 0)
    holds(lambda: not database.value(STARTED), "nothing starts", seconds=2)
    client.call("queue.job.channel", "action_resume", [channel])
    database.wait(STARTED, until=lambda number: number == 10)


def test_a_killed_worker_loses_and_doubles_nothing(serve, database, tmp_path):
    server = serve()
    server.expect_log("re-queued dead job", "the connection of lease")
    server.expect_log("no worker takes the leases")
    path = str(tmp_path / "journal")
    probe, count = server.client(), 2 * SLOTS
    uuids = probe.call(PROBE, "delay_marks", count, path, 2, 4, CHANNEL)
    database.wait(STARTED, until=lambda number: number == SLOTS)
    pid = threaded_pid(server)
    server.kill_pid(pid)
    again = "SELECT count(*) FROM queue_job WHERE state = 'started' AND retry > 0"
    database.wait(again, seconds=RECOVERY_SECONDS)
    assert threaded_pid(server, pid) != pid
    assert database.wait_settled(uuids) == {"done": 2 * SLOTS}
    marks = database.column("SELECT mark FROM test_queue_job_probe")
    assert Counter(marks) == Counter(uuids), "each once"


def test_a_timeout_interrupts_code_in_a_thread(serve, database, tmp_path):
    """Its neighbours in the same process go on."""
    server = serve()
    server.expect_log("its session is ended", "its code is interrupted")
    server.expect_log("job .* failed", "of processor time")
    client = server.client()
    beside = client.delay_many(5, "record_run", "beside", 6, **CHANNEL)
    pid = worker_of(database, beside[0])
    path = str(tmp_path / "journal")
    uuid = client.delay("write_and_spin", path, 60, timeout=2, **CHANNEL)
    assert worker_of(database, uuid) == pid
    assert database.wait_state(uuid, "failed", "done", seconds=8) == "failed"
    assert database.job(uuid, "exc_name") == "JobTimeout"
    assert "write_and_spin" in database.job(uuid, "exc_info")
    assert database.wait_settled(beside) == {"done": 5}
    assert database.column(
        "SELECT DISTINCT retry FROM queue_job WHERE uuid = ANY(%s)", beside
    ) == [1]
    assert server.worker_pids(THREADED) == [pid]


def test_a_call_that_can_not_be_interrupted(serve, database):
    """It keeps its slot; its worker takes no more, and ends with the other jobs."""
    server = serve()
    server.expect_log("its session is ended", "its code is interrupted")
    server.expect_log("its code has not ended", "has lost its session")
    server.expect_log("the connection of lease", "ends without its worker")
    client = server.client()
    beside = client.delay("record_run", "beside", 14, **CHANNEL)
    pid = worker_of(database, beside)
    uuid = client.delay("write_and_sleep", "over", 600, **CHANNEL)
    assert worker_of(database, uuid) == pid
    client.call("queue.job", "button_cancelled", [database.job(uuid, "id")])
    server.wait_log(f"worker {pid} is to end with its other jobs")
    fresh = threaded_pid(server, pid)
    after = client.delay("record_run", "after", 0, **CHANNEL)
    assert database.wait_state(after, "done", "failed") == "done"
    assert database.job(beside, "state", "retry") == ("started", 0)
    assert database.wait_state(beside, "done", "failed") == "done"
    assert database.wait_state(uuid, "cancelled", "failed") == "cancelled"
    assert not database.column("SELECT id FROM test_queue_job_probe WHERE tag = 'over'")
    assert server.worker_pids(THREADED) == [fresh]


def test_their_own_processor_limit(serve, database, tmp_path):
    server = serve({"limit_time_cpu": "2"})
    server.expect_log("job .* failed", "of processor time")
    client = server.client()
    beside = client.delay("record_run", "beside", 6, **CHANNEL)
    pid = worker_of(database, beside)
    uuid = client.delay("write_and_spin", str(tmp_path / "j"), 60, **CHANNEL)
    assert database.wait_state(uuid, "failed", "done", seconds=30) == "failed"
    name, message = database.job(uuid, "exc_name", "exc_message")
    assert name == "JobTimeout"
    assert "limit_time_cpu, 2 s" in message
    assert database.wait_state(beside, "done", "failed") == "done"
    assert server.worker_pids(THREADED) == [pid]


def test_a_worker_over_its_memory_limit_lets_its_jobs_end(serve, database):
    """The limit is too small for any: each is renewed, and no job is lost by it."""
    server = serve({"limit_memory_soft": "1000000"})
    first = threaded_pid(server)
    client = server.client()
    uuids = client.delay_many(20, "record_run", "long", 3, **CHANNEL)
    uuids += client.delay_many(5, "record_run", "short", 0.1, **CHANNEL)
    server.wait_log("virtual memory limit .* reached")
    assert database.wait_settled(uuids) == {"done": 25}
    assert database.column(
        "SELECT DISTINCT retry FROM queue_job WHERE uuid = ANY(%s)", uuids
    ) == [1]
    uuid = client.delay("record_run", "next", 0, **CHANNEL)
    assert database.wait_state(uuid, "done", "failed") == "done"
    wait_for(lambda: first not in server.worker_pids(THREADED), "the first is gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_server_lets_jobs_end_and_leaves_nothing(
    serve, database, number
):
    server = serve()
    server.expect_log("Gevent Parent changed")
    uuids = server.client().delay_many(10, "record_run", "last", 6, **CHANNEL)
    database.wait(STARTED, until=lambda count: count == 10)
    processes = server.processes()
    if number == signal.SIGKILL:  # Odoo's websocket worker may survive its parent
        processes = [psutil.Process(threaded_pid(server))]
    server.process.send_signal(number)
    assert not psutil.wait_procs(processes, timeout=SECONDS_TO_END)[1]
    server.process.wait(SECONDS_TO_END)  # only then its orphans are found, and stopped
    assert database.states(uuids) == {"done": 10}
    assert set(database.column("SELECT retry FROM queue_job")) == {1}


def test_channels_with_threads_on_a_server_without(make_server, database):
    server = make_server(1, channels="root:2,api:0:threads")
    server.expect_log("option threads of api has no effect")
    server.wait_log("option threads of api has no effect")
    uuids = server.client().delay_many(2, "record_run", "api", 0.5, **CHANNEL)
    assert database.wait_settled(uuids) == {"done": 2}
