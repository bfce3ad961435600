# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database of the community's addon becomes one of ours by `-u queue_job`.

The published packages are fetched and used as a black box, their own server included:
it leaves done, failed and retried jobs, a script leaves jobs of all other kinds. After
the update every column has its value, and the jobs that waited run.
"""

import subprocess
from pathlib import Path

import pytest

from benchmarks.settings import Paths, bench_dir
from benchmarks.sides import reference_addons
from tests.harness.fixtures import database_maker, server_maker
from tests.harness.odoo import ADDONS, Odoo

MODEL = "contract.probe"
ENQUEUE = """
from datetime import datetime, timedelta
from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import identity_exact

user = env.ref("base.user_admin")
probe = env["contract.probe"].with_user(user).create({"name": ""})
other = env["contract.probe"].with_user(user).create({"name": ""})

probe.with_delay(description="plain", priority=5, max_retries=3).my_method("a", k=2)
probe.with_context(lang="en_US", contract_key=1).with_delay(
    description="arguments"
).my_method([1, {"x": probe}], k=datetime(2026, 1, 2, 3, 4, 5))
probe.with_delay(description="later", eta=30 * 24 * 3600).my_method("later")
past = datetime.now() - timedelta(hours=1)
probe.with_delay(description="due", eta=past).my_method("due")
keyed = probe.with_delay(description="keyed", identity_key=identity_exact, eta=3600)
keyed.show_context()
probe.with_delay(description="named key", identity_key="a name").my_method("key")
probe.with_delay(description="other channel", channel="root.elsewhere").my_method("c")
chain(
    group(*(other.delayable(description="member").rename(c) for c in "ab")),
    other.delayable(description="after").rename("c"),
    other.delayable(description="last").rename("d"),
).delay()
parent = probe.delayable(description="failed parent").fail()
child = probe.delayable(description="waits for a failure").my_method("no")
parent.on_done(child).delay()
env.flush_all()
env["queue.job"].search([("name", "=", "failed parent")]).write({"state": "failed"})
probe.with_delay(description="cancelled").my_method("no")
env["queue.job"].search([("name", "=", "cancelled")]).button_cancelled()
for state in ("started", "enqueued"):
    job = probe.with_delay(description=f"left {state}").my_method(state)
    env.flush_all()
    env.cr.execute(
        "UPDATE queue_job SET state = %s, date_enqueued = now() AT TIME ZONE 'UTC',"
        " date_started = now() AT TIME ZONE 'UTC' WHERE uuid = %s", [state, job.uuid]
    )
answer = probe.id, other.id
"""
ROWS = "SELECT uuid, to_jsonb(queue_job) FROM queue_job"
BY_NAME = """
SELECT name, string_agg(DISTINCT state, ' ' ORDER BY state) FROM queue_job GROUP BY 1
"""
AFTERWARDS = {
    "plain": "done",
    "arguments": "done",
    "later": "pending",
    "due": "done",
    "keyed": "pending",
    "named key": "done",
    "other channel": "done",
    "member": "done",
    "after": "done",
    "last": "done",
    "failed parent": "failed",
    "waits for a failure": "wait_dependencies",
    "cancelled": "cancelled",
    "left started": "done",
    "left enqueued": "done",
    "ran": "done",
    "ran again": "done",
    "did fail": "failed",
}


@pytest.fixture(scope="module")
def community(stack) -> Path:
    """The directory of the published addon."""
    bench_dir().mkdir(parents=True, exist_ok=True)
    try:
        return reference_addons(bench_dir(), Paths.find())
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"the published addon cannot be fetched: {error}")


@pytest.fixture(scope="module")
def addons_path(community) -> str:
    return ",".join([*Paths.find().odoo_addons, str(community), str(ADDONS)])


@pytest.fixture(scope="module")
def database(stack):
    with database_maker(stack) as make:
        yield make(stack.templates.base())


@pytest.fixture(scope="module")
def old_rows(stack, database, addons_path, tmp_path_factory) -> dict:
    """What the community's addon has left: {uuid: columns}."""
    directory = tmp_path_factory.mktemp("community")
    odoo = Odoo(stack, database.name, directory)
    odoo.addons_path = addons_path
    anything = [".*"]  # its log is not ours to judge
    odoo.run("-i", "contract_probe", expected=anything)
    options = {"addons_path": addons_path}
    with server_maker(stack, directory, database) as make:
        server = make(channels="root:2", options=options)
        server.expect_log(*anything)
        server.wait_log("queue job runner ready for db", seconds=40)
        _run_some(server.client(), database)
        server.stop()
    odoo.shell(ENQUEUE, expected=anything)
    return dict(database.rows(ROWS))


def _run_some(client, database):
    (record,) = client.call(MODEL, "create", [{"name": ""}])
    for method, arguments, name in (
        ("my_method", ["x"], "ran"),
        ("flaky", [2], "ran again"),
        ("fail", [], "did fail"),
    ):
        options = {"description": name}
        call = (MODEL, "delay_job", [record], method, arguments, {}, options)
        database.wait_state(client.call(*call), "done", "failed", seconds=90)


@pytest.fixture(scope="module")
def upgraded(stack, database, old_rows, tmp_path_factory) -> Odoo:
    odoo = Odoo(stack, database.name, tmp_path_factory.mktemp("ours"))
    odoo.run("-u", "queue_job")
    return odoo


@pytest.fixture(scope="module")
def server(stack, database, upgraded, tmp_path_factory):
    directory = tmp_path_factory.mktemp("server")
    with server_maker(stack, directory, database) as make:
        server = make(channels="root:2", options={"addons_path": upgraded.addons_path})
        server.expect_log("dead", "enqueued")  # of the two that were left
        server.expect_log('UPDATE "contract_probe"')  # by two members of the group
        server.wait_runner()
        yield server


def test_all_kinds_were_there(old_rows):
    names = {row["name"] for row in old_rows.values()}
    assert names == set(AFTERWARDS)


def test_nothing_is_lost(old_rows, upgraded, database):
    new_rows = dict(database.rows(ROWS))
    assert new_rows.keys() == old_rows.keys()
    for uuid, old in old_rows.items():
        new = new_rows[uuid]
        changed = {
            column: (value, new.get(column))
            for column, value in old.items()
            if new.get(column) != value
        }
        assert not changed, f"{old['name']}: {changed}"


def test_the_waiting_jobs_run(server, database):
    database.wait(
        "SELECT count(*) = 0 FROM queue_job WHERE state IN ('enqueued', 'started')"
        " OR (state = 'pending' AND (eta IS NULL OR eta < now() AT TIME ZONE 'UTC'))"
        " OR name IN ('after', 'last') AND state <> 'done'",
        what="all done",
    )
    assert dict(database.rows(BY_NAME)) == AFTERWARDS


def test_the_graph_kept_its_order(server, database):
    names = database.column("SELECT name FROM contract_probe WHERE name ~ 'cd$'")
    assert names in (["abcd"], ["bacd"])


def test_keys_are_still_held(server, database):
    """A second job with the key of a waiting one is not created."""
    client = server.client()
    records = database.value(
        "SELECT records #>> '{}' FROM queue_job WHERE name = 'keyed'"
    )
    (uuid,) = database.column("SELECT uuid FROM queue_job WHERE name = 'keyed'")
    record = int(records.partition('"ids": [')[2].partition("]")[0])
    assert client.call(MODEL, "delay_same", [record]) == [uuid, uuid]


def test_a_failed_parent_that_is_set_done_releases_its_child(server, database):
    client = server.client()
    names = ["failed parent", "waits for a failure"]
    ids = client.call("queue.job", "search", [("name", "in", names)])
    jobs = client.call("queue.job", "read", ids, ["name", "dependency_graph"])
    assert {len(job["dependency_graph"]["nodes"]) for job in jobs} == {2}
    client.call("queue.job", "button_done", _ids(client, names[0]))
    (child,) = database.column("SELECT uuid FROM queue_job WHERE name = %s", names[1])
    assert database.wait_state(child, "done", "failed") == "done"


def test_a_failed_job_is_requeued(server, database):
    server.expect_log("As it was told")
    client = server.client()
    client.call("queue.job", "requeue", _ids(client, "did fail"))
    (uuid,) = database.column("SELECT uuid FROM queue_job WHERE name = 'did fail'")
    database.wait_state(uuid, "failed")
    assert database.job(uuid, "exc_message") == "As it was told"


def _ids(client, name):
    return client.call("queue.job", "search", [("name", "=", name)])
