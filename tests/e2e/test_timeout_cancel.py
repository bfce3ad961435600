# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job of ten minutes is ended: by its time limit, and by a user on another server.

Its worker sits in Python and hears nothing. PostgreSQL ends its session, and with it
all it wrote; another worker writes down the end. The worker itself is ended by the
server's own limits, should it go on for so long.
"""

import pytest

from tests.harness.waiting import wait_for

TEN_MINUTES = 600
SECONDS = 5.0


@pytest.fixture
def server(make_server):
    server = make_server(workers=2, channels="root:2")
    server.wait_runner()
    # what the worker says about its lost session, if it ever wakes up
    server.expect_log(
        "its session is ended", "ends without its worker", "job .* failed"
    )
    server.expect_log("connection of lease", "nothing in flight")
    yield server
    server.kill()  # a worker still sleeps


def test_a_timeout(server, database):
    uuid = server.client().delay("write_and_sleep", "over", TEN_MINUTES, timeout=2)
    database.wait_state(uuid, "started")
    assert database.wait_state(uuid, "failed", seconds=SECONDS) == "failed"
    name, message = database.job(uuid, "exc_name", "exc_message")
    assert name == "JobTimeout"
    assert "2 seconds" in message
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


def test_a_worker_that_hears_nothing_commits_nothing(server, database, tmp_path):
    """It computes on until its method returns, then finds its session gone."""
    journal = tmp_path / "journal"
    uuid = server.client().delay("write_and_spin", str(journal), 6, timeout=1)
    assert database.wait_state(uuid, "failed", "done", seconds=SECONDS) == "failed"
    assert "end" not in journal.read_text()
    wait_for(lambda: "end" in journal.read_text(), "the end of the method")
    server.expect_log(uuid, "odoo.sql_db: bad query")
    server.wait_log(f"{uuid}.*(given to another worker|attempt is forgotten)")
    assert database.job(uuid, "state", "retry") == ("failed", 1)
    _assert_no_trace(server, database)


def test_a_stuck_worker_is_recycled(make_server, database, tmp_path):
    """By limit_time_real; the job has long been failed."""
    server = make_server(
        workers=2, channels="root:2", options={"limit_time_real": "12"}
    )
    server.wait_runner()
    server.expect_log("its session is ended", "ends without its worker")
    server.expect_log("timeout after 12", "connection of lease", "nothing in flight")
    uuid = server.client().delay(
        "write_and_spin", str(tmp_path / "journal"), TEN_MINUTES, timeout=2
    )
    database.wait_state(uuid, "started")
    pid = database.job(uuid, "worker_pid")
    assert database.wait_state(uuid, "failed", seconds=SECONDS) == "failed"
    assert pid in server.http_pids()  # still at it
    wait_for(lambda: pid not in server.http_pids(), "the worker gone", seconds=40)
    wait_for(lambda: len(server.http_pids()) == 2, "another worker")
    _assert_no_trace(server, database)


def test_a_job_that_would_exceed_the_limit_of_the_server(make_server, database):
    """It has no timeout of its own: it fails before its worker would be killed."""
    server = make_server(
        workers=2, channels="root:2", options={"limit_time_real": "10"}
    )
    server.wait_runner()
    server.expect_log("its session is ended", "ends without its worker")
    server.expect_log("timeout after 10", "connection of lease", "nothing in flight")
    server.expect_log("job .* failed")
    uuid = server.client().delay("write_and_sleep", "long", TEN_MINUTES)
    pid = database.wait(
        "SELECT worker_pid FROM queue_job WHERE uuid = %s AND state = 'started'", uuid
    )
    assert database.wait_state(uuid, "failed", "pending", seconds=20) == "failed"
    assert pid in server.http_pids()  # the runner was first
    assert "limit_time_real" in database.job(uuid, "exc_message")
    _assert_no_trace(server, database)
    server.kill()


def _assert_no_trace(server, database):
    """Nothing of it is left, and the next job runs."""
    assert database.runs() == []
    uuid = server.client().delay("record_run", "next")
    assert database.wait_state(uuid, "done", "failed") == "done"
