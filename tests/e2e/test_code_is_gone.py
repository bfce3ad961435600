# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs whose model, method or argument an upgrade has removed.

Each fails once, with the reason; it can be read, cancelled, set done and deleted, and
what waits behind it in its channel runs.
"""

import pytest

GONE_RECORDS = (
    '{"_type": "odoo_recordset", "model": "gone.model", "ids": [1], "uid": 2,'
    ' "su": false, "context": {}}'
)
CHANGES = {
    "method": "method_name = 'gone_method'",
    "model": f"model_name = 'gone.model', records = to_jsonb('{GONE_RECORDS}'::text)",
    "argument": f"args = to_jsonb('[{GONE_RECORDS}]'::text)",
}
FIELDS = ("name", "state", "exc_message", "wait_time", "dependency_graph")
REASONS = {"method": "gone_method", "model": "gone.model", "argument": "gone.model"}
RELEASE = """
UPDATE queue_job SET eta = NULL, scheduled = FALSE, state = 'pending'
 WHERE uuid = ANY(%s)
"""


@pytest.fixture
def server(make_server, database):
    server = make_server(channels="root:2,root.gone:1")
    server.wait_runner()
    return server


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture
def gone(client, database):
    """{what is gone: uuid} of jobs that wait for tomorrow."""
    uuids = {}
    for what, change in CHANGES.items():
        options = {"eta": 24 * 3600, "channel": "root.gone"}
        uuids[what] = client.delay("record_run", what, **options)
        database.rows(f"UPDATE queue_job SET {change} WHERE uuid = %s", uuids[what])
    return uuids


def test_they_fail_once_and_block_nobody(server, client, database, gone):
    server.expect_log("gone")
    behind = client.delay("record_run", "behind", eta=24 * 3600, channel="root.gone")
    database.rows(RELEASE, [*gone.values(), behind])
    assert database.wait_state(behind, "done", "failed") == "done"
    for what, uuid in gone.items():
        state, message, retry, job = database.job(
            uuid, "state", "exc_message", "retry", "id"
        )
        assert state == "failed"
        assert REASONS[what] in message
        assert retry <= 1
        assert _failure_messages(database, job) == 1
    server_errors = [r for r in server.records() if r.level == "ERROR"]
    assert len(server_errors) <= len(gone), "each one is told once"
    _use(client, database, gone)


def test_they_are_handled_before_they_run(client, database, gone):
    _use(client, database, gone)


def _failure_messages(database, job):
    return database.value(
        "SELECT count(*) FROM mail_message WHERE model = 'queue.job' AND res_id = %s"
        " AND body LIKE '%%Something bad happened%%'",
        job,
    )


def _use(client, database, gone):
    """Read all of them, cancel one, set one done, and delete them."""
    ids = client.call("queue.job", "search", [("uuid", "in", list(gone.values()))])
    fields = {name: {} for name in FIELDS}
    assert len(client.call("queue.job", "web_read", ids, fields)) == 3
    client.call("queue.job", "button_cancelled", ids[:2])
    client.call("queue.job", "button_done", ids[2:])
    assert database.states(list(gone.values())) == {"cancelled": 2, "done": 1}
    client.call("queue.job", "action_delete_final", ids)
    assert database.states(list(gone.values())) == {}
