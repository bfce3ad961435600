# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A lease holds the order of its jobs: sequential channels and keys, on a real server.

Their jobs need no lease of their own, and the order is as strict as with one.
"""

import pytest

from tests.harness.statements import leases, need_counts
from tests.harness.waiting import holds, wait_for

CHANNELS = "root:4,list:1:sequential"
JOBS = 200

#: Of `JOBS` short ones: a lease lasts for a quarter of a second, and longer while
#: nothing else waits. A busy machine does some dozens of jobs in it.
FEW_LEASES = 40

KINDS = {
    "a sequential channel": {"channel": "root.list"},
    "a key": {"sequence_key": "k"},
    "a key in a sequential channel": {"channel": "root.list", "sequence_key": "k"},
}
SEQUENCES = list(KINDS)[:2]

#: The priority of the job whose start along with a COMMIT takes a second.
LINGERS = 11
LINGER = (
    """
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$
    """,
    f"""
    CREATE TRIGGER linger AFTER UPDATE ON queue_job FOR EACH ROW
      WHEN (OLD.state = 'pending' AND NEW.state = 'started'
            AND NEW.priority = {LINGERS})
      EXECUTE FUNCTION linger()
    """,
)
IN_THE_START = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event = 'PgSleep'
   AND query LIKE '%COMMIT; SET LOCAL%'
"""

_ORDER = "SELECT id FROM queue_job WHERE uuid = ANY(%s) ORDER BY date_started"
_IDS = "SELECT id FROM queue_job WHERE uuid = ANY(%s) ORDER BY id"


@pytest.fixture
def server(make_server):
    server = make_server(4, channels=CHANNELS)
    server.wait_runner()
    return server


def in_order(db, uuids) -> bool:
    return db.column(_ORDER, uuids) == db.column(_IDS, uuids)


@pytest.mark.parametrize("kind", KINDS)
def test_many_jobs_are_few_leases(server, kind):
    db = server.db
    need_counts(db)
    before = leases(db)
    uuids = server.client().delay_many(JOBS, "record_run", **KINDS[kind])
    assert db.wait_settled(uuids) == {"done": JOBS}
    assert in_order(db, uuids)
    assert db.most_at_once() == 1
    assert leases(db) - before <= FEW_LEASES
    marked = "SELECT count(*) FROM queue_job WHERE gate_state IS NOT NULL"
    db.wait(marked, what="no key is to be judged", until=lambda count: count == 0)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_failure_in_the_middle_stops_the_rest(server, kind):
    server.expect_log("The probe bad fails")
    db, client = server.db, server.client()
    before = client.delay_many(20, "record_run", "before", **KINDS[kind])
    (bad,) = client.delay_many(1, "write_and_fail", "bad", **KINDS[kind])
    behind = client.delay_many(20, "record_run", "behind", **KINDS[kind])
    assert db.wait_state(bad, "failed", "done") == "failed"
    assert db.states(before) == {"done": 20}
    holds(lambda: db.states(behind) == {"pending": 20}, "they wait", seconds=1)
    (job,) = client.call("queue.job", "search", [("uuid", "=", bad)])
    client.call("queue.job", "button_cancelled", [job])
    assert db.wait_settled(behind) == {"done": 20}
    assert in_order(db, behind)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_one_that_is_retried_holds_up_the_rest(server, kind):
    db = server.db
    before = server.client().delay_many(5, "record_run", **KINDS[kind])
    late = server.client().delay_many(
        1, "fail_until_attempt", 3, "late", 0.3, **KINDS[kind]
    )
    behind = server.client().delay_many(20, "record_run", "behind", **KINDS[kind])
    uuids = [*before, *late, *behind]
    assert db.wait_settled(uuids) == {"done": len(uuids)}
    assert in_order(db, uuids)
    assert db.job(late[0], "retry") == 3


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_worker_is_killed_in_the_middle(server, kind, tmp_path):
    server.expect_log("re-queued dead job", "the connection of lease")
    db, log = server.db, tmp_path / "runs"
    uuids = server.client().delay_many(60, "leave_mark", str(log), 0.02, **KINDS[kind])

    def lines():
        return [line.split() for line in log.read_text().splitlines()]

    wait_for(lambda: log.exists() and len(lines()) > 20, "some jobs have run")
    server.kill_pid(int(lines()[-1][2]))
    assert db.wait_settled(uuids, seconds=120) == {"done": len(uuids)}
    assert in_order(db, uuids)
    firsts = list(dict.fromkeys(uuid for event, uuid, *_ in lines()))
    assert firsts == uuids


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_worker_is_killed_between_two_jobs(server, kind, tmp_path):
    """The COMMIT of one has started the next, and nobody begins that."""
    server.expect_log("re-queued dead job", "the connection of lease")
    db, client, log = server.db, server.client(), tmp_path / "runs"
    for statement in LINGER:
        db.rows(statement)
    client.delay("write_and_sleep", "before", 2, priority=1, **KINDS[kind])
    uuids = [
        client.delay("leave_mark", str(log), priority=priority, **KINDS[kind])
        for priority in (10, LINGERS, 12, 13)
    ]
    db.wait(IN_THE_START, what="the start is under way")
    assert db.states(uuids[:1]) == {"done": 1}
    server.kill_pid(db.job(uuids[0], "worker_pid"))
    db.rows("DROP TRIGGER linger ON queue_job")
    assert db.wait_settled(uuids, seconds=60) == {"done": 4}
    assert in_order(db, uuids)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [uuid for event, uuid, *_ in lines if event == "start"] == uuids


def test_a_pause_ends_the_lease(server):
    db, client = server.db, server.client()
    (root,) = client.call("queue.job.channel", "search", [("name", "=", "root")])
    values = {"name": "list", "parent_id": root}
    channel = client.call("queue.job.channel", "create", [values])
    uuids = server.client().delay_many(
        100, "record_run", "slow", 0.1, channel="root.list"
    )
    wait_for(lambda: db.states(uuids).get("done"), "the first ones are done")
    client.call("queue.job.channel", "action_pause", channel)
    wait_for(lambda: db.states(uuids).get("started", 0) == 0, "nothing runs")
    done = wait_for(lambda: _stays(db, uuids), "nothing starts any more")
    assert done < 100
    client.call("queue.job.channel", "action_resume", channel)
    assert db.wait_settled(uuids) == {"done": 100}
    assert in_order(db, uuids)


def _stays(db, uuids) -> int:
    """The number of jobs done, if it doesn't change in a second; else 0."""
    before = db.states(uuids)
    try:
        holds(lambda: db.states(uuids) == before, "the states stay", seconds=1)
    except AssertionError:
        return 0
    return before["done"]
