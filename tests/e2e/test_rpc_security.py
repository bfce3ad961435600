# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What users try over RPC: nobody creates a job or changes what it does."""

import json
import secrets

import pytest

from setup.console import SetupError

MANAGER = "group_queue_job_manager"
JOB = "queue.job"
REFUSAL = (
    r"(?i)not allowed|no related action|only administrators|private|remotely|access"
)
NEW = {
    "uuid": "forged",
    "state": "pending",
    "model_name": "res.users",
    "method_name": "unlink",
}
#: What says which call a job makes, and as whom.
CALL = {
    "uuid": "forged",
    "name": "forged",
    "model_name": "res.users",
    "method_name": "unlink",
    "func_string": "forged",
    "channel_method_name": "<res.users>.unlink",
    "date_created": "2020-01-01 00:00:00",
    "records": {"_type": "odoo_recordset", "model": "res.users", "ids": [1], "uid": 1},
    "args": ["forged"],
    "kwargs": {"forged": True},
    "user_id": 1,
}
#: How the queue knows to whom a job belongs, and what the client of its user opens.
ENGINE = {
    "claim_token": 0,
    "lease_id": 1,
    "identity_slot": "forged",
    "options": {"skip_if_missing": True},
    "result_json": '{"type": "ir.actions.act_url", "url": "https://example.com"}',
}
#: Attempts to look like the queue itself.
CONTEXTS = ({}, {"_job_edit_sentinel": True}, {"_job_edit_sentinel": "EDIT_SENTINEL"})
#: Tables that are written by the queue alone.
OTHERS = (
    "attempt",
    "dependency",
    "lock",
    "progress",
    "runner",
    "signal",
    "statistic",
)


@pytest.fixture
def server(make_server):
    """Without a runner: what is there stays as it is."""
    server = make_server(channels="root:0")
    server.expect_log("odoo.http", "never delayed")  # what it says about refused calls
    return server


@pytest.fixture
def job(server, database):
    """A job of the administrator; untouched at the end, and no other beside it."""
    uuid = server.client().delay("record_run", "mine")
    before = database.rows("SELECT * FROM queue_job")
    yield database.job(uuid, "id")
    assert database.rows("SELECT * FROM queue_job") == before


def _user(server, *groups):
    """A new employee of these groups, logged in."""
    login = f"user-{secrets.token_hex(4)}"
    admin = server.client()
    values = {"name": login, "login": login, "password": login}
    (user_id,) = admin.call("res.users", "create", [values])
    for group in groups:
        domain = [("model", "=", "res.groups"), ("name", "=", group)]
        (row,) = admin.call("ir.model.data", "search_read", domain, ["res_id"])
        add = {"user_ids": [(4, user_id)]}
        admin.call("res.groups", "write", [row["res_id"]], add)
    return server.client(login, login)


def _refused(client, *call, **options):
    with pytest.raises(SetupError, match=REFUSAL):
        client.call(*call, **options)


@pytest.mark.parametrize("groups", [(), (MANAGER,)], ids=["employee", "manager"])
def test_nobody_forges_a_job(server, job, groups):
    client = _user(server, *groups)
    for context in CONTEXTS:
        _create(client, job, context)
        for name, value in {**CALL, **ENGINE}.items():
            options = {"context": context}
            _refused(client, JOB, "write", [job], {name: value}, **options)
            _refused(client, JOB, "web_save", [job], {name: value}, {}, **options)
    for name in OTHERS:
        _refused(client, f"{JOB}.{name}", "create", [{}])
        _refused(client, f"{JOB}.{name}", "unlink", [1])


def _create(client, job, context):
    _refused(client, JOB, "create", [NEW], context=context)
    _refused(client, JOB, "copy", [job], context=context)
    _refused(client, JOB, "name_create", "forged", context=context)
    _refused(client, JOB, "web_save", [], NEW, {}, context=context)
    for method in ("_create", "_test_job", "requeue_stuck_jobs"):
        _refused(client, JOB, method, [NEW], context=context)
    try:  # this one answers with messages instead of an error
        rows = [list(map(str, NEW.values()))]
        answer = client.call(JOB, "load", list(NEW), rows, context=context)
    except SetupError:
        return
    assert not answer["ids"] and answer["messages"]


def test_a_related_action_is_no_way_to_call_anything(server, database, job):
    """Nor is what a manager has named before, with an earlier version."""
    client = _user(server, MANAGER)
    action = {"func_name": "write", "kwargs": {"vals": {"user_id": 1}}}
    function = {"name": "<test.queue.job.probe>.record_run"}
    (function_id,) = client.call(f"{JOB}.function", "create", [function])
    for values in ({"related_action": action}, {"edit_related_action": str(action)}):
        _refused(client, f"{JOB}.function", "write", [function_id], values)
    _refused(
        client, f"{JOB}.function", "write", [function_id], {"on_fail_method": "unlink"}
    )
    database.rows(
        "UPDATE queue_job_function SET related_action = %s WHERE id = %s RETURNING id",
        json.dumps(action),
        function_id,
    )
    _refused(client, JOB, "open_related_action", [job])


def test_an_employee_sees_nothing(server, database, job):
    client = _user(server)
    for method in ("read", "requeue", "button_done", "button_cancelled", "cancel"):
        _refused(client, JOB, method, [job])
    _refused(client, JOB, "search_read", [])
    _refused(client, f"{JOB}.function", "search_read", [])
    uuid = database.value("SELECT uuid FROM queue_job WHERE id = %s", job)
    assert client.call(JOB, "wait_state", uuid)["state"] == "unknown"
    for method, args in (
        ("get_function_statistics", [["<test.queue.job.probe>.record_run"]]),
        ("get_channel_loads", []),
    ):
        _refused(client, f"{JOB}.dashboard", method, *args)
    _refused(client, f"{JOB}.function", "job_config", "<res.users>.read")


def test_a_delayed_call_does_not_travel(server, job):
    """What `with_delay` returns is a thing of its process: nothing is called on it."""
    client = _user(server)
    for method in ("with_delay", "delayable"):
        _refused(client, "res.users", method, [client.uid])
