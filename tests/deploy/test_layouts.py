# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The layouts of the guide: a thousand jobs through each, and what must not happen."""

import os
import subprocess

import requests
import websocket

from setup import cache
from setup.client import Client
from setup.postgres import free_port
from tests.harness.waiting import wait_for

JOBS = 1000
CAPACITY = 3
FORBIDDEN = ("/queue_job/lease", "/queue_job/runjob")

#: What a server says of another one that was killed.
OF_THE_KILLED = (
    "the connection of lease",
    "re-queued dead job",
    "no worker takes the leases",
    "is not there to be started",
)


def delay_jobs(client, server):
    uuids = []
    for _part in range(4):
        options = {"method": "record_run", "args": ["deployed", 0.02]}
        uuids += client.call(
            "test.queue.job.probe", "delay_many", JOBS // 4, *options.values()
        )
    return uuids


def test_prefork_behind_nginx(make_server, nginx):
    channels = f"root:{CAPACITY}"
    server = make_server(4, channels=channels, options={"proxy_mode": "True"})
    server.wait_runner()
    url = nginx(server)
    client = Client(url, server.database, "admin", "admin")
    uuids = delay_jobs(client, server)
    assert server.db.wait_settled(uuids, seconds=120) == {"done": JOBS}
    assert server.db.most_at_once() <= CAPACITY
    for path in FORBIDDEN:
        assert requests.post(f"{url}{path}", timeout=10).status_code == 403
    assert_websocket(url)


def assert_websocket(url):
    """The proxy leads to the websocket worker."""
    wait_for(
        lambda: (
            requests.get(f"{url}/websocket/health", timeout=5).text
            == '{"status": "pass"}'
        ),
        "the websocket worker answers",
    )
    address = f"{url.replace('http', 'ws', 1)}/websocket?version="
    connection = websocket.create_connection(address, origin=url, timeout=10)
    assert connection.connected
    connection.close()


def test_two_servers_behind_haproxy(make_server, haproxy, database):
    port, jobs_port = free_port(), free_port()
    addresses = {"host": "127.0.0.1", "port": str(jobs_port)}
    servers = [
        make_server(
            CAPACITY + 1,
            channels=f"root:{CAPACITY}",
            options={"proxy_mode": "True"},
            sections={"queue_job": addresses},
        )
        for _number in range(2)
    ]
    haproxy(
        {
            "192.0.2.11:8069": f"127.0.0.1:{servers[0].port}",
            "192.0.2.12:8069": f"127.0.0.1:{servers[1].port}",
            "192.0.2.11:8072": f"127.0.0.1:{servers[0].port}",
            "192.0.2.12:8072": f"127.0.0.1:{servers[1].port}",
            "bind :80\n": f"bind 127.0.0.1:{port}\n",
            "bind :8070\n": f"bind 127.0.0.1:{jobs_port}\n",
        }
    )
    url = f"http://127.0.0.1:{port}"
    leader, other = leader_first(servers, database)
    other.expect_log(*OF_THE_KILLED)
    client = Client(url, database.name, "admin", "admin")
    uuids = delay_jobs(client, servers[0])
    wait_for(lambda: len(database.runs()) > JOBS // 10, "a tenth has run")
    pids = {pid for _tag, pid, *_ in database.runs()}
    assert pids & set(leader.http_pids()), "the leader's workers run jobs"
    assert pids & set(other.http_pids()), "the other server's workers run jobs"

    leader.kill()

    assert database.wait_settled(uuids, seconds=120) == {"done": JOBS}
    assert len(database.runs()) == JOBS, "each job has left one trace"
    assert database.most_at_once() <= CAPACITY
    assert requests.get(f"{url}/web/login", timeout=20).status_code == 200


def leader_first(servers, database):
    """Both servers, the one whose runner leads first."""
    pid = database.wait("SELECT pid FROM queue_job_runner WHERE leader")
    return sorted(servers, key=lambda server: pid not in pids_of(server))


def pids_of(server):
    return {process.pid for process in server.processes()}


def test_runner_as_a_process_of_its_own(stack, make_server, log_directory):
    server = make_server(2, channels="root:0")
    uuids = server.client().delay_many(20, "record_run", "alone")
    environment = {
        **os.environ,
        "ODOO_QUEUE_JOB_CHANNELS": "root:2",
        "PYTHONPATH": str(stack.source.python_path()),
    }
    command = [stack.python, cache.REPOSITORY / "queue_job" / "jobrunner"]
    with (log_directory / "runner.log").open("wb") as log:
        runner = subprocess.Popen(
            [*map(str, command), "-c", str(server.directory / "odoo.conf")],
            cwd="/",
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        assert server.db.wait_settled(uuids) == {"done": 20}
        assert server.db.value("SELECT pid FROM queue_job_runner") == runner.pid
    finally:
        runner.terminate()
        assert runner.wait(10) == 0
    assert server.db.value("SELECT count(*) FROM queue_job_runner") == 0
