# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who may have jobs run: only the runner of the database, and each claim once."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests

from queue_job.claim import claims
from queue_job.claim import lease as protocol

REFUSED = "refused a lease request"
RUNNER = "the test"


@pytest.fixture
def server(make_server):
    """Without a runner, so that the test can play it."""
    return make_server(workers=0, channels="root:0")


@pytest.fixture
def key(database):
    secret = "SELECT value FROM ir_config_parameter WHERE key = 'database.secret'"
    return protocol.derive_key(database.value(secret))


@pytest.fixture
def lease(server, database):
    """The lease of a job that was claimed."""
    uuid = server.client().delay("record_run", "mine")
    job_id = database.job(uuid, "id")
    database.rows(
        "INSERT INTO queue_job_runner (uuid, leader) VALUES (%s, TRUE)", RUNNER
    )
    return protocol.Lease(
        77,
        database.name,
        job_id,
        _claim(database, job_id, 77),
        "root",
        starts=1,
        issued=time.time(),
    )


def _claim(database, job_id: int, lease_id: int) -> int:
    """The token of a claim as the runner makes it."""
    values = {"ids": [job_id], "leases": [lease_id], "runner": RUNNER}
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(claims.CLAIM, values)
        return cursor.fetchone()[1]


def send(server, body: bytes, signature: str | None) -> requests.Response:
    headers = {"X-Odoo-Database": server.database}
    if signature is not None:
        headers[protocol.SIGNATURE_HEADER] = signature
    return requests.post(
        server.url + protocol.PATH, data=body, headers=headers, timeout=30
    )


CASES = {
    "unsigned": lambda key, lease: (lease.encode(), None),
    "guessed": lambda key, lease: (lease.encode(), "0" * 64),
    "of another key": lambda key, lease: (
        lease.encode(),
        protocol.sign(protocol.derive_key("guess"), lease.encode()),
    ),
    "changed after signing": lambda key, lease: (
        replace(lease, starts=0).encode(),
        protocol.sign(key, lease.encode()),
    ),
    "stale": lambda key, lease: _signed(key, replace(lease, issued=lease.issued - 301)),
    "of another database": lambda key, lease: _signed(
        key, replace(lease, database="other")
    ),
    "malformed": lambda key, lease: (b"{}", protocol.sign(key, b"{}")),
}


def _signed(key, lease):
    return lease.encode(), protocol.sign(key, lease.encode())


def test_only_the_runner_has_jobs_run(server, database, key, lease):
    """Each wrong request is refused with one line; the right one works, once."""
    server.expect_log(REFUSED)
    for number, (case, request) in enumerate(CASES.items(), start=1):
        answer = send(server, *request(key, lease))
        assert answer.status_code == 403, case
        server.wait_log(REFUSED, times=number)
        assert server.text().count(REFUSED) == number, case
        assert database.job(_uuid(database, lease), "state") == "enqueued", case
    answer = send(server, *_signed(key, lease))
    assert answer.status_code == 200
    assert [each["state"] for each in json.loads(answer.text)["outcomes"]] == ["done"]
    assert send(server, *_signed(key, lease)).status_code == 403  # a replay
    assert [tag for tag, *_ in database.runs()] == ["mine"]


class TestCaptured:
    """A valid request in the wrong hands. At best it starts the one job for which it
    was signed, once."""

    def test_sent_many_times_at_once(self, server, database, key, lease):
        server.expect_log(REFUSED)
        request = _signed(key, lease)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _n: send(server, *request), range(8)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200] + [403] * 7
        assert [tag for tag, *_ in database.runs()] == ["mine"]
        assert database.job(_uuid(database, lease), "state", "retry") == ("done", 1)

    def test_its_claim_was_never_used(self, server, database, key, lease):
        """The original was lost on its way: this one starts the job instead, and takes
        no other one of the channel, whatever the lease allowed: a runner that misses
        the answer of a lease begins a new term."""
        others = server.client().delay_many(5, "record_run", "other")
        database.rows(
            "UPDATE queue_job_runner SET uuid = 'next' WHERE uuid = %s", RUNNER
        )
        more = {"seconds": 5.0, "longest": 5.0, "runner": RUNNER}
        lease = replace(lease, starts=0, **more)
        answer = send(server, *_signed(key, lease))
        assert [each["state"] for each in answer.json()["outcomes"]] == ["done"]
        assert database.states(others) == {"pending": 5}
        server.expect_log(REFUSED)
        assert send(server, *_signed(key, lease)).status_code == 403
        assert [tag for tag, *_ in database.runs()] == ["mine"]

    def test_its_claim_was_returned(self, server, database, key, lease):
        """The runner has taken the job back, then given it to somebody else."""
        database.rows(claims.RETURN_UNSTARTED.replace("%(leases)s", "'{77}'"))
        assert send(server, *_signed(key, lease)).json()["outcomes"] == []
        uuid = _uuid(database, lease)
        assert database.job(uuid, "state") == "pending"
        assert _claim(database, lease.job_id, 78) == lease.claim_token + 1
        assert send(server, *_signed(key, lease)).json()["outcomes"] == []
        assert database.job(uuid, "state", "lease_id") == ("enqueued", 78)
        assert database.runs() == []

    def test_after_a_requeue(self, server, database, key, lease):
        """The job that ran and was requeued is another claim."""
        assert send(server, *_signed(key, lease)).status_code == 200
        server.client().call("queue.job", "requeue", [lease.job_id])
        for kind in (protocol.RUN, protocol.FINALIZE):
            again = replace(lease, kind=kind, cause="dead")
            server.expect_log(REFUSED)
            assert send(server, *_signed(key, again)).status_code in (200, 403)
        assert database.job(_uuid(database, lease), "state") == "pending"
        assert [tag for tag, *_ in database.runs()] == ["mine"]


def test_nobody_else_has_the_page(server):
    assert requests.get(server.url + protocol.PATH, timeout=30).status_code == 405


def _uuid(database, lease):
    return database.value("SELECT uuid FROM queue_job WHERE id = %s", lease.job_id)
