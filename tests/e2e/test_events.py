# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server-wide module (`tests/addons/job_events`) hears of each change of a job, in
the process where it happens."""

import json
from collections import defaultdict

import pytest

from tests.harness.odoo import ADDONS
from tests.harness.waiting import wait_for


class Events:
    """What the listener has written down."""

    def __init__(self, path):
        self.path = path

    def of(self, uuid):
        return self._by_uuid()[uuid]

    def names(self, uuid):
        return [event["name"] for event in self.of(uuid)]

    def wait(self, uuid, *names):
        wait_for(
            lambda: self.names(uuid), " ".join(names), until=lambda s: s == [*names]
        )
        return self.of(uuid)

    def _by_uuid(self):
        found = defaultdict(list)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        for event in map(json.loads, lines):
            found[event["uuid"]].append(event)
        return found


@pytest.fixture
def events(log_directory):
    return Events(log_directory / "events.jsonl")


@pytest.fixture
def server(make_server, stack, events):
    server = make_server(
        3,
        channels="root:2",
        load="base,web,queue_job,job_events",
        options={"addons_path": f"{stack.source.addons_path},{ADDONS}"},
        env={"JOB_EVENTS": str(events.path)},
    )
    server.wait_runner()
    return server


def test_each_change_is_told(server, database, events):
    server.expect_log("The probe bad fails")
    client = server.client()
    good = client.delay("record_run", "good")
    (_enqueued, _started, done) = events.wait(good, "enqueued", "started", "done")
    assert (done["database"], done["attempt"], done["channel"]) == (
        (database.name, 1, "root")
    )
    assert done["function"] == "<test.queue.job.probe>.record_run"
    bad = client.delay("write_and_fail", "bad")
    *_before, failed = events.wait(bad, "enqueued", "started", "failed")
    assert "The probe bad fails" in failed["message"]
    again = client.delay("fail_until_attempt", 2, "again", 1)
    told = events.wait(again, "enqueued", "started", "retried", "started", "done")
    assert [event["attempt"] for event in told] == [0, 1, 1, 2, 2]
    late = client.delay("record_run", "late", eta=3600)
    client.call("queue.job", "cancel", [database.job(late, "id")])
    events.wait(late, "enqueued", "cancelled")
    client.call("queue.job", "requeue", [database.job(late, "id")])
    events.wait(late, "enqueued", "cancelled", "enqueued")
    server.wait_log(f"job {late}: requeued by user")


def test_a_death_is_told_by_the_runner(server, database, events):
    server.expect_log("re-queued dead job", "the connection of lease")
    uuid = server.client().delay("record_run", "slow", 2)
    events.wait(uuid, "enqueued", "started")
    server.kill_pid(database.wait("SELECT worker_pid FROM queue_job WHERE id > 0"))
    names = ("enqueued", "started", "dead", "retried", "started", "done")
    told = events.wait(uuid, *names)
    assert told[2]["pid"] == server.runner_pid()
    assert "died while it ran the job" in told[2]["message"]


def test_a_job_without_its_code_has_failed(server, database, events):
    server.expect_log("failed: The job can't be loaded")
    client = server.client()
    uuid = client.delay("record_run", "lost", eta=3600)
    database.rows(
        "UPDATE queue_job SET method_name = 'is_gone', eta = NULL, scheduled = FALSE"
        " WHERE uuid = %s",
        uuid,
    )
    *_before, failed = events.wait(uuid, "enqueued", "failed")
    assert "can't be loaded" in failed["message"]
