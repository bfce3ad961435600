# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job costs PostgreSQL beside its work, counted on a real server.

Statements, messages, write transactions and notifications, not time: so the tests hold
on any machine. A lease has costs of its own, whatever it carries, and the runner looks
around while it waits; that is the constant part. All are somewhat above what is seen.
"""

import os
import select
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.harness.fixtures import database_maker, make_log_directory, server_maker
from tests.harness.messages import MessageCounter
from tests.harness.rpc import PROBE
from tests.harness.server import Server
from tests.harness.statements import leases, need_counts

#: The transactions of the whole cluster are counted.
pytestmark = pytest.mark.alone

#: Of each job: what issue and design allow.
STATEMENTS, COMMITS, NOTIFICATIONS = 6, 3, 0.05

LINKS = 40

#: Of the leases and the runner, for as long as the test watches. A lease whose time is
#: up gives back what it claimed and did not start: these jobs wait again, so it rings.
FEW_STATEMENTS, FEW_MESSAGES, FEW_COMMITS, FEW_NOTIFICATIONS = 150, 200, 30, 2

#: Of each lease: the runner's round and claim, what a request asks, the lock and the
#: settings of its sessions, the first start.
LEASE_STATEMENTS, LEASE_MESSAGES, LEASE_COMMITS = 15, 25, 12

CHANNELS = "root:2,line:1:sequential,slow:1:throttle=1,rated:2:rate=100000/1"


class Kind(NamedTuple):
    """Jobs of one kind; `statements`, `messages` and `commits` are of each of them."""

    title: str
    statements: float
    messages: float
    commits: float
    state: str = "done"
    method: str = "exists"  # of no record, without a statement
    args: tuple = ()
    options: dict = {}
    count: int = 300


KINDS = (
    # the end and the start of the next, one message and two commits; its part of the
    # claim of a batch, which has few jobs on a busy machine
    Kind("free", 2.5, 2, 2.7),
    # the same without claims: the start looks for the next job itself
    Kind("sequential", 2.1, 1.1, 2.2, options={"channel": "root.line"}),
    # and the lock of the key, in the same message
    Kind("sequence_key", 3.1, 1.2, 2.3, options={"sequence_key": "k"}),
    # as free; leases end when what they have reserved is used up
    Kind("rated", 2.5, 2, 2.7, options={"channel": "root.rated"}),
    # a lease each, and the end of the job; what the whole cluster commits in a second
    Kind("throttled", 1, 1, 20, options={"channel": "root.slow"}, count=6),
    # the attempt and the row; followers, message and note for the digest; COMMIT and
    # the start of the next: three messages
    Kind("failing", 4.5, 4, 2.7, "failed", args=("too many arguments",)),
    # the attempt, the row, COMMIT and the start of the next: one message
    Kind("retried", 3.5, 2, 2.7, "pending", "ask_again", (36000,)),
    # the attempt and the row; followers, message and note for the digest; COMMIT: three
    # messages, for jobs that are found, taken over and read together
    Kind("dead", 3.5, 3.5, 1.3, "failed"),
)

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
# Copies of a job, with the values of another state.
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
                   'eta', NULL, 'scheduled', false) || %s::jsonb
           ) AS copy
     WHERE original.uuid = %s
 RETURNING uuid)
SELECT uuid FROM copies
"""
#: What sets the copies apart.
CHANGES = {
    "sequence_key": '{"gate_state": "new", "scheduled": true}',
    # a worker that is no more was running it for the last time
    "dead": """
        {"state": "started", "retry": 4, "max_retries": 5, "claim_token": 1,
         "lease_id": 7, "worker_pid": 1, "worker_host": "nowhere",
         "date_enqueued": "2026-01-01", "date_started": "2026-01-01"}""",
}


@pytest.fixture
def counted(shared_server):
    """The server, on a PostgreSQL that counts statements."""
    db = shared_server.db
    need_counts(db)
    return shared_server


@pytest.fixture(scope="module")
def messages() -> Iterator[MessageCounter]:
    """Counts the messages of `relayed` to PostgreSQL."""
    counter = MessageCounter(int(os.environ["PGPORT"]))
    yield counter
    counter.close()


@pytest.fixture(scope="module")
def relayed(stack, messages) -> Iterator[Server]:
    """A server that speaks with PostgreSQL through a relay."""
    directory = make_log_directory("test_budgets-relayed")
    with database_maker(stack) as make_database:
        database = make_database()
        need_counts(database)
        with server_maker(stack, directory, database) as make_server:
            env = {"PGPORT": str(messages.port)}
            server = make_server(2, channels=CHANNELS, env=env)
            server.wait_runner()
            yield server


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


def original(server, kind: Kind) -> str:
    """A job of this kind whose first attempt is over."""
    uuid = server.client().delay(kind.method, *kind.args, **kind.options)
    if kind.state == "pending":
        server.db.wait(_ATTEMPTS, [uuid], what="the first attempt")
    else:
        server.db.wait_state(uuid, "done", "failed")
    return uuid


def wait_for_end(db, kind: Kind, uuids: list[str]) -> None:
    if kind.state == "done":
        assert db.wait_settled(uuids) == {"done": kind.count}
        return
    db.wait(_ATTEMPTS, uuids, until=kind.count.__eq__, what="the attempts")
    assert db.states(uuids) == {kind.state: kind.count}


@pytest.mark.parametrize("kind", KINDS, ids=[kind.title for kind in KINDS])
def test_a_kind_of_jobs(relayed, messages, kind):
    relayed.expect_log("takes 1 positional argument", "ends without its worker")
    db, first = relayed.db, original(relayed, kind)
    before = leases(db), db.value(_STATEMENTS), transactions(db), messages.count
    uuids = db.column(_COPIES, kind.count, CHANGES.get(kind.title, "{}"), first)
    wait_for_end(db, kind, uuids)
    after = leases(db), db.value(_STATEMENTS), transactions(db), messages.count
    granted, statements, commits, sent = (
        new - old for old, new in zip(before, after, strict=True)
    )
    count = kind.count
    budget = kind.statements * count + LEASE_STATEMENTS * granted + FEW_STATEMENTS
    assert statements <= budget
    budget = kind.commits * count + LEASE_COMMITS * granted + FEW_COMMITS
    assert commits <= budget
    budget = kind.messages * count + LEASE_MESSAGES * granted + FEW_MESSAGES
    assert sent <= budget


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_a_job_that_does_nothing(counted, count):
    db, client = counted.db, counted.client()
    (partner,) = client.call("res.partner", "create", [{"name": "Ada"}])
    original = client.delay_on("res.partner", [partner], "exists")
    assert db.wait_state(original, "done", "failed") == "done"
    with db.connect() as listener:
        listener.cursor().execute("LISTEN queue_job")
        statements, commits = db.value(_STATEMENTS), transactions(db)
        uuids = db.column(_COPIES, count, "{}", original)
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
