# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Anybody on the network at each door of the queue: refused, and never a traceback.

The table holds on a server that shows the database to the host of the request, and on
one whose ``dbfilter`` hides it.
"""

import json
import re
import time
from dataclasses import asdict

import pytest
import requests

from queue_job.claim import lease as protocol
from tests.harness.fixtures import database_maker, make_log_directory, server_maker

TOKEN = "tökén-漢"
LEASE, RUNJOB = protocol.PATH, protocol.CLASSIC_PATH
METRICS, HEALTH = "/queue_job/metrics", "/queue_job/health"
SAMPLE = "/queue_job/create_test_job"

#: What a signature or a token may be; header values are bytes.
ODD = {
    "not ASCII": "ü".encode(),
    "Latin-1": b"\xfc",
    "no encoding": b"\xff\xfe" * 32,
    "as long": b"0" * 64,
    "not ASCII, as long": b"0" * 62 + "é".encode(),
    "long": b"x" * 30_000,
    "empty": b"",
}

BODIES = {
    "none": b"",
    "no JSON": b"\xff\0",
    "deep": b"[" * 100_000,
    "large": b"x" * 3_000_000,
}
FORMS = {
    "form": ("application/x-www-form-urlencoded", b"a=%ff&a=%00&job_uuid=x"),
    "broken form": ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
    "no boundary": ("multipart/form-data", b"--x\r\n"),
    "JSON": ("application/json", b'{"params": 7}'),
    "no type at all": ("ü/\xff".encode(), b"x"),
}
FILE = (
    b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\nx\r\n--x--'
)
UUIDS = {
    "NUL": "%00",
    "NUL inside": "a%00b",
    "no UTF-8": "%ff%fe",
    "surrogate": "%ed%b3%bf",
    "line end": "a%0aERROR forged",
    "long": "9" * 5000,
    "quote": "%27%3B--",
    "empty": "",
}


def cases():
    """(what, method, path, headers, body, statuses)."""
    for name, value in ODD.items():
        signed = {protocol.SIGNATURE_HEADER: value}
        yield f"signature: {name}", "POST", LEASE, signed, b"{}", {403}
        bearer = {"Authorization": b"Bearer " + value}
        for path in (METRICS, HEALTH):
            yield f"token: {name}", "GET", path, bearer, None, {403}
    for name, body in BODIES.items():
        signed = {protocol.SIGNATURE_HEADER: "0" * 64}
        yield f"body: {name}", "POST", LEASE, signed, body, {403}
        yield f"unsigned body: {name}", "POST", LEASE, {}, body, {403}
    for name, (kind, body) in FORMS.items():
        typed = {"Content-Type": kind, protocol.SIGNATURE_HEADER: "0" * 64}
        yield f"content: {name}", "POST", LEASE, typed, body, {403}
        yield f"content: {name}", "POST", RUNJOB, typed, body, {303, 400}
    too_large = {"Content-Length": str(protocol.MAX_BODY + 1)}
    yield "too large", "POST", LEASE, too_large, b"x" * (protocol.MAX_BODY + 1), {413}
    yield from odd_parameters()
    for path, allowed in ((LEASE, {405}), (METRICS, {405}), (HEALTH, {405})):
        method = "GET" if path == LEASE else "POST"
        yield "method", method, path, {}, None, allowed
    yield "anonymous", "GET", f"{SAMPLE}?size=x&priority=%00", {}, None, {303, 404}


def odd_parameters():
    for name, uuid in UUIDS.items():
        statuses = {200} if name in ("quote", "no UTF-8", "surrogate") else {400}
        yield f"uuid: {name}", "GET", f"{RUNJOB}?job_uuid={uuid}", {}, None, statuses
        for path in (METRICS, HEALTH):
            yield f"token: {name}", "GET", f"{path}?token={uuid}", {}, None, {403}
    yield "no uuid", "GET", RUNJOB, {}, None, {400}
    yield "unknown uuid", "GET", f"{RUNJOB}?job_uuid=x&db=x&more=1", {}, None, {200}
    yield "unknown parameters", "POST", f"{LEASE}?a=1&db=%00", {}, b"", {403}
    for path, name in ((METRICS, b"token"), (HEALTH, b"token"), (RUNJOB, b"job_uuid")):
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        yield "a file", "GET", path, kind, FILE % name, {403, 400}


@pytest.fixture(scope="module", params=["shown", "hidden"])
def server(request, stack):
    """Without a runner; its database has a token."""
    directory = make_log_directory(f"test_doors-{request.param}")
    with database_maker(stack) as make_database:
        database = make_database()
        database.rows(
            "INSERT INTO ir_config_parameter (key, value)"
            " VALUES ('queue_job.metrics_token', %s)",
            TOKEN,
        )
        options = {"dbfilter": "^%d$"} if request.param == "hidden" else {}
        with server_maker(stack, directory, database) as make_server:
            server = make_server(channels="root:0", options=options)
            server.expect_log("refused a lease request", "was requested to run job")
            server.expect_log("No CSRF validation token")
            yield server


def send(server, method, path, headers, body, database=None):
    return requests.request(
        method,
        server.url + path,
        headers={"X-Odoo-Database": database or server.database, **headers},
        data=body,
        timeout=30,
        allow_redirects=False,
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "statuses"),
    [pytest.param(*rest, id=f"{rest[1][11:40]} {what}") for what, *rest in cases()],
)
def test_no_traceback_for_anybody(server, method, path, headers, body, statuses):
    before = len(server.text())
    answer = send(server, method, path, headers, body)
    assert answer.status_code in statuses
    logged = server.text()[before:]
    assert "Traceback" not in logged
    assert not re.search("^(ERROR forged|.* (ERROR|CRITICAL) )", logged, re.MULTILINE)


UNKNOWN = "there_is_no_such_database"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", LEASE, {protocol.SIGNATURE_HEADER: "0" * 64}),
        ("POST", LEASE, {}),
        ("GET", f"{RUNJOB}?job_uuid=unknown", {}),
        ("GET", METRICS, {}),
        ("GET", HEALTH, {"Authorization": "Bearer guess"}),
    ],
)
def test_nobody_learns_which_databases_there_are(server, method, path, headers):
    """A database that is refused, one that isn't there, one that isn't served: the
    answers are equal."""
    names = (server.database, UNKNOWN, "postgres", "postgres://localhost/x", "ü")
    answers = [
        send(server, method, path, headers, b"", name.encode()) for name in names
    ]
    assert {(each.status_code, each.text) for each in answers} == {
        (answers[0].status_code, answers[0].text)
    }
    assert {tuple(sorted(each.headers)) for each in answers} == {
        tuple(sorted(answers[0].headers))
    }


def test_who_is_signed_hears_why(server):
    """The runner's clock, say, and not that of others."""
    secret = "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
    key = protocol.derive_key(server.db.value(secret))
    lease = protocol.Lease(1, server.database, 1, 1, "root", issued=time.time() - 400)
    for values, reason in (
        ({}, "400 seconds old"),
        ({"database": "other"}, "granted for database 'other'"),
        ({"job_id": "7"}, "job_id is '7'"),
        ({"channels": ["a\0"]}, "channels is"),
        ({"kind": "dance"}, "'dance'"),
    ):
        body = json.dumps({**asdict(lease), **values}).encode()
        headers = {protocol.SIGNATURE_HEADER: protocol.sign(key, body)}
        answer = send(server, "POST", LEASE, headers, body)
        assert answer.status_code == 403
        assert reason in answer.json()[protocol.REFUSAL]


@pytest.mark.parametrize("path", [METRICS, HEALTH])
def test_the_token_opens(server, path):
    """Of any characters, in the header and as a parameter."""
    bearer = {"Authorization": b"Bearer " + TOKEN.encode()}
    answers = [
        send(server, "GET", path, bearer, None),
        requests.get(
            server.url + path,
            params={"token": TOKEN, "db": server.database},
            headers={"X-Odoo-Database": server.database},
            timeout=30,
        ),
    ]
    assert {each.status_code for each in answers} <= {200, 503}, answers[0].text
    assert "queue_job_healthy" in answers[0].text or "problems" in answers[0].json()
