# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random lives of jobs that wait for others, held against the table of conditions.

Jobs end, in any way and at any time; what must follow is done by the real statements,
at once or by the sweep; and jobs are deleted, in any state, alone or several by one
statement, before or after that. The model remembers the parents that were deleted, and
how they were.

What holds after each step: a child has become pending only if each of its parents ended
as it wants, and cancelled only if one never can. And after a sweep nobody waits any
more for what is decided.
"""

from collections import Counter
from dataclasses import dataclass, field

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

from queue_job.core.states import FINAL
from queue_job.storage import dependencies
from setup import database as databases

WAITING = "wait_dependencies"
INSERT = """
INSERT INTO queue_job (uuid, state, model_name, method_name, name, user_id, retry,
                       priority, date_created, channel)
SELECT gen_random_uuid()::text, %s, 'res.users', 'read', 'x', 1, 0, 10,
       now() AT TIME ZONE 'UTC', 'root'
RETURNING id
"""
SET_STATE = "UPDATE queue_job SET state = %s WHERE id = %s"
DELETE = "DELETE FROM queue_job WHERE id = ANY(%s)"
READ = "SELECT id, state FROM queue_job"

#: What must have happened in all histories together, at least so often.
AT_LEAST = {
    "released": 15,
    "cancelled": 30,
    "released although a parent was deleted": 4,
    "cancelled because a parent was deleted": 15,
    "requeued behind a deleted parent": 3,
}


@dataclass(eq=False)
class Job:
    """A job; a deleted one has kept the state in which it was."""

    id: int
    state: str
    deleted: bool = False
    parents: dict["Job", str] = field(default_factory=dict)

    def never_runs(self) -> bool:
        """Whether a parent can't end any more as the job wants."""
        return any(
            not is_met(parent, condition)
            and (
                parent.deleted
                or parent.state == "cancelled"
                or (condition == "failed" and parent.state == "done")
            )
            for parent, condition in self.parents.items()
        )

    def may_run(self) -> bool:
        """Whether each parent has ended as the job wants."""
        return all(is_met(parent, wish) for parent, wish in self.parents.items())


def is_met(parent: Job, condition: str) -> bool:
    """Whether the parent lets the job go on; a deleted one has ended in any case."""
    if parent.deleted and parent.state not in FINAL:
        return condition == "always"
    return dependencies.is_satisfied(condition, parent.state)


class Graphs(RuleBasedStateMachine):
    database = ""
    happened: Counter[str] = Counter()

    def __init__(self):
        super().__init__()
        self.connection = databases.connect(self.database)
        self.jobs: list[Job] = []

    def teardown(self):
        self.connection.close()

    def ask(self, query, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def draw(self, data, *states):
        return data.draw(st.sampled_from(self.of_state(*states)))

    def of_state(self, *states):
        return [job for job in self.jobs if not states or job.state in states]

    @initialize()
    def clean(self):
        self.ask("SET synchronous_commit = off; DELETE FROM queue_job")
        for _number in range(3):
            self.enqueue()

    # -- what happens ------------------------------------------------------------------

    @precondition(lambda self: len(self.jobs) < 8)
    @rule()
    def enqueue(self):
        self.jobs.append(Job(self.ask(INSERT, ("pending",))[0][0], "pending"))

    @precondition(lambda self: 0 < len(self.jobs) < 8)
    @rule(data=st.data())
    def enqueue_child(self, data):
        """Of jobs in any state: they may have ended since they were found."""
        some = st.sampled_from(self.jobs)
        parents = data.draw(st.lists(some, min_size=1, max_size=3, unique_by=id))
        conditions = st.sampled_from(("done", *dependencies.CONDITIONS))
        child = Job(self.ask(INSERT, (WAITING,))[0][0], WAITING)
        child.parents = {parent: data.draw(conditions) for parent in parents}
        self.jobs.append(child)
        self.ask(
            dependencies.ADD_EDGES,
            {
                "parents": [parent.id for parent in parents],
                "children": [child.id] * len(parents),
                "conditions": list(child.parents.values()),
            },
        )

    @precondition(lambda self: self.of_state("pending", "started"))
    @rule(
        data=st.data(),
        state=st.sampled_from(("started", "done", "failed", "cancelled")),
        releases=st.booleans(),
    )
    def go_on(self, data, state, releases):
        """An attempt begins or ends; its worker releases the children, or dies."""
        self.end(self.draw(data, "pending", "started"), state, releases)

    @precondition(lambda self: self.of_state(WAITING))
    @rule(data=st.data(), releases=st.booleans(), deletes=st.booleans())
    def go_well(self, data, releases, deletes):
        """The parents of a child which may still end, end as the child wants.

        Perhaps they are deleted, as by the upkeep, before anybody has seen that.
        """
        child = self.draw(data, WAITING)
        for parent, condition in child.parents.items():
            if parent.state in ("pending", "started") and not parent.deleted:
                wanted = "done" if condition == "always" else condition
                self.end(parent, wanted, releases and not deletes)
                if deletes:
                    self.remove([parent])

    def end(self, job, state, releases):
        self.ask(SET_STATE, (state, job.id))
        job.state = state
        if releases:
            with self.connection.cursor() as cursor:
                dependencies.released_rows(cursor, [job.id])
            self.see_changes()

    @rule()
    def sweep(self):
        with self.connection.cursor() as cursor:
            dependencies.repair_releases(cursor)
        self.see_changes()
        for child in self.of_state(WAITING):
            assert not child.may_run()
            assert not any(
                p.deleted and not is_met(p, c) for p, c in child.parents.items()
            )

    @precondition(lambda self: self.of_state(*FINAL))
    @rule(data=st.data())
    def requeue(self, data):
        """As a user does: it waits again where it has to."""
        job = self.draw(data, *FINAL)
        blocked = self.ask(dependencies.IS_BLOCKED, {"id": job.id})[0][0]
        assert blocked != job.may_run()
        job.state = WAITING if blocked else "pending"
        self.ask(SET_STATE, (job.state, job.id))
        lost = any(p.deleted and not is_met(p, c) for p, c in job.parents.items())
        self.happened["requeued behind a deleted parent"] += lost

    @precondition(lambda self: len(self.jobs) > 3)
    @rule(data=st.data(), sweeps=st.booleans())
    def delete(self, data, sweeps):
        """In any state, parents and children by one statement."""
        some = st.sampled_from(self.jobs)
        jobs = data.draw(st.lists(some, min_size=1, max_size=2, unique_by=id))
        self.remove(jobs)
        if sweeps:
            self.sweep()

    def remove(self, jobs):
        self.ask(DELETE, ([job.id for job in jobs],))
        for job in jobs:
            job.deleted = True
            self.jobs.remove(job)

    # -- what holds --------------------------------------------------------------------

    def see_changes(self):
        """Take over what the statements have decided, if they were right."""
        before = {job: job.state for job in self.of_state(WAITING)}
        states = dict(self.ask(READ))
        for child in before:
            child.state = states[child.id]
        for child in before:
            deleted = any(parent.deleted for parent in child.parents)
            if child.state == "pending":
                assert child.may_run(), child
                self.happened["released"] += 1
                self.happened["released although a parent was deleted"] += deleted
            elif child.state == "cancelled":
                assert child.never_runs(), child
                self.happened["cancelled"] += 1
                self.happened["cancelled because a parent was deleted"] += deleted
            else:
                assert child.state == WAITING

    @invariant()
    def nothing_else_has_changed(self):
        assert dict(self.ask(READ)) == {job.id: job.state for job in self.jobs}


def test_graphs_as_the_model(database_name):
    Graphs.database = database_name
    Graphs.happened = Counter()
    run_state_machine_as_test(
        Graphs,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,  # a failure is the same for everybody
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"\nin all histories: {dict(Graphs.happened)}")
    seen = Graphs.happened
    rare = {what: seen[what] for what, least in AT_LEAST.items() if seen[what] < least}
    assert not rare, f"too rare to prove anything: {rare}"
