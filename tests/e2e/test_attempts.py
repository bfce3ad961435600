# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Attempts that end badly are counted, and the job's history tells why."""

import socket

import pytest

from tests.harness.waiting import wait_for

HISTORY = """
SELECT a.number, a.outcome, a.worker_host, a.worker_pid, a.exc_name, a.message,
       a.date_end >= a.date_start
  FROM queue_job_attempt a JOIN queue_job j ON j.id = a.job_id
 WHERE j.uuid = %s ORDER BY a.id
"""
SHORT = 20


@pytest.fixture
def server(make_server):
    server = make_server(workers=2, channels="root:2")
    server.wait_runner()
    return server


def test_a_job_that_kills_its_workers(server, database):
    """Each death counts; after the last one allowed, the job fails as any other does.
    The jobs of the same leases run elsewhere, and nothing is counted for them."""
    server.expect_log("connection of lease", "dead job", "ends without its worker")
    server.expect_log("no worker takes the leases")
    client = server.client()
    short = client.delay_many(SHORT, "record_run", "short", priority=20)
    poison = client.delay("die", max_retries=2, priority=10)
    short += client.delay_many(SHORT, "record_run", "short", priority=20)
    assert database.wait_state(poison, "failed", "done", seconds=60) == "failed"
    name, message = database.job(poison, "exc_name", "exc_message")
    assert (name, message) == (
        "JobFoundDead",
        "Job found dead after too many retries",
    )
    history = database.rows(HISTORY, poison)
    assert [row[:2] for row in history] == [(1, "dead"), (2, "dead")]
    assert {row[2] for row in history} == {socket.gethostname()}
    assert len({row[3] for row in history}) == 2  # two workers
    assert "died while it ran the job" in history[0][5]
    assert all(row[6] for row in history)
    assert database.wait_settled(short) == {"done": 2 * SHORT}
    retries = "SELECT DISTINCT retry FROM queue_job WHERE uuid = ANY(%s)"
    assert database.column(retries, short) == [1]


def test_a_conflict(server, database, tmp_path):
    """Two transactions change the same row: the later one runs again soon, not after
    the ten minutes of the retry pattern."""
    server.expect_log("odoo.sql_db: bad query")
    client = server.client()
    database.wait_state(client.delay("record_run", "shared"), "done")
    journal = tmp_path / "journal"
    uuid = client.delay("rewrite", "shared", str(journal), 1)
    database.wait(
        "SELECT count(*) FROM queue_job WHERE uuid = %s AND state = 'started'", uuid
    )
    _wait_for_file(journal)
    database.rows("UPDATE test_queue_job_probe SET pid = 0 WHERE tag = 'shared'")
    assert database.wait_state(uuid, "done", "failed") == "done"
    assert database.job(uuid, "retry") == 2
    assert [row[:2] for row in database.rows(HISTORY, uuid)] == [(1, "conflict")]
    (run,) = database.runs()
    assert run[1] == 1  # what both have done


def test_a_failure(server, database):
    server.expect_log("The probe bad fails")
    uuid = server.client().delay("write_and_fail", "bad")
    assert database.wait_state(uuid, "failed", "done") == "failed"
    (row,) = database.rows(HISTORY, uuid)
    assert row[:2] == (1, "failed")
    assert row[3] in server.http_pids()
    assert row[4] == "ValueError"


def _wait_for_file(path):
    wait_for(path.exists, "the job reads")
