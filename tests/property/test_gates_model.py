# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random lives of jobs with keys, held against a simple model of the two rules.

The statements are the real ones; the model knows only the rows. What holds after each
step: no more jobs of a key are in flight than its limit says. And whenever the runner
has judged:

- what was let through of a sequence is the first of its key, and nothing has failed;
- no place is empty while a job could take it.

At the end everything runs that nothing blocks: nobody is held for ever.
"""

from collections import Counter

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

from queue_job.claim import claims
from queue_job.jobrunner.session import queries
from queue_job.keys import admission
from setup import database as databases

CHANNELS = ("root", "root.a")
#: stored key -> limit; 0: in sequence
GATES = {"sequence:a": 0, "sequence:b": 0, "concurrency:a": 1, "concurrency:b": 2}
IN_FLIGHT = ("enqueued", "started")

INSERT = """
INSERT INTO queue_job (uuid, state, model_name, method_name, name, user_id, retry,
                       priority, date_created, channel, eta, gate, gate_limit,
                       gate_state, scheduled)
VALUES (gen_random_uuid()::text, %(state)s, 'res.users', 'read', 'x', 1, 0,
        %(priority)s, now() AT TIME ZONE 'UTC', %(channel)s,
        CASE WHEN %(later)s THEN (now() AT TIME ZONE 'UTC') + interval '1 hour' END,
        %(gate)s, %(limit)s,
        CASE WHEN %(state)s = 'pending' THEN 'new' END, %(state)s = 'pending')
"""
CLAIM = f"""
UPDATE queue_job SET state = 'enqueued', claim_token = coalesce(claim_token, 0) + 1
 WHERE id = (SELECT id FROM queue_job
              WHERE state = 'pending' AND scheduled IS NOT TRUE
                AND (eta IS NULL OR eta <= {claims.UTC_NOW})
              ORDER BY priority, date_created, id LIMIT 1)
"""
LEAD = """
INSERT INTO queue_job_runner (uuid, leader) VALUES ('the leader', TRUE)
ON CONFLICT (uuid) DO NOTHING
"""
FOLLOW = claims.START_NEXT.format(
    next=admission.NEXT_OF_KEY, columns="j.id", admitted=admission.ADMITTED
)
CLAIM_SEQUENCES = (
    CLAIM[: CLAIM.index(" WHERE id")]
    + """
 WHERE state = 'pending' AND gate_state = 'open' AND gate_limit = 0
"""
)
READ = f"""
SELECT id, state, channel, gate, gate_limit, gate_state, priority, date_created,
       coalesce(eta > {claims.UTC_NOW}, FALSE) AS early, scheduled
  FROM queue_job WHERE gate IS NOT NULL
"""


def rank(row):
    return row["priority"], row["date_created"], row["id"]


class Gates(RuleBasedStateMachine):
    database = ""
    happened: Counter[str] = Counter()

    def __init__(self):
        super().__init__()
        self.connection = databases.connect(self.database)
        self.judged = False

    def teardown(self):
        try:
            self.let_all_run()
        finally:
            self.connection.close()

    def ask(self, query, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            rows = cursor.fetchall() if cursor.description else []
        self.judged = False
        return rows

    def jobs(self, *states):
        with self.connection.cursor() as cursor:
            cursor.execute(READ)
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [row for row in rows if not states or row["state"] in states]

    def draw(self, data, *states):
        return data.draw(st.sampled_from(self.jobs(*states)))

    def lines(self):
        found = {}
        for row in self.jobs():
            found.setdefault((row["channel"], row["gate"]), []).append(row)
        return found

    # -- what happens ----------------------------------------------------------------

    @initialize()
    def clean(self):
        self.ask("TRUNCATE queue_job CASCADE")
        self.ask(LEAD)

    @rule(
        channel=st.sampled_from(CHANNELS),
        gate=st.sampled_from(sorted(GATES)),
        priority=st.sampled_from((5, 10)),
        state=st.sampled_from(("pending", "pending", "pending", "wait_dependencies")),
        later=st.sampled_from((False, False, False, True)),
    )
    def enqueue_one(self, channel, gate, priority, state, later):
        self.enqueue(channel, gate, priority, state, later)

    def enqueue(self, channel, gate, priority, state, later):
        self.ask(
            INSERT,
            {
                "channel": channel,
                "gate": gate,
                "limit": GATES[gate],
                "priority": priority,
                "state": state,
                "later": later,
            },
        )

    @rule()
    def turn(self):
        """The runner promotes what is due, and judges."""
        while self.ask(queries.AFFAIRS)[0][1] is not None:
            if self.ask(queries.AFFAIRS)[0][1] > 0:
                break
            self.ask(queries.PROMOTE)
        with self.connection.cursor() as cursor:
            assert admission.admit_marked(cursor) is False
        self.judged = True

    @rule()
    def claim(self):
        """The runner, or a worker that tops up before the runner has judged."""
        self.ask(CLAIM)

    @precondition(lambda self: self.jobs("enqueued"))
    @rule(data=st.data())
    def start(self, data):
        job = self.draw(data, "enqueued")
        self.ask("UPDATE queue_job SET state = 'started' WHERE id = %s", (job["id"],))

    @precondition(lambda self: self.jobs(*IN_FLIGHT))
    @rule(
        data=st.data(),
        state=st.sampled_from(("done", "done", "failed", "pending", "cancelled")),
        later=st.booleans(),
        dies=st.booleans(),
    )
    def end(self, data, state, later, dies):
        """An attempt ends; its worker judges, or dies before."""
        job = self.draw(data, *IN_FLIGHT)
        eta = "(now() AT TIME ZONE 'UTC') + interval '1 hour'" if later else "NULL"
        self.ask(
            f"UPDATE queue_job SET state = %s, scheduled = FALSE, eta = {eta}"
            " WHERE id = %s",
            (state, job["id"]),
        )
        if not dies:
            with self.connection.cursor() as cursor:
                key = job["channel"], job["gate"]
                admission.admit(cursor, [key], [job["id"]])

    @rule(
        data=st.data(),
        channels=st.sampled_from((CHANNELS, CHANNELS[:1], ())),
        priorities=st.lists(st.sampled_from((5, 10)), max_size=3),
    )
    def serve_a_lease(self, data, channels, priorities):
        """It goes on with the next job of a key for as long as that is its next one."""
        for priority in priorities:
            self.enqueue(CHANNELS[0], "sequence:a", priority, "pending", False)
        if not self.in_sequence(*IN_FLIGHT):
            self.turn()
            self.ask(CLAIM_SEQUENCES)
        running = self.in_sequence(*IN_FLIGHT)
        job = data.draw(st.sampled_from(running)) if running else None
        while job:
            job = self.end_and_follow(job, channels)

    def end_and_follow(self, job, channels):
        """Return the job that was started, None without one."""
        self.ask("UPDATE queue_job SET state = 'done' WHERE id = %s", (job["id"],))
        key = job["channel"], job["gate"]
        expected = self.next_of(key, {job["channel"], *channels})
        served = [job["channel"], *channels]
        lease = ["the leader", served, 1, "host", 1]
        started = self.ask(f"{admission.TRY_KEY}; {FOLLOW}", [*key, *key, *lease])
        assert [row[0] for row in started] == expected
        self.happened["followed" if expected else "not followed"] += 1
        self.limits_hold()
        return next((row for row in self.jobs() if [row["id"]] == expected), None)

    def in_sequence(self, *states):
        return [row for row in self.jobs(*states) if not row["gate_limit"]]

    def next_of(self, key, channels):
        """The ids of the job of a key that may start now, none or one."""
        line = self.lines()[key]
        waiting = sorted((row for row in line if row["state"] == "pending"), key=rank)
        is_open = [row for row in waiting if row["gate_state"] == "open"]
        if any(row["state"] in (*IN_FLIGHT, "failed") for row in line):
            return []
        if not waiting or waiting[0]["early"] or is_open not in ([], waiting[:1]):
            return []
        others = [
            row
            for row in self.jobs("pending")
            if row["channel"] in channels and not row["scheduled"] and not row["early"]
        ]
        first = min([waiting[0], *others], key=rank)
        return [first["id"]] if first == waiting[0] else []

    @precondition(
        lambda self: self.jobs("pending", "failed", "done", "wait_dependencies")
    )
    @rule(
        data=st.data(),
        change=st.sampled_from(
            (
                "state = 'pending'",
                "state = 'done'",
                "state = 'cancelled'",
                "state = 'wait_dependencies'",
                "priority = 1",
                "priority = 20",
                "eta = NULL, scheduled = FALSE",
                "channel = 'root.a'",
                "channel = NULL",
            )
        ),
    )
    def change(self, data, change):
        """By a user, or by SQL from outside."""
        job = self.draw(data, "pending", "failed", "done", "wait_dependencies")
        self.ask(f"UPDATE queue_job SET {change} WHERE id = %s", (job["id"],))
        if change.startswith("channel"):
            self.sweep_if_marked(job)

    @precondition(lambda self: self.jobs("pending", "failed"))
    @rule(data=st.data())
    def delete(self, data):
        job = self.draw(data, "pending", "failed")
        self.ask("DELETE FROM queue_job WHERE id = %s", (job["id"],))
        self.sweep_if_marked(job)

    def sweep_if_marked(self, job):
        """Its mark is gone before somebody has judged: that is for the sweep."""
        if job["gate_state"] == "new":
            with self.connection.cursor() as cursor:
                admission.sweep(cursor)

    @rule()
    def all_dates_come(self):
        """Time passes, which no trigger sees."""
        self.ask(
            "SET session_replication_role = replica;"
            "UPDATE queue_job SET eta = now() AT TIME ZONE 'UTC' WHERE eta IS NOT NULL;"
            "SET session_replication_role = origin"
        )

    # -- what holds ------------------------------------------------------------------

    @invariant()
    def limits_hold(self):
        for (_channel, gate), rows in self.lines().items():
            running = [row for row in rows if row["state"] in IN_FLIGHT]
            taken = [
                row
                for row in rows
                if row["state"] == "pending" and row["gate_state"] == "open"
            ]
            assert len(running) + len(taken) <= max(GATES[gate], 1)

    @invariant()
    def what_is_held_is_invisible(self):
        for row in self.jobs("pending"):
            assert (row["gate_state"] == "open") == (not row["scheduled"]), row

    @invariant()
    def the_judge_was_right(self):
        if not self.judged:
            return
        for (_channel, gate), rows in self.lines().items():
            strict = not GATES[gate]
            line = sorted(
                (row for row in rows if row["state"] == "pending"),
                key=rank,
            )
            due = [row for row in line if not row["early"]]
            is_open = [row for row in line if row["gate_state"] == "open"]
            busy = sum(row["state"] in IN_FLIGHT for row in rows)
            if strict:
                busy += any(row["state"] == "failed" for row in rows)
                first = [] if busy or not line or line[0]["early"] else line[:1]
                assert is_open == first
            else:
                assert len(is_open) == min(len(due), max(GATES[gate] - busy, 0))

    def let_all_run(self):
        """Failed jobs are requeued and all dates come: then everything gets done."""
        self.all_dates_come()
        self.ask(
            "UPDATE queue_job SET state = 'pending'"
            " WHERE state IN ('failed', 'wait_dependencies')"
        )
        for _round in range(len(self.jobs()) * 2 + 2):
            self.turn()
            self.the_judge_was_right()
            self.ask(CLAIM)
            self.limits_hold()
            self.ask(
                "UPDATE queue_job SET state = 'done' WHERE id = (SELECT id FROM"
                " queue_job WHERE state IN ('enqueued', 'started') ORDER BY id LIMIT 1)"
            )
        assert not self.jobs("pending", *IN_FLIGHT)


def test_gates_as_the_model(database_name):
    Gates.database = database_name
    Gates.happened = Counter()
    run_state_machine_as_test(
        Gates,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert min(Gates.happened[name] for name in ("followed", "not followed")) > 20
