# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random life on random trees, compared with what anybody can see to be right.

The model knows no queues and no slots: it lists all jobs with their facts, and says
by looking at the whole list which of them could start. After each step:

* no channel runs more jobs than its capacity, over all databases that share it;
* no more start in any period than the rate says, also when the rate has changed;
* what starts is the first of those that may, by (priority, creation, id);
* nothing that may start is left waiting, and no job is lost or started twice;
* what only time keeps from starting is known to get_wakeup_time.
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from queue_job.jobrunner.channels import ChannelManager, ChannelSettings, SharedSlots
from queue_job.jobrunner.schedule.maxima import Maxima, maximum_of, parse_databases

PATHS = ("root", "root.a", "root.a.x", "root.a.y", "root.b", "root.b.z")
SETTINGS = st.fixed_dictionaries(
    {
        "capacity": st.sampled_from((0, 1, 1, 2, 3)),
        "sequential": st.booleans(),
        "throttle": st.sampled_from((0, 0, 0, 2)),
        "rate_limit": st.sampled_from((0, 0, 0, 1, 2, 3)),
        "rate_period": st.sampled_from((3, 5)),
        "paused": st.sampled_from((False, False, False, True)),
    }
)
STEP = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass
class Fact:
    """A job as the table has it."""

    id: int
    path: str
    priority: int
    created: int
    eta: int | None
    state: str = "pending"

    @property
    def rank(self):
        return self.priority, self.created, self.id


@dataclass
class Lease:
    """May make so many starts; those that it has made, the runner hears at its end."""

    path: str
    number: int
    made: list[int]

    def is_below(self, path):
        return path in lineage(self.path)


def lineage(path):
    """The channel and its ancestors."""
    parts = path.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


class ChannelMachine(RuleBasedStateMachine):
    """One database, reconfigured while it works."""

    def __init__(self):
        super().__init__()
        self.manager = ChannelManager()
        self.jobs = {}
        self.now = 100
        self.rules = {}
        self.throttled_until = dict.fromkeys(PATHS, 0)
        self.starts = {path: [] for path in PATHS}
        self.leases = {}

    # -- what happens --

    @initialize(rows=st.fixed_dictionaries(dict.fromkeys(PATHS, SETTINGS)))
    def configure_all(self, rows):
        for path, row in rows.items():
            self.configure(path, row)

    @rule(path=st.sampled_from(PATHS), row=SETTINGS)
    def configure(self, path, row):
        for job_id in list(self.leases):
            self.report(job_id)
        if row["sequential"] or (path == "root" and not row["capacity"]):
            row = {**row, "capacity": 1}
        self.rules[path] = row
        if not row["throttle"]:
            self.throttled_until[path] = 0
        self.manager.apply_settings(
            ChannelSettings(name, **each) for name, each in self.rules.items()
        )
        for channel, _rate in self.manager.uncounted_rates():  # as from the table
            recent = self.recent_starts(channel.fullname)
            self.manager.count_starts(channel, recent[-channel.rate.number :])

    @rule(
        path=st.sampled_from(PATHS),
        priority=st.integers(1, 3),
        created=st.integers(0, 3),
        wait=st.sampled_from((None, None, 3)),
    )
    def enqueue(self, path, priority, created, wait):
        eta = None if wait is None else self.now + wait
        job = Fact(len(self.jobs) + 1, path, priority, created, eta)
        self.jobs[job.id] = job
        self.tell(job)

    @rule(data=st.data(), state=st.sampled_from(("done", "failed", "pending")))
    @precondition(lambda self: self.in_state("started"))
    def finish(self, data, state):
        job = data.draw(st.sampled_from(self.in_state("started")))
        job.state = state
        job.eta = self.now + 2 if state == "pending" else None
        self.tell(job)

    @rule(data=st.data(), wanted=st.integers(1, 3))
    @precondition(lambda self: self.in_state("started"))
    def grant(self, data, wanted):
        """The lease of a job may make further starts where there is a rate."""
        job = data.draw(st.sampled_from(self.in_state("started")))
        rated = [path for path in lineage(job.path) if self.rules[path]["rate_limit"]]
        if job.id in self.leases or not rated:
            return
        owner = "db", f"lease {job.id}"
        number = self.manager.reservations.reserve(job.path, owner, wanted, self.now)
        room = [self.rules[path]["rate_limit"] - self.counted(path) for path in rated]
        assert number == max(0, min([wanted, *room]))
        if number:
            self.leases[job.id] = Lease(job.path, number, [])

    @rule(data=st.data())
    @precondition(lambda self: self.leases)
    def start_further(self, data):
        """A lease starts another job: never more in a period than the rate says."""
        lease = self.leases[data.draw(st.sampled_from(sorted(self.leases)))]
        if len(lease.made) == lease.number:
            return
        lease.made.append(self.now)
        for path in lineage(lease.path):
            limit = self.rules[path]["rate_limit"]
            others = [each for each in self.leases.values() if each.is_below(path)]
            made = [when for each in others for when in each.made]
            period = self.rules[path]["rate_period"]
            made = [when for when in made if when > self.now - period]
            assert not limit or len(self.recent_starts(path)) + len(made) <= limit

    @rule(data=st.data())
    @precondition(lambda self: self.leases)
    def end_lease(self, data):
        self.report(data.draw(st.sampled_from(sorted(self.leases))))

    def report(self, job_id):
        lease = self.leases.pop(job_id)
        self.manager.reservations.settle(("db", f"lease {job_id}"), lease.made)
        for path in lineage(lease.path):
            self.starts[path] = sorted([*self.starts[path], *lease.made])

    @rule(data=st.data(), state=st.sampled_from(("started", "cancelled", "pending")))
    @precondition(lambda self: self.in_state("pending", "failed"))
    def change_elsewhere(self, data, state):
        """Another runner starts it, or a user cancels or requeues it."""
        job = data.draw(st.sampled_from(self.in_state("pending", "failed")))
        job.state, job.eta = state, None
        self.tell(job)

    @rule()
    def forget_and_feed_again(self):
        """The runner keeps no backlog."""
        self.manager.clear_candidates()
        for job in self.in_state("pending", "failed"):
            self.tell(job)

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def turn(self):
        for path, until in self.throttled_until.items():
            if until <= self.now:
                self.throttled_until[path] = 0
        started = [job.uuid for job in self.manager.get_jobs_to_run(self.now)]
        for uuid in started:
            job = self.jobs[int(uuid)]
            assert job is self.first_that_may_start()
            self.start(job)
        assert self.first_that_may_start() is None  # nobody starves
        self.check_wakeup()

    def check_wakeup(self):
        """What only time keeps from starting is started in time."""
        now = self.now
        for self.now in range(now + 1, now + 6):
            if self.first_that_may_start():
                assert 0 < self.manager.get_wakeup_time() <= self.now
                break
        self.now = now

    def tell(self, job):
        self.manager.notify(
            "db",
            job.path,
            str(job.id),
            job.id,
            job.created,
            job.priority,
            job.eta,
            job.state,
        )

    # -- what is right --

    def in_state(self, *states):
        return [job for job in self.jobs.values() if job.state in states]

    def running(self, path):
        return sum(path in lineage(job.path) for job in self.in_state("started"))

    def start(self, job):
        job.state = "started"
        for path in lineage(job.path):
            self.starts[path].append(self.now)
            if self.rules[path]["throttle"]:
                self.throttled_until[path] = self.now + self.rules[path]["throttle"]

    def recent_starts(self, path):
        period = self.rules[path]["rate_period"]
        return [when for when in self.starts[path] if when > self.now - period]

    def counted(self, path):
        """The starts of the period, and those that open leases have reserved."""
        reserved = [each for each in self.leases.values() if each.is_below(path)]
        recent = self.recent_starts(path)
        return len(recent) + sum(each.number for each in reserved)

    def is_open(self, path):
        row = self.rules[path]
        if row["rate_limit"] and self.counted(path) >= row["rate_limit"]:
            return False
        failed = any(job.path == path for job in self.in_state("failed"))
        return not (
            row["paused"]
            or self.throttled_until[path] > self.now
            or (row["sequential"] and failed)
            or (row["capacity"] and self.running(path) >= row["capacity"])
        )

    def may_start(self, job):
        if job.eta and job.eta > self.now:
            return False
        first = all(
            job.rank <= other.rank
            for other in self.in_state("pending")
            if other.path == job.path
        )
        in_order = first or not self.rules[job.path]["sequential"]
        return in_order and all(map(self.is_open, lineage(job.path)))

    def first_that_may_start(self):
        jobs = filter(self.may_start, self.in_state("pending"))
        return min(jobs, key=lambda job: job.rank, default=None)

    @invariant()
    def counts_agree(self):
        for path in PATHS:
            channel = self.manager.get_channel_by_name(path, autocreate=True)
            assert len(channel._running) == self.running(path) == channel._slots.count
            held = {"failed": channel._failed, "pending": channel._queue}
            for state, jobs in held.items():
                mine = [job for job in self.in_state(state) if job.path == path]
                assert len(jobs) == len(mine)


class SharedMachine(RuleBasedStateMachine):
    """Three databases, of which each takes a turn when it is called."""

    names = ("x", "y", "z")
    capacities = {"root": 3, "root.a": 1}

    def __init__(self):
        super().__init__()
        self.shared = SharedSlots(lambda: 1000.0)
        self.called = []
        self.managers = {}
        self.waiting = {name: set() for name in self.names}
        self.running = {name: {} for name in self.names}
        self.number = 0
        for name in self.names:
            self.managers[name] = self.make_manager(name)
            self.shared.listen(name, lambda name=name: self.called.append(name))

    def make_manager(self, name):
        manager = ChannelManager(self.shared, name)
        manager.simple_configure("root:3,a:1")
        return manager

    @rule(
        name=st.sampled_from(names),
        path=st.sampled_from(("root.a", "root.b")),
        count=st.integers(1, 4),
    )
    def enqueue(self, name, path, count):
        for _each in range(count):
            self.number += 1
            self.waiting[name].add((path, self.number))
        self.called.append(name)
        self.answer_calls()

    @rule(data=st.data())
    @precondition(lambda self: any(self.running.values()))
    def finish(self, data):
        name = data.draw(
            st.sampled_from([name for name in self.names if self.running[name]])
        )
        number = data.draw(st.sampled_from(sorted(self.running[name])))
        del self.running[name][number]
        self.managers[name].remove_job(str(number), name)
        self.called.append(name)
        self.answer_calls()

    def answer_calls(self):
        for _step in range(100):
            if not self.called:
                return
            self.turn(self.called.pop(0))
        raise AssertionError("they call each other for ever")

    def turn(self, name):
        """As the runner does: look for room, feed candidates, start, forget."""
        manager = self.managers[name]
        while manager.free_slots():
            for path, number in self.waiting[name]:
                args = (path, str(number), number, 0, 10, None, "pending")
                manager.notify(name, *args)
            jobs = manager.get_jobs_to_run(0)
            manager.clear_candidates()
            for job in jobs:
                path = job.channel.fullname
                self.waiting[name].remove((path, int(job.uuid)))
                self.running[name][int(job.uuid)] = path
                self.note_start(name)
            if not jobs:
                break

    def note_start(self, name):
        """A job of this database has started."""

    @invariant()
    def capacities_hold(self):
        for path, capacity in self.capacities.items():
            assert self.held(path) <= capacity
            assert self.shared[path].count == self.held(path)

    @invariant()
    def nobody_waits_while_there_is_room(self):
        if self.held("root") < 3:
            waiting = {path for jobs in self.waiting.values() for path, _id in jobs}
            assert "root.b" not in waiting
            assert "root.a" not in waiting or self.held("root.a") == 1

    def held(self, path):
        return sum(
            path in lineage(each)
            for running in self.running.values()
            for each in running.values()
        )


class MaximaMachine(SharedMachine):
    """The channels are ruled by records: each database has a maximum, all have one."""

    total = 3
    roots = {"x": 2, "y": 1, "z": 3}
    maxima = parse_databases("x:2,y:1,*:9")

    def __init__(self):
        super().__init__()
        #: starts of others while a database without any slot could have one
        self.passed_over = dict.fromkeys(self.names, 0)

    def make_manager(self, name):
        own = Maxima(self.total, maximum_of(name, self.maxima))
        manager = ChannelManager(self.shared, name, maxima=own)
        manager.apply_settings([ChannelSettings("root.a", 1)])
        return manager

    def note_start(self, name):
        self.passed_over[name] = 0
        for other in set(self.names) - {name}:
            if self.waiting[other] and not self.running[other]:
                self.passed_over[other] += 1

    @rule(name=st.sampled_from(SharedMachine.names))
    def lose(self, name):
        """A runner loses a database with all its slots, and leads it again."""
        self.managers[name].forget_all()
        self.managers[name] = self.make_manager(name)
        self.shared.give_up(name)
        self.running[name].clear()
        self.called.append(name)
        self.answer_calls()
        # others may have taken all that it held before it was back and asked
        self.passed_over[name] = 0

    @invariant()
    def capacities_hold(self):
        counts = {name: len(self.running[name]) for name in self.names}
        assert sum(counts.values()) <= self.total
        assert self.managers["x"].total == (self.total, sum(counts.values()))
        for name, running in self.running.items():
            assert len(running) <= self.roots[name]
            assert list(running.values()).count("root.a") <= 1

    @invariant()
    def nobody_waits_while_there_is_room(self):
        if sum(map(len, self.running.values())) == self.total:
            return
        for name, waiting in self.waiting.items():
            if len(self.running[name]) < self.roots[name]:
                paths = {path for path, _number in waiting}
                assert "root.b" not in paths
                assert "root.a" not in paths or "root.a" in self.running[name].values()

    @invariant()
    def nobody_starves(self):
        assert max(self.passed_over.values()) < len(self.names)


TestChannels = ChannelMachine.TestCase
TestChannels.settings = STEP
TestShared = SharedMachine.TestCase
TestShared.settings = STEP
TestMaxima = MaximaMachine.TestCase
TestMaxima.settings = STEP
