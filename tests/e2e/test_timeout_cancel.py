# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job of ten minutes is ended: by its time limit, and by a user on another server.

Its worker sits in Python and hears nothing. PostgreSQL ends its session, and with it
all it wrote. The worker notices that, interrupts the code and writes down the end; a
worker whose code doesn't yield is killed and replaced.
"""

import pytest

from tests.harness.waiting import wait_for

TEN_MINUTES = 600
SECONDS = 5.0
#: With the time that code has to yield.
KILLED_SECONDS = 12.0


@pytest.fixture
def server(make_server):
    server = make_server(workers=2, channels="root:2")
    server.wait_runner()
    server.expect_log("its session is ended", "its code is interrupted")
    server.expect_log("job .* failed")
    return server


def test_a_timeout(server, database):
    uuid = server.client().delay("write_and_sleep", "over", TEN_MINUTES, timeout=2)
    database.wait_state(uuid, "started")
    pid = database.job(uuid, "worker_pid")
    assert database.wait_state(uuid, "failed", seconds=SECONDS) == "failed"
    name, message, info = database.job(uuid, "exc_name", "exc_message", "exc_info")
    assert name == "JobTimeout"
    assert "2 seconds" in message
    assert "time.sleep(seconds)" in info  # where it was
    assert database.job(uuid, "retry") == 1
    assert pid in server.http_pids()  # it yielded
    _assert_no_trace(server, database)


def test_cancelled_on_another_server(server, make_server, database):
    other = make_server(channels="root:0")
    uuid = server.client().delay("write_and_sleep", "cancelled", TEN_MINUTES)
    database.wait_state(uuid, "started")
    job_id = database.job(uuid, "id")
    other.client().call("queue.job", "button_cancelled", [job_id])
    assert database.wait_state(uuid, "cancelled", seconds=SECONDS) == "cancelled"
    assert "Cancelled by" in database.job(uuid, "result")
    _assert_no_trace(server, database)


def test_code_that_computes_is_interrupted(server, database, tmp_path):
    journal = tmp_path / "journal"
    uuid = server.client().delay("write_and_spin", str(journal), 60, timeout=1)
    assert database.wait_state(uuid, "failed", "done", seconds=SECONDS) == "failed"
    assert "end" not in journal.read_text()
    assert "write_and_spin" in database.job(uuid, "exc_info")
    _assert_no_trace(server, database)


def test_code_that_does_not_yield_loses_its_worker(make_server, database, tmp_path):
    """Until then it keeps its slot, and nobody runs it again."""
    server = make_server(workers=2, channels="root:1")
    server.wait_runner()
    server.expect_log("its session is ended", "its code is interrupted")
    server.expect_log("is killed", "connection of lease", "ends without its worker")
    client = server.client()
    uuid = client.delay(
        "survive_everything", str(tmp_path / "journal"), TEN_MINUTES, timeout=1
    )
    database.wait_state(uuid, "started")
    pid = database.job(uuid, "worker_pid")
    after = client.delay("record_run", "after")
    server.wait_log("its code is interrupted")
    assert pid in server.http_pids()
    assert database.job(after, "state") == "pending"
    assert database.job(uuid, "state") == "started"
    state = database.wait_state(uuid, "failed", "done", seconds=KILLED_SECONDS)
    assert state == "failed"
    assert pid not in server.http_pids()
    wait_for(lambda: len(server.http_pids()) == 2, "another worker")
    name, info = database.job(uuid, "exc_name", "exc_info")
    assert name == "JobTimeout"
    assert "survive_everything" in info
    assert database.wait_state(after, "done") == "done"


def test_a_job_that_would_exceed_the_limit_of_the_server(make_server, database):
    """It has no timeout of its own: it fails before its worker would be killed."""
    server = make_server(
        workers=2, channels="root:2", options={"limit_time_real": "10"}
    )
    server.wait_runner()
    server.expect_log("its session is ended", "its code is interrupted")
    server.expect_log("job .* failed")
    uuid = server.client().delay("write_and_sleep", "long", TEN_MINUTES)
    pid = database.wait(
        "SELECT worker_pid FROM queue_job WHERE uuid = %s AND state = 'started'", uuid
    )
    assert database.wait_state(uuid, "failed", "pending", seconds=20) == "failed"
    assert pid in server.http_pids()  # the runner was first
    assert "limit_time_real" in database.job(uuid, "exc_message")
    _assert_no_trace(server, database)


def _assert_no_trace(server, database):
    """Nothing of it is left, and the next job runs."""
    assert database.runs() == []
    uuid = server.client().delay("record_run", "next")
    assert database.wait_state(uuid, "done", "failed") == "done"
