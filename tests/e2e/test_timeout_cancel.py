# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job of ten minutes is ended: by its time limit, and by a user on another server.

Its worker sits in Python and hears nothing. PostgreSQL ends its session, and with it
all it wrote; another worker writes down the end.
"""

import pytest

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
    server.expect_log("connection of lease")
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


def _assert_no_trace(server, database):
    """Nothing of it is left, and the next job runs."""
    assert database.runs() == []
    uuid = server.client().delay("record_run", "next")
    assert database.wait_state(uuid, "done", "failed") == "done"
