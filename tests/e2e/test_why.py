# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a job waits: each cause is brought about, explained, and cured by its button.

One server for all, with two workers, one thread and three databases: that of the tests,
another one that takes slots, and a copy of somebody's. Two servers have a test of their
own, an update and a drain tests of theirs (`test_update`, `test_drain`).
"""

import json
import signal
from types import SimpleNamespace

import pytest

from setup import pages
from tests.harness.fixtures import database_maker, make_log_directory, server_maker
from tests.harness.odoo import Odoo
from tests.harness.rpc import PROBE, Client
from tests.harness.waiting import wait_for

CHANNELS = "shared:1,fixed:1:paused"
SETTINGS = {"workers": "2", "threads": "1"}
LATER = {"eta": 3600}
JOB, CHANNEL = "queue.job", "queue.job.channel"
JOBS = "/odoo/action-queue_job.action_queue_job"
WAIT_FOR = """uuid => {
    const params = {uuid, stages: [], timeout: 1200};
    const action = {type: "ir.actions.client", tag: "queue_job_wait", params};
    odoo.__WOWL_DEBUG__.root.env.services.action.doAction(action);
}"""

MAKE_A_COPY = """
INSERT INTO ir_config_parameter (key, value)
VALUES ('queue_job.database_uuid', 'that of the original')
"""
IS_NO_COPY = "DELETE FROM ir_config_parameter WHERE key = 'queue_job.database_uuid'"
UPDATING = "UPDATE ir_module_module SET state = %s WHERE name = 'test_queue_job'"
SILENT = "UPDATE queue_job_runner SET last_seen = last_seen - interval '1 minute'"
MEASURED = """
SELECT sum(done) FROM queue_job_statistic WHERE minute IS NULL AND channel = %s
"""
# `rewrite` fails as long as there are two of a tag
TWO_TRACES = "INSERT INTO test_queue_job_probe (tag) VALUES (%s), (%s)"
ONE_TRACE = """
DELETE FROM test_queue_job_probe
 WHERE id = (SELECT max(id) FROM test_queue_job_probe WHERE tag = %s)
"""


class World:
    """A database of a server, and a manager who looks at its jobs."""

    def __init__(self, server, db):
        self.server, self.db = server, db
        self.client = Client(server.url, db.name)
        self.call, self.delay = self.client.call, self.client.delay

    def channel(self, name, **values):
        """A new channel below root: its id, and its option for a job."""
        (root,) = self.call(CHANNEL, "search", [["name", "=", "root"]])
        values = {"name": name, "parent_id": root, **values}
        return self.call(CHANNEL, "create", values), {"channel": f"root.{name}"}

    def id(self, uuid):
        return self.db.job(uuid, "id")

    def line(self, *calls):
        """Jobs, each after the one before: their uuids."""
        return self.call(PROBE, "delay_line", calls)

    def running(self, *args, **options):
        """A job that runs now."""
        uuid = self.delay(*args, **options)
        self.db.wait_state(uuid, "started")
        return uuid

    def why(self, uuid):
        return self.call(JOB, "waiting_reason", uuid)

    def explains(self, uuid, code, *parts, record=None, remedy=False, cause=None):
        """Wait until the reason is this one; its text, link and button are right."""
        wait_for(lambda: self.why(uuid), code, until=lambda it: it.get("code") == code)
        reason = self.why(uuid)
        for part in parts:
            assert part in reason["text"], reason
        assert reason["record"] == (list(record) if record else False), reason
        fields = ["waiting_text", "waiting_remedy", "waiting_cause"]
        (row,) = self.call(JOB, "read", [self.id(uuid)], fields)
        assert (row["waiting_remedy"] or False) == remedy, row
        assert row["waiting_cause"] == cause, row
        domain = [["uuid", "=", uuid], ["waiting_cause", "=", cause]]
        assert self.call(JOB, "search_count", domain) == 1
        self._opens(uuid, record)
        return reason

    def _opens(self, uuid, record):
        """The link leads to the record."""
        action = self.call(JOB, "action_open_blocker", [self.id(uuid)])
        shown = (action["res_model"], action["res_id"]) if action else None
        assert shown == (tuple(record) if record else None)

    def cure(self, uuid, *others):
        """Press the button: the job runs, and those that it waited for."""
        assert self.call(JOB, "action_cure_waiting", [self.id(uuid)]) is True
        self.runs(uuid, *others)

    def runs(self, *uuids):
        assert self.db.wait_settled(uuids) == {"done": len(uuids)}
        assert self.why(uuids[0]) == {}

    def stop(self, *uuids):
        self.call(JOB, "button_cancelled", [self.id(uuid) for uuid in uuids])
        self.db.wait_settled(uuids)


@pytest.fixture(scope="module")
def worlds(stack):
    """The databases of one server: `own`, `other`, `copy`."""
    directory = make_log_directory("test_why")
    with database_maker(stack) as make_database:
        own, other, copy = (make_database() for _each in range(3))
        copy.rows(MAKE_A_COPY)
        with server_maker(stack, directory, own) as make_server:
            server = make_server(
                workers=2,
                channels=CHANNELS,
                options={"db_name": f"{own.name},{other.name},{copy.name}"},
                sections={"queue_job": SETTINGS},
            )
            server.expect_log("is a copy of another one", "singleton")
            server.expect_log("selfie_segmentation", "websocket", "session was ended")
            for each in (own, other):
                server.wait_log(f"queue job runner ready for db {each.name}")
            yield SimpleNamespace(
                own=World(server, own), other=World(server, other), copy=copy
            )


@pytest.fixture
def world(worlds):
    return worlds.own


@pytest.fixture
def odoo(stack, log_directory, world):
    return Odoo(stack, world.db.name, log_directory)


def test_a_date_and_the_next_attempt(world):
    job = world.delay("record_run", "later", **LATER)
    run_now = {"record": (JOB, world.id(job)), "remedy": "action_run_now"}
    world.explains(job, "date", "the date it was given", **run_now, cause="date")
    world.cure(job)
    job = world.delay("fail_until_attempt", 2, "again", 3600)
    run_now["record"] = (JOB, world.id(job))
    world.explains(
        job, "retry", 'Attempt 1 ended with "Not yet"', **run_now, cause="retry"
    )
    world.cure(job)


def test_parents(world):
    world.db.rows(TWO_TRACES, "parents", "parents")
    failed = ("rewrite", ["parents", "/dev/null", 0], {})
    child = ("record_run", ["child"], {})
    jobs = world.line(failed, child, child)
    record, remedy = (JOB, world.id(jobs[0])), "requeue"
    world.explains(
        jobs[2],
        "parent_failed",
        *(jobs[0], "2 steps", "Requeue"),
        record=record,
        remedy=remedy,
        cause="parent_failed",
    )
    world.db.rows(ONE_TRACE, "parents")
    world.cure(jobs[2], *jobs[:2])

    jobs = world.line(("record_run", ["first"], LATER), child, child)
    record, remedy = (JOB, world.id(jobs[0])), "action_run_now"
    reason = world.explains(
        jobs[2], "parent_waits", jobs[0], record=record, remedy=remedy, cause="parent"
    )
    assert reason["because"]["code"] == "date"
    world.cure(jobs[2], *jobs[:2])

    jobs = world.line(("record_run", ["first", 1.5], {}), child)
    world.db.wait_state(jobs[0], "started")
    record = (JOB, world.id(jobs[0]))
    world.explains(jobs[1], "parent_running", jobs[0], record=record, cause="parent")
    world.runs(*reversed(jobs))


def test_a_key(world):
    key = {"sequence_key": "why"}
    running = world.running("record_run", "first", 1.5, **key)
    job = world.delay("record_run", "second", **key)
    record = (JOB, world.id(running))
    world.explains(job, "key_running", running, record=record, cause="key")
    world.runs(job, running)

    first = world.delay("record_run", "first", **key, **LATER)
    job = world.delay("record_run", "second", **key)
    record, remedy = (JOB, world.id(first)), "action_run_now"
    reason = world.explains(
        job, "key_waits", first, record=record, remedy=remedy, cause="key"
    )
    assert reason["because"]["code"] == "date"
    world.cure(job, first)

    world.db.rows(TWO_TRACES, "key", "key")
    failed = world.delay("rewrite", "key", "/dev/null", 0, **key)
    job = world.delay("record_run", "second", **key)
    record, remedy = (JOB, world.id(failed)), "requeue"
    world.explains(
        job, "key_failed", failed, record=record, remedy=remedy, cause="key_failed"
    )
    world.db.rows(ONE_TRACE, "key")
    world.cure(job, failed)


def test_a_pause(world, odoo):
    channel, there = world.channel("pausing")
    (root,) = world.call(CHANNEL, "search", [["name", "=", "root"]])
    for record, name in ((root, "Channel root"), (channel, "root.pausing")):
        world.call(CHANNEL, "action_pause", [record])
        job = world.delay("record_run", "paused", **there)
        world.explains(
            job,
            "channel_paused",
            name,
            record=(CHANNEL, record),
            remedy="action_resume",
            cause="paused",
        )
        state = world.call(JOB, "wait_state", job)
        assert name in state["waiting"], "and so does the dialog"
        if record == channel:
            code, text = odoo.queue_job("why", job, "--json")
            assert (code, json.loads(text)[0]["code"]) == (0, "channel_paused")
        world.cure(job)

    job = world.delay("record_run", channel="root.fixed")
    world.explains(job, "channel_fixed", "ODOO_QUEUE_JOB_CHANNELS", cause="paused")
    world.stop(job)


def test_the_order_of_a_channel(world):
    _channel, there = world.channel("order", sequential=True, capacity=1)
    first = world.delay("record_run", "first", **there, **LATER)
    job = world.delay("record_run", "second", **there)
    record, remedy = (JOB, world.id(first)), "action_run_now"
    world.explains(
        job, "sequential_date", first, record=record, remedy=remedy, cause="sequence"
    )
    world.cure(job, first)

    world.db.rows(TWO_TRACES, "order", "order")
    failed = world.delay("rewrite", "order", "/dev/null", 0, **there)
    job = world.delay("record_run", "second", **there)
    record, remedy = (JOB, world.id(failed)), "requeue"
    world.explains(
        job, "sequential_failed", failed, record=record, remedy=remedy, cause="sequence"
    )
    world.db.rows(ONE_TRACE, "order")
    world.cure(job, failed)


def test_a_throttle_and_a_rate(world):
    channel, there = world.channel("throttled", throttle=3600)
    world.runs(world.delay("record_run", "first", **there))
    job = world.delay("record_run", "second", **there)
    link = {"record": (CHANNEL, channel), "cause": "rate"}
    world.explains(job, "throttle", "3600 s between two starts", **link)
    rate = {"throttle": 0, "rate_limit": 1, "rate_period": 3600}
    world.call(CHANNEL, "write", [channel], rate)
    world.explains(job, "rate", "1 jobs in 3600 s", **link)
    world.call(CHANNEL, "write", [channel], {"rate_limit": 2})
    world.runs(job)


def test_a_full_channel(world):
    channel, there = world.channel("narrow", capacity=1)
    world.runs(*world.client.delay_many(2, "record_run", "measured", 1, **there))
    world.db.wait(MEASURED, there["channel"], what="run times are measured")
    running = world.running("record_run", "long", 60, **there)
    jobs = world.client.delay_many(3, "record_run", "short", **there)
    world.explains(
        jobs[1],
        "full_estimated",
        *("1 of 1 jobs are running", "number 2 of 3", "in about"),
        record=(CHANNEL, channel),
        cause="full",
    )
    world.stop(running)
    world.runs(*jobs)


def test_other_databases(world, worlds):
    """They have the slots of a channel, the workers, or the threads."""
    _channel, in_threads = world.channel("api", threads=True)
    _channel, _there = worlds.other.channel("api", threads=True)
    shared = {"channel": "root.shared"}
    long = ("record_run", "long", 60)
    others = [worlds.other.running(*long, **shared)]
    job = world.delay("record_run", **shared)
    world.explains(job, "full_shared", "0 of them in this one", cause="full")
    others.append(worlds.other.running(*long))
    alone = world.delay("record_run")
    world.explains(alone, "pool_full", "2 of 2 jobs", "workers", cause="busy")

    thread = worlds.other.running("record_run", "thread", 9, **in_threads)
    job_for_a_thread = world.delay("record_run", **in_threads)
    world.explains(
        job_for_a_thread, "threads_full", "1 of 1 jobs", "threads", cause="busy"
    )
    worlds.other.stop(*others)
    world.runs(job, alone, job_for_a_thread)
    worlds.other.db.wait_settled([thread])


def test_modules_are_updated(world):
    world.db.rows(UPDATING, "to upgrade")
    job = world.delay("record_run")
    world.explains(job, "modules", "update of modules", cause="server")
    world.db.rows(UPDATING, "installed")
    world.runs(job)


def test_a_copy(worlds):
    copy = World(worlds.own.server, worlds.copy)
    job = copy.delay("record_run")
    copy.explains(job, "copy", "queue_job.database_uuid", cause="server")
    copy.db.rows(IS_NO_COPY)
    copy.runs(job)


def test_the_runner_stands(world):
    pid = world.server.runner_pid()
    world.server.kill_pid(pid, signal.SIGSTOP)
    try:
        world.db.rows(SILENT)
        job = world.delay("record_run")
        world.explains(job, "runner_lost", "last sign", cause="server")
    finally:
        world.server.kill_pid(pid, signal.SIGCONT)
    world.runs(job)


def test_two_servers(make_server, make_database, database):
    """One serves the users, the other one runs jobs, also of another database: what the
    users read is what that one obeys."""
    world = World(make_server(channels="root:0"), database)
    job = world.delay("record_run")
    world.explains(job, "disabled", "capacity of channel root", cause="server")
    other = make_database()
    names = {"db_name": f"{database.name},{other.name}"}
    runner = make_server(options=names, sections={"queue_job": {"max_capacity": "1"}})
    world.runs(job)
    others = World(runner, other)
    running = others.running("record_run", "long", 7)
    job = world.delay("record_run")
    world.explains(job, "total_full", "1 of 1 jobs", "max_capacity", cause="busy")
    other.wait_settled([running])
    world.runs(job)
    runner.stop()


def test_the_web_client(world):
    """The dialog says why, the list has a column and groups, the form a button."""
    channel, there = world.channel("clicked")
    world.call(CHANNEL, "action_pause", [channel])
    awaited, job = world.client.delay_many(2, "record_run", "clicked", **there)
    with pages.open_browser() as browser:
        page = browser.page(world.client)
        page.goto(world.server.url + JOBS)
        row = ".o_data_row [name=waiting_text]"
        page.wait_for_selector(f"{row}:has-text('root.clicked is paused')")
        page.evaluate(WAIT_FOR, awaited)
        dialog = page.wait_for_selector(".o_queue_job_wait:has-text('is paused')")
        assert "Waiting" in dialog.inner_text()
        world.stop(job)
        world.call(CHANNEL, "action_resume", [channel])
        page.wait_for_selector(".o_queue_job_wait", state="detached")
        world.runs(awaited)

        world.call(CHANNEL, "action_pause", [channel])
        job = world.delay("record_run", "clicked", **there)
        page.goto(world.server.url + JOBS)
        page.click(".o_searchview_dropdown_toggler")
        page.click(".o_group_by_menu .o_menu_item:text-is('Waits For')")
        page.keyboard.press("Escape")
        page.click(".o_group_header:has-text('Its channel is paused')")
        page.click(row)
        page.wait_for_selector("[name=waiting_reason]:has-text('is paused')")
        page.click("[name=waiting_reason] button:has-text('Resume the Channel')")
        world.runs(job)
