# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job costs PostgreSQL beside its work, counted on a real server.

Statements, write transactions and notifications, not time: so the test holds on any
machine. A lease has costs of its own, whatever it carries, and the runner looks around
while it waits; that is the constant part. Both are well above what is seen.
"""

import select

import pytest

from tests.harness.rpc import PROBE
from tests.harness.statements import need_counts

#: Of each job: what issue and design allow.
STATEMENTS, COMMITS, NOTIFICATIONS = 6, 3, 0.05

#: Of each job that ends otherwise. A failure writes the row, the attempt, and by one
#: statement its followers, its message and the note for the digest. What the method
#: itself does is counted too, and its transaction, which is rolled back.
FAILED, RETRIED, OTHERWISE_COMMITS = 10, 8, 4

LINKS = 40

#: Of the leases and the runner, for as long as the test watches. A lease whose time is
#: up gives back what it claimed and did not start: these jobs wait again, so it rings.
FEW_STATEMENTS, FEW_COMMITS, FEW_NOTIFICATIONS = 150, 30, 2

# BEGIN and COMMIT are no work; what the test asks is left out.
_STATEMENTS = """
SELECT coalesce(sum(calls), 0)::int /* budget */
  FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
 WHERE d.datname = current_database()
   AND query NOT LIKE '%/* budget */%' AND query NOT LIKE 'SELECT state, count(%'
   AND query !~* '^(BEGIN|COMMIT|ROLLBACK|SET |SHOW |DISCARD|LISTEN|SELECT 1$)'
"""
_ATTEMPTS = """
SELECT count(*) /* budget */
  FROM queue_job_attempt a JOIN queue_job j ON j.id = a.job_id
 WHERE j.uuid = ANY(%s)
"""
_COPIES = """
WITH /* budget */ copies AS (
    INSERT INTO queue_job
    SELECT copy.*
      FROM queue_job original, generate_series(1, %s) AS number,
           LATERAL jsonb_populate_record(
               NULL::queue_job,
               to_jsonb(original) || jsonb_build_object(
                   'number', number, 'id', nextval('queue_job_id_seq'),
                   'uuid', gen_random_uuid(), 'state', 'pending', 'retry', 0,
                   'date_done', NULL, 'date_started', NULL, 'exec_time', NULL,
                   'eta', NULL, 'scheduled', false)
           ) AS copy
     WHERE original.uuid = %s
 RETURNING uuid)
SELECT uuid FROM copies
"""


@pytest.fixture
def counted(shared_server):
    """The server, on a PostgreSQL that counts statements."""
    db = shared_server.db
    need_counts(db)
    return shared_server


def transactions(db) -> int:
    """The number of the next transaction that writes; the whole cluster counts."""
    return db.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


def notified(connection) -> int:
    """How often the runner was notified of jobs since the last call."""
    while select.select([connection], [], [], 0.2)[0]:
        before = len(connection.notifies)
        connection.poll()
        if len(connection.notifies) == before:
            break
    heard = [each for each in connection.notifies if each.payload == "jobs"]
    connection.notifies.clear()
    return len(heard)


@pytest.mark.parametrize(
    ("method", "arguments", "state", "budget"),
    [
        ("write_and_fail", ["bad"], "failed", FAILED),
        ("fail_until_attempt", [3, "later", 3600], "pending", RETRIED),
    ],
)
def test_a_job_that_ends_otherwise(counted, method, arguments, state, budget):
    counted.expect_log("The probe .* fails")
    db, count = counted.db, 300
    original = counted.client().delay(method, *arguments)
    db.wait(_ATTEMPTS, [original], what="the first attempt")
    statements, commits = db.value(_STATEMENTS), transactions(db)
    uuids = db.column(_COPIES, count, original)
    db.wait(_ATTEMPTS, uuids, until=count.__eq__, what="the attempts")
    assert db.states(uuids) == {state: count}
    statements = db.value(_STATEMENTS) - statements
    commits = transactions(db) - commits
    assert statements <= budget * count + FEW_STATEMENTS
    assert commits <= OTHERWISE_COMMITS * count + FEW_COMMITS


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_a_job_that_does_nothing(counted, count):
    db, client = counted.db, counted.client()
    (partner,) = client.call("res.partner", "create", [{"name": "Ada"}])
    original = client.delay_on("res.partner", [partner], "exists")
    assert db.wait_state(original, "done", "failed") == "done"
    with db.connect() as listener:
        listener.cursor().execute("LISTEN queue_job")
        statements, commits = db.value(_STATEMENTS), transactions(db)
        uuids = db.column(_COPIES, count, original)
        assert db.wait_settled(uuids) == {"done": count}
        statements = db.value(_STATEMENTS) - statements
        commits = transactions(db) - commits
        notifications = notified(listener) - 1  # that of the copies
    assert statements <= STATEMENTS * count + FEW_STATEMENTS
    assert commits <= COMMITS * count + FEW_COMMITS
    assert notifications <= NOTIFICATIONS * count + FEW_NOTIFICATIONS


def test_a_chain(counted):
    """The lease which releases a job takes it itself: the runner hears nothing."""
    counted.db.forget_runs()
    with counted.db.connect() as listener:
        listener.cursor().execute("LISTEN queue_job")
        uuids = counted.client().call(PROBE, "delay_chain", LINKS, "record_run")
        assert counted.db.wait_settled(uuids) == {"done": LINKS}
        assert notified(listener) <= 1 + FEW_NOTIFICATIONS
    assert [tag for tag, *_ in counted.db.runs()] == [str(n) for n in range(LINKS)]
