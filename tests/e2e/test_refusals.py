# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases that are refused or answered with errors: named, and tried again with what may
have changed."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from setup.postgres import free_port
from tests.harness.jobs import insert

SECRET = "UPDATE ir_config_parameter SET value = %s WHERE key = 'database.secret'"
NOTE = "SELECT note FROM queue_job_runner WHERE leader"
COMPLAINT = "no worker takes the leases"


class _Answer(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Location", "https://elsewhere/")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def elsewhere():
    """Something that answers requests as the test tells it to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


ANSWERS = [
    (403, b"<h1>Forbidden</h1>", "refused", "answered 403"),
    (403, b'{"refused": "it is 400 seconds old"}', "refused", "it is 400 seconds old"),
    (404, b"", "missing", "answered 404"),
    (401, b"", "password", "answered 401"),
    (301, b"", "redirected", "https://elsewhere/"),
    (500, b"", "error", "answered 500"),
    (200, b"<html>", "error", "no report"),
    (200, b"[]", "error", "no report"),
]


def test_the_cause_is_named(make_server, database, elsewhere):
    """By the log, the runner's row, and whoever asks what is wrong."""
    server = make_server(
        channels="root:1", sections={"queue_job": {"port": str(elsewhere.server_port)}}
    )
    server.expect_log(COMPLAINT)
    server.wait_runner()
    client = server.client()
    client.delay("record_run", "nobody takes it")
    for status, body, code, reason in ANSWERS:
        _Answer.status, _Answer.body = status, body
        note = database.wait(
            NOTE, until=lambda n, r=reason: r in (n or ""), what=reason, seconds=30
        )
        assert note.startswith(f"{code}: http://")
        problems = client.call("queue.job.dashboard", "get_problems")
        (problem,) = [each for each in problems if each["code"] == code]
        assert reason in problem["text"]
        assert problem["level"] == "danger"
        server.wait_log(f"{COMPLAINT}.*{code}|{COMPLAINT}: http.*; check")


def test_nobody_listens(make_server, database):
    server = make_server(
        channels="root:1", sections={"queue_job": {"port": str(free_port())}}
    )
    server.expect_log(COMPLAINT)
    server.wait_runner()
    server.client().delay("record_run", "nobody takes it")
    database.wait(NOTE, until=lambda note: "unreachable: " in (note or ""), seconds=30)
    server.wait_log(f"{COMPLAINT}.*refused.*check host and port")


def test_tls_where_there_is_none(make_server, database, elsewhere):
    """Nothing was sent: no lease broke, and none is looked after."""
    section = {"scheme": "https", "port": str(elsewhere.server_port)}
    server = make_server(channels="root:1", sections={"queue_job": section})
    server.expect_log(COMPLAINT)
    server.wait_runner()
    server.client().delay("record_run", "nobody takes it")
    database.wait(NOTE, until=lambda note: "unreachable: " in (note or ""), seconds=30)
    assert "the connection of lease" not in server.text()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_secret_changes(make_server, database, workers):
    """Under running servers, by Odoo, and by SQL, of which no cache hears; the jobs go
    on."""
    server = make_server(workers, channels="root:2")
    server.expect_log("refused a lease request", COMPLAINT)
    server.wait_runner()
    client = server.client()
    database.wait_state(client.delay("record_run", "before"), "done")
    call = "ir.config_parameter", "set_param", "database.secret", "another secret"
    client.call(*call)
    (uuid,) = insert(database, 1)  # the session of the client has ended
    assert database.wait_state(uuid, "done", seconds=10) == "done"
    database.rows(SECRET, "one more secret of the database")
    (uuid,) = insert(database, 1)
    assert database.wait_state(uuid, "done", seconds=10) == "done"
    assert database.value(NOTE) is None


def test_the_secret_is_gone(make_server, database):
    """Nobody can sign, and nobody can forge; a new one ends that."""
    database.rows("DELETE FROM ir_config_parameter WHERE key = 'database.secret'")
    server = make_server(channels="root:1")
    server.expect_log("database.secret is missing")
    server.wait_log("database.secret is missing")
    (uuid,) = insert(database, 1)
    database.wait(NOTE, until=lambda note: note == "secret", seconds=30)
    assert database.job(uuid, "state") == "pending"
    database.rows(
        "INSERT INTO ir_config_parameter (key, value) VALUES ('database.secret', 'new')"
    )
    assert database.wait_state(uuid, "done", seconds=30) == "done"
    assert "refused a lease" not in server.text()
