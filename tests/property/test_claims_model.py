# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random histories of claims, held against a model.

Two workers, each with a connection for the job's transaction, and a runner with one
of its own, do what their real counterparts do, with the real statements, in any
order: enqueue, claim, top up, start, commit in the midst, finish, fail, die, return,
scan and recover, cancel, requeue, delete. A worker may be late: it finishes after its
job was given to another. Or it judges an end that is committed once more, as after a
post-commit hook that fails. For jobs that wait for others see `test_graphs_model`.

What holds after each step:

- state, claim token and attempts of each job are those of the model;
- a job that was done left exactly one mark, in the transaction that made it done, and
  one for each commit in its midst;
- nobody is declared dead whose session lives.

Histories in which all goes well teach nothing, so those in which workers die, are
late, or are told to stop are made likely by rules of their own; at the end the test
counts what has happened, and fails when one of these hardly ever has.
"""

import time
from collections import Counter

import psycopg2
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from queue_job.claim import claims
from queue_job.jobrunner.recovery.liveness import SCAN_INTERVAL, LivenessMonitor
from queue_job.jobrunner.session import queries
from setup import database as databases

from .model import (
    CANCELLED,
    CHANNEL,
    DONE,
    FAILED,
    INSERT,
    LEAD,
    MARK,
    MAX_JOBS,
    RUNNER,
    SETTLEMENTS,
    START,
    START_IN_ORDER,
    TABLE,
    WORKERS,
    Job,
    Worker,
)

#: What must have happened in all histories together, at least so often.
AT_LEAST = {
    "jobs done": 50,
    "deaths of workers": 150,
    "recoveries": 100,
    "late workers fenced": 25,
    "cancels of started jobs": 20,
    "started jobs cancelled": 15,
    "requeues": 30,
    "claims returned": 20,
    "commits in mid-job": 30,
    "committed ends judged again": 50,
    "jobs deleted": 30,
    "jobs started in order": 50,
    "channels that stand still": 50,
}


@seed(5)  # else each change of a name here would make other histories
class Claims(RuleBasedStateMachine):
    database = ""
    happened: Counter[str] = Counter()

    def __init__(self):
        super().__init__()
        self.runner = databases.connect(self.database)
        self.workers = [Worker(self._worker_connection()) for _number in WORKERS]
        self.jobs: list[Job] = []
        self.next_lease = 1
        self.own_leases: set[int] = set()
        self.liveness = LivenessMonitor()
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
        """A statement of the runner, or of a worker's control session: autocommit."""
        with self.runner.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def idle(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.job]

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.job]

    def of_state(self, *states) -> list[Job]:
        return [job for job in self.jobs if job.state in states]

    @initialize()
    def clean(self):
        self.ask("SET synchronous_commit = off")
        self.ask("DELETE FROM property_mark")
        self.ask("DELETE FROM queue_job")
        self.ask(LEAD, (RUNNER,))
        for _number in range(MAX_JOBS // 2):
            self.enqueue()

    @rule(data=st.data())
    def act(self, data):
        """One of the actions that are possible, by its weight."""
        self.happened["steps"] += 1
        names = [
            name
            for name, (weight, is_possible) in ACTIONS.items()
            if is_possible(self)
            for _time in range(weight)
        ]
        getattr(self, data.draw(st.sampled_from(names)))(data)

    # -- the queue ---------------------------------------------------------------------

    def enqueue(self, _data=None):
        self.jobs.append(Job(self.ask(INSERT)[0][0]))

    def claim(self, data):
        """Also of jobs that are not to be had any more: another was faster; and by a
        runner that was overtaken, which gets none."""
        leads = data.draw(st.integers(0, 4)) > 0
        chosen = data.draw(st.lists(st.sampled_from(self.jobs), unique_by=id))
        leases = [self._new_lease() for _job in chosen]
        parameters = {"ids": [j.id for j in chosen], "leases": leases}
        runner = RUNNER if leads else "another runner"
        got = self.ask(claims.CLAIM, {**parameters, "runner": runner})
        expected = []
        for job, lease in zip(chosen, leases, strict=True):
            if job.state == "pending" and leads:
                self._claimed(job, lease)
                expected.append((job.id, job.token, lease))
        assert sorted(row[:3] for row in got) == sorted(expected)

    def fetch_batch(self, data):
        limit, leads = data.draw(st.integers(1, 3)), data.draw(st.booleans())
        several = data.draw(st.booleans())
        lease = self._new_lease()
        runner = RUNNER if leads else "another runner"
        numbers = {"limit": limit, "depth": limit, "window": limit}
        if several:
            served, following = [CHANNEL, "root.empty"], claims.NEXT_OF_SEVERAL
        else:
            served, following = CHANNEL, claims.NEXT_OF_ONE
        query = claims.CLAIM_BATCH.format(next=following.format(**numbers))
        got = self.ask(query, [served, runner, lease])
        chosen = self.of_state("pending")[:limit] if leads else []
        for job in chosen:
            self._claimed(job, lease)
        assert [row[:2] for row in got] == [(job.id, job.token) for job in chosen]

    def start_in_order(self, data):
        """What a lease of a sequential channel does after one of its jobs."""
        worker, lease = self.idle()[0], self._new_lease()
        leads = data.draw(st.integers(0, 4)) > 0
        last = data.draw(st.sampled_from([None, *self.jobs]))
        last_id = last.id if last else 0
        runner = RUNNER if leads else "another runner"
        got = self.ask(START_IN_ORDER, [CHANNEL, last_id, runner, 1, "host", lease])
        in_flight = last in self.of_state("enqueued", "started")
        if not leads or in_flight or self.of_state("failed"):
            assert got == []
            self.happened["channels that stand still"] += 1
            return
        chosen = self.of_state("pending")[:1]
        assert [job_id for (job_id,) in got] == [job.id for job in chosen]
        for job in chosen:
            self._claimed(job, lease)
            job.state = "started"
            worker.job, worker.token = job, job.token
            self._hold(worker)
            self.happened["jobs started in order"] += 1

    def _new_lease(self) -> int:
        self.next_lease += 1
        self.own_leases.add(self.next_lease)
        return self.next_lease

    @staticmethod
    def _claimed(job, lease):
        job.state, job.lease = "enqueued", lease
        job.token += 1

    def return_lease(self, data):
        lease = data.draw(st.sampled_from(self.of_state("enqueued"))).lease
        self.ask(claims.RETURN_UNSTARTED, {"leases": [lease]})
        for job in self.of_state("enqueued"):
            if job.lease == lease:
                job.state, job.lease = "pending", None
                self.happened["claims returned"] += 1

    def return_behind_long_job(self, data):
        """One that the runner sees behind a long job, perhaps just being started."""
        job = data.draw(st.sampled_from(self.of_state("enqueued")))
        ids = {"ids": [job.id], "leases": [job.lease]}
        assert self.ask(queries.RETURN_BEHIND_LONG_JOB, ids) == [(job.id,)]
        assert self.ask(queries.RETURN_BEHIND_LONG_JOB, ids) == []
        job.state, job.lease = "pending", None
        self.happened["claims returned"] += 1

    # -- a worker ---------------------------------------------------------------

    def start(self, data):
        worker, job = (
            self.idle()[0],
            data.draw(st.sampled_from(self.of_state("enqueued"))),
        )
        self._start(worker, job, job.token)

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
            cursor.execute(MARK, (job.id,))

    def commit_inside(self, data):
        """The lock goes with the transaction; the worker is slow to take it again."""
        worker = data.draw(st.sampled_from(self.busy()))
        if not self._holds_again(worker):
            return
        if self._commits(worker):
            worker.connection.commit()
            worker.job.marks += 1
            self.happened["commits in mid-job"] += 1
        else:
            worker.connection.rollback()
            self.happened["late workers fenced"] += 1
        worker.holds = False

    def finish(self, data):
        """Commit the work together with the end, if this attempt still may."""
        worker = data.draw(st.sampled_from(self.busy()))
        job, token = worker.job, worker.token
        if not self._holds_again(worker):
            return
        if self._commits(worker):
            with worker.connection.cursor() as cursor:
                cursor.execute(DONE, (job.id, token))
                assert cursor.rowcount == 1
            worker.connection.commit()
            job.state, job.marks = "done", job.marks + 1
            self.happened["jobs done"] += 1
        else:
            worker.connection.rollback()
            self.happened["late workers fenced"] += 1
        worker.job, worker.holds = None, False
        self._judge_again(data, worker, job, token)

    def fail(self, data):
        """Undo the work, and write the failure, if this attempt still may."""
        worker = data.draw(st.sampled_from(self.busy()))
        job, token = worker.job, worker.token
        worker.connection.rollback()
        holds = self._is_current(job, token)
        assert self._settle(worker, FAILED, job, token) == holds
        if holds:
            job.state = "failed"
        else:
            self.happened["late workers fenced"] += 1
        worker.job, worker.holds = None, False
        self._judge_again(data, worker, job, token)

    def _judge_again(self, data, worker, job, token):
        """As after a post-commit hook that fails: the end is committed, and stays."""
        settlement = data.draw(st.sampled_from([None, *SETTLEMENTS]))
        if settlement:
            assert self._settle(worker, settlement, job, token) == 0
            self.happened["committed ends judged again"] += 1

    @staticmethod
    def _is_current(job, token) -> bool:
        return job.state == "started" and job.token == token and not job.deleted

    @staticmethod
    def _settle(worker, settlement, job, token) -> int:
        """Return how many rows were written, in a transaction of the worker's."""
        with worker.connection.cursor() as cursor:
            cursor.execute(settlement, (job.id, token))
            count = cursor.rowcount
        worker.connection.commit()
        return count

    def _commits(self, worker) -> bool:
        """Whether the worker may commit; the fence agrees with the model."""
        answer = self._may_commit(worker, worker.job, worker.token)
        holds = self._is_current(worker.job, worker.token)
        assert bool(answer) == holds
        return holds

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

    def die(self, data):
        """kill -9: the session ends, and with it the liveness lock."""
        self._die(data.draw(st.sampled_from(self.busy())))

    def _die(self, worker):
        self._end(worker)
        self.happened["deaths of workers"] += 1

    def die_young(self, data):
        """Like a job that takes the memory of its worker; the runner finds it dead."""
        job = data.draw(st.sampled_from(self.of_state("enqueued")))
        worker = self.idle()[0]
        self._start(worker, job, job.token)
        self._die(worker)
        self._scan_once()
        self._scan_once()

    def be_late(self, data):
        """Between a commit and the lock that follows, for longer than two scans."""
        worker = data.draw(st.sampled_from(self.busy()))
        worker.connection.rollback()
        worker.holds = False
        self._scan_once()
        self._scan_once()

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

    # -- the runner's scan ------------------------------------------------

    def scan(self, data):
        """Two scans, and what the reaper does; perhaps a runner that just began."""
        if data.draw(st.booleans()):
            self.own_leases, self.liveness = set(), LivenessMonitor()
        self._scan_once()
        self._scan_once()

    def _scan_once(self):
        self.clock += SCAN_INTERVAL
        columns, rows = self._scan_rows()
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        found = self.liveness.scan(rows, self.clock, self.own_leases, set())
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
            self._recover(job, row)

    def _scan_rows(self):
        with self.runner.cursor() as cursor:
            cursor.execute(queries.IN_FLIGHT, {"limit": 0})
            return [column.name for column in cursor.description], cursor.fetchall()

    def _recover(self, job, row):
        if row["signal"]:
            self.ask(CANCELLED, (job.id, job.token))
            job.state = "cancelled"
            self.happened["started jobs cancelled"] += 1
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
        self.happened["recoveries"] += 1

    # -- a user -----------------------------------------------------------------

    def cancel(self, data):
        job = data.draw(st.sampled_from(self.of_state("pending", "enqueued")))
        self.ask("UPDATE queue_job SET state = 'cancelled' WHERE id = %s", (job.id,))
        job.state = "cancelled"

    def cancel_started(self, data):
        job = data.draw(st.sampled_from(self.of_state("started")))
        self.ask(
            "INSERT INTO queue_job_signal (job_id, claim_token, kind)"
            " VALUES (%s, %s, 'cancel')",
            (job.id, job.token),
        )
        self.happened["cancels of started jobs"] += 1

    def requeue(self, data):
        job = data.draw(st.sampled_from(self.of_state("done", "failed", "cancelled")))
        self.ask("UPDATE queue_job SET state = 'pending' WHERE id = %s", (job.id,))
        job.state = "pending"
        self.happened["requeues"] += 1

    def delete(self, data):
        """In any state, also while it runs: its worker's end is void then."""
        job = data.draw(st.sampled_from(self.jobs))
        self.ask("DELETE FROM queue_job WHERE id = %s", (job.id,))
        self.jobs.remove(job)
        job.deleted = True
        self.happened["jobs deleted"] += 1

    # -- what holds --------------------------------------------------------------------

    @invariant()
    def the_table_is_as_the_model(self):
        """And each job has left a mark for its end and each of its commits."""
        model = [(j.id, j.state, j.token, j.retry, j.marks) for j in self.jobs]
        assert sorted(self.ask(TABLE)) == sorted(model)


#: action -> its weight, and when it is possible
ACTIONS = {
    "enqueue": (1, lambda self: len(self.jobs) < MAX_JOBS),
    "claim": (3, lambda self: self.of_state("pending")),
    "fetch_batch": (2, lambda self: self.of_state("pending")),
    "start_in_order": (2, lambda self: self.idle() and self.of_state("pending")),
    "return_lease": (1, lambda self: self.of_state("enqueued")),
    "return_behind_long_job": (1, lambda self: self.of_state("enqueued")),
    "start": (8, lambda self: self.idle() and self.of_state("enqueued")),
    "start_late": (1, Claims.idle),
    "commit_inside": (3, Claims.busy),
    "finish": (5, Claims.busy),
    "fail": (2, Claims.busy),
    "die": (4, Claims.busy),
    "die_young": (4, lambda self: self.idle() and self.of_state("enqueued")),
    "be_late": (8, Claims.busy),
    "scan": (8, lambda self: self.of_state("enqueued", "started")),
    "cancel": (1, lambda self: self.of_state("pending", "enqueued")),
    "cancel_started": (3, lambda self: self.of_state("started")),
    "requeue": (1, lambda self: self.of_state("done", "failed", "cancelled")),
    "delete": (1, lambda self: len(self.jobs) == MAX_JOBS),
}


@pytest.fixture
def with_marks(database_name):
    databases.execute(
        "CREATE TABLE property_mark (job_id int)",
        database=database_name,
    )
    return database_name


def test_claims_as_the_model(with_marks):
    Claims.database = with_marks
    Claims.happened = Counter()
    run_state_machine_as_test(
        Claims,
        settings=settings(
            max_examples=60,
            stateful_step_count=100,
            deadline=None,
            derandomize=True,  # a failure is the same for everybody
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"\nin all histories: {dict(Claims.happened)}")
    seen = Claims.happened
    rare = {what: seen[what] for what, least in AT_LEAST.items() if seen[what] < least}
    assert not rare, f"too rare to prove anything: {rare}"
