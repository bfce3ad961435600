# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random histories of claims, held against a model.

Two workers, each with a connection for the job's transaction, and a runner with one
of its own, do what their real counterparts do, with the real statements, in any
order: enqueue, claim, top up, start, finish, die, return, look and rescue, cancel,
requeue. A worker may be late: it finishes after its job was given to another.

What holds after each step:

- state, claim token and attempts of each job are those of the model;
- a job that was done left exactly one mark, in the transaction that made it done;
- nobody is declared dead whose session lives.
"""

import time
from dataclasses import dataclass

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from queue_job import claims
from queue_job.jobrunner import queries
from queue_job.jobrunner.rescue import LOOK_INTERVAL, Watch
from setup import database as databases

CHANNEL = "root"
RUNNER = "runner of the property test"
WORKERS = (0, 1)
MAX_JOBS = 6

INSERT = """
INSERT INTO queue_job (uuid, state, model_name, method_name, name, user_id, retry,
                       max_retries, priority, date_created, channel)
SELECT gen_random_uuid()::text, 'pending', 'res.users', 'read', 'x', 1, 0, 0, 10,
       now() AT TIME ZONE 'UTC', 'root'
RETURNING id
"""
DONE = """
UPDATE queue_job SET state = 'done'
 WHERE id = %s AND claim_token = %s AND state = 'started'
"""
CANCELLED = DONE.replace("'done'", "'cancelled'")
START = claims.START.format(columns="j.id")
MARK = "INSERT INTO property_mark VALUES (%s, %s)"
LEAD = """
INSERT INTO queue_job_runner (uuid, leader) VALUES (%s, TRUE)
ON CONFLICT (uuid) DO NOTHING
"""


@dataclass
class Job:
    id: int
    state: str = "pending"
    token: int = 0
    lease: int | None = None
    retry: int = 0
    times_done: int = 0


@dataclass
class Worker:
    """Runs one job at a time, in a transaction that stays open; ``holds`` is whether
    this has the liveness lock."""

    connection: psycopg2.extensions.connection
    job: Job | None = None
    token: int = 0
    holds: bool = False


class Claims(RuleBasedStateMachine):
    database = ""

    def __init__(self):
        super().__init__()
        self.runner = databases.connect(self.database)
        self.workers = [Worker(self._worker_connection()) for _number in WORKERS]
        self.jobs: list[Job] = []
        self.next_lease = 1
        self.own_leases: set[int] = set()
        self.watch = Watch()
        self.clock = 0.0

    def _worker_connection(self):
        connection = databases.connect(self.database)
        connection.autocommit = False
        connection.set_session(isolation_level="REPEATABLE READ")
        return connection

    def teardown(self):
        for connection in (self.runner, *(w.connection for w in self.workers)):
            connection.close()

    def ask(self, query, parameters=None) -> list[tuple]:
        """A statement of the runner, or of a worker's book: autocommit."""
        with self.runner.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def idle(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.job]

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.job]

    def of_state(self, *states) -> list[Job]:
        return [job for job in self.jobs if job.state in states]

    # -- rules: the queue --------------------------------------------------------------

    @initialize()
    def clean(self):
        self.ask("TRUNCATE queue_job, property_mark CASCADE")
        self.ask(LEAD, (RUNNER,))
        for _number in range(MAX_JOBS // 2):
            self.enqueue()

    @precondition(lambda self: len(self.jobs) < MAX_JOBS)
    @rule()
    def enqueue(self):
        self.jobs.append(Job(self.ask(INSERT)[0][0]))

    @precondition(lambda self: self.of_state("pending"))
    @rule(data=st.data())
    def claim(self, data):
        """Also of jobs that are not to be had any more: another was faster."""
        chosen = data.draw(st.lists(st.sampled_from(self.jobs), unique_by=id))
        leases = [self._new_lease() for _job in chosen]
        got = self.ask(claims.CLAIM, {"ids": [j.id for j in chosen], "leases": leases})
        expected = []
        for job, lease in zip(chosen, leases, strict=True):
            if job.state == "pending":
                self._claimed(job, lease)
                expected.append((job.id, job.token, lease))
        assert sorted(row[:3] for row in got) == sorted(expected)

    @precondition(lambda self: self.of_state("pending"))
    @rule(limit=st.integers(1, 3), leads=st.booleans(), several=st.booleans())
    def top_up(self, limit, leads, several):
        lease = self._new_lease()
        runner = RUNNER if leads else "another runner"
        if several:
            served = [[CHANNEL, "root.empty"], runner, limit, limit, limit]
            query = claims.TOP_UP.format(next=claims.NEXT_OF_SEVERAL)
        else:
            served = [CHANNEL, runner, limit]
            query = claims.TOP_UP.format(next=claims.NEXT_OF_ONE)
        got = self.ask(query, [*served, lease])
        chosen = self.of_state("pending")[:limit] if leads else []
        for job in chosen:
            self._claimed(job, lease)
        assert [row[:2] for row in got] == [(job.id, job.token) for job in chosen]

    def _new_lease(self) -> int:
        self.next_lease += 1
        self.own_leases.add(self.next_lease)
        return self.next_lease

    @staticmethod
    def _claimed(job, lease):
        job.state, job.lease = "enqueued", lease
        job.token += 1

    @precondition(lambda self: self.of_state("enqueued"))
    @rule(data=st.data())
    def return_lease(self, data):
        lease = data.draw(st.sampled_from(self.of_state("enqueued"))).lease
        self.ask(claims.RETURN_UNSTARTED, {"leases": [lease]})
        for job in self.of_state("enqueued"):
            if job.lease == lease:
                job.state, job.lease = "pending", None

    # -- rules: a worker ---------------------------------------------------------------

    @precondition(lambda self: self.idle() and self.of_state("enqueued"))
    @rule(data=st.data())
    def start(self, data):
        worker, job = (
            self.idle()[0],
            data.draw(st.sampled_from(self.of_state("enqueued"))),
        )
        self._start(worker, job, job.token)

    @precondition(lambda self: self.idle())
    @rule(data=st.data())
    def start_late(self, data):
        """Perhaps with a claim that doesn't hold any more."""
        job = data.draw(st.sampled_from(self.jobs))
        token = data.draw(st.integers(max(0, job.token - 1), job.token))
        self._start(self.idle()[0], job, token)

    def _start(self, worker, job, token):
        got = self.ask(START, (1, "host", job.id, token))
        expected = job.state == "enqueued" and token == job.token
        assert bool(got) == expected
        if expected:
            job.state = "started"
            worker.job, worker.token = job, token
            self._hold(worker)

    @staticmethod
    def _hold(worker):
        job, worker.holds = worker.job, True
        with worker.connection.cursor() as cursor:
            cursor.execute(claims.HOLD_LIVENESS, {"id": job.id})
            cursor.execute(MARK, (job.id, job.times_done + 1))

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def commit_inside(self, data):
        """The lock goes with the transaction; the worker is slow to take it again."""
        worker = data.draw(st.sampled_from(self.busy()))
        worker.connection.rollback()
        worker.holds = False

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def finish(self, data):
        """Commit the work together with the end, if this attempt still may."""
        worker = data.draw(st.sampled_from(self.busy()))
        job, token = worker.job, worker.token
        if not self._holds_again(worker):
            return
        worker.job, worker.holds = None, False
        holds = job.state == "started" and job.token == token
        answer = self._may_commit(worker, job, token)
        assert bool(answer) == holds
        if holds:
            with worker.connection.cursor() as cursor:
                cursor.execute(DONE, (job.id, token))
                assert cursor.rowcount == 1
            worker.connection.commit()
            job.state, job.times_done = "done", job.times_done + 1
        else:
            worker.connection.rollback()

    def _holds_again(self, worker) -> bool:
        """Whether the worker has the lock of its job; its next attempt may have it."""
        others = [w for w in self.workers if w.holds and w.job is worker.job]
        if not worker.holds and not others:
            self._hold(worker)
        return worker.holds

    @staticmethod
    def _may_commit(worker, job, token):
        try:
            with worker.connection.cursor() as cursor:
                cursor.execute(claims.MAY_COMMIT, {"id": job.id, "token": token})
                return cursor.fetchone()
        except psycopg2.errors.SerializationFailure:
            return None  # the row was given to another since the snapshot

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def die(self, data):
        """kill -9: the session ends, and with it the liveness lock."""
        self._end(data.draw(st.sampled_from(self.busy())))

    def _end(self, worker):
        job, worker.job, worker.holds = worker.job, None, False
        worker.connection.close()
        if not any(other.holds and other.job is job for other in self.workers):
            self._wait_unlocked(job)
        worker.connection = self._worker_connection()

    def _wait_unlocked(self, job):
        locked = (
            "SELECT 1 FROM pg_locks WHERE classid = %s AND objid = %s AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())"
        )
        deadline = time.monotonic() + 5
        while self.ask(locked, (claims.LIVENESS_LOCK, job.id)):
            assert time.monotonic() < deadline, "the session of a dead client lives"
            time.sleep(0.001)

    # -- rules: the runner's look ------------------------------------------------

    @precondition(lambda self: self.of_state("enqueued", "started"))
    @rule(restarted=st.booleans())
    def look(self, restarted):
        """Two looks, and what the caretaker does; perhaps a runner that just began."""
        if restarted:
            self.own_leases, self.watch = set(), Watch()
        self._look_once()
        self._look_once()

    def _look_once(self):
        self.clock += LOOK_INTERVAL
        columns, rows = self._look_rows()
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        found = self.watch.examine(rows, self.clock, self.own_leases, set())
        alive = {worker.job.id for worker in self.workers if worker.holds}
        by_id = {job.id: job for job in self.jobs}
        ids = [row["id"] for row in found.orphans]
        leases = list(self.own_leases)
        self.ask(queries.RETURN_ORPHANS, {"ids": ids, "leases": leases})
        for job in map(by_id.get, ids):
            assert job.state == "enqueued" and job.lease not in self.own_leases
            job.state, job.lease = "pending", None
        for worker in self.workers:  # the sessions that PostgreSQL ends
            if worker.holds and worker.job.id in {row["id"] for row in found.to_end}:
                self._end(worker)
        for row in found.dead:
            job = by_id[row["id"]]
            assert job.id not in alive, "declared dead while its session lives"
            self._rescue(job, row)

    def _look_rows(self):
        with self.runner.cursor() as cursor:
            cursor.execute(queries.LOOK, {"limit": 0})
            return [column.name for column in cursor.description], cursor.fetchall()

    def _rescue(self, job, row):
        if row["signal"]:
            self.ask(CANCELLED, (job.id, job.token))
            job.state = "cancelled"
            return
        number = self.ask(
            queries.RETRY_DEAD,
            {
                "id": job.id,
                "token": row["claim_token"],
                "date_started": row["date_started"],
                "host": "host",
                "pid": 1,
                "message": "",
            },
        )
        job.state, job.lease = "pending", None
        job.token, job.retry = job.token + 1, job.retry + 1
        assert number == [(job.retry,)]

    # -- rules: a user -----------------------------------------------------------------

    @precondition(lambda self: self.of_state("pending", "enqueued", "started"))
    @rule(data=st.data())
    def cancel(self, data):
        job = data.draw(
            st.sampled_from(self.of_state("pending", "enqueued", "started"))
        )
        if job.state == "started":
            self.ask(
                "INSERT INTO queue_job_signal (job_id, claim_token, kind)"
                " VALUES (%s, %s, 'cancel')",
                (job.id, job.token),
            )
        else:
            self.ask(
                "UPDATE queue_job SET state = 'cancelled' WHERE id = %s", (job.id,)
            )
            job.state = "cancelled"

    @precondition(lambda self: self.of_state("done", "cancelled"))
    @rule(data=st.data())
    def requeue(self, data):
        job = data.draw(st.sampled_from(self.of_state("done", "cancelled")))
        self.ask("UPDATE queue_job SET state = 'pending' WHERE id = %s", (job.id,))
        job.state = "pending"

    # -- what holds --------------------------------------------------------------------

    @invariant()
    def the_table_is_as_the_model(self):
        rows = self.ask(
            "SELECT id, state, coalesce(claim_token, 0), retry FROM queue_job"
        )
        model = [(job.id, job.state, job.token, job.retry) for job in self.jobs]
        assert sorted(rows) == sorted(model)

    @invariant()
    def each_end_left_one_mark(self):
        marks = self.ask("SELECT job_id, count(*) FROM property_mark GROUP BY 1")
        done = {job.id: job.times_done for job in self.jobs if job.times_done}
        assert dict(marks) == done


@pytest.fixture
def with_marks(database_name):
    databases.execute(
        "CREATE TABLE property_mark"
        " (job_id int, number int, PRIMARY KEY (job_id, number))",
        database=database_name,
    )
    return database_name


def test_claims_as_the_model(with_marks):
    Claims.database = with_marks
    run_state_machine_as_test(
        Claims,
        settings=settings(
            max_examples=80,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
