# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who is dead: judgements over what is in flight."""

import pytest

from queue_job.jobrunner.recovery.liveness import (
    PATIENCE,
    REACTION,
    SECOND_LOOK,
    SETTLING,
    STUCK,
    Watch,
    next_deadline,
)

OWN = {1}


def row(state, lease_id=1, backend_pid=None, **values):
    return {
        "id": 42,
        "state": state,
        "claim_token": 3,
        "lease_id": lease_id,
        "backend_pid": backend_pid,
        "signal": None,
        "settling": False,
        "timeout": 0,
        "running_seconds": 1.0,
        "enqueued_seconds": 0.1,
        **values,
    }


def found(findings):
    """The names of the lists that aren't empty."""
    return {name for name, rows in vars(findings).items() if rows}


def look(watch, *rows, now=100.0, broken=()):
    return found(watch.examine(list(rows), now, OWN, set(broken)))


# reason, row, found at the first look, found a second later
CASES = [
    ("waits for its turn in our lease", row("enqueued"), set(), set()),
    ("claimed by a lease of another", row("enqueued", 2), {"foreign"}, {"orphans"}),
    ("claimed by nobody's lease", row("enqueued", None), {"foreign"}, {"orphans"}),
    ("runs in our lease", row("started", 1, 99), {"foreign"}, {"foreign"}),
    ("runs elsewhere", row("started", 2, 99), {"foreign"}, {"foreign"}),
    ("its session is gone", row("started", 2), {"foreign"}, {"dead"}),
    ("its worker is about to settle it", row("started"), {"foreign"}, {"foreign"}),
    (
        "told to stop, and its code has to end",
        row("started", signal="cancel"),
        {"foreign"},
        {"foreign"},
    ),
    (
        "told to stop, and its request isn't ours",
        row("started", 2, signal="cancel"),
        {"foreign"},
        {"foreign"},
    ),
    (
        "told to stop, and still there",
        row("started", 1, 99, signal="cancel"),
        {"foreign"},
        {"foreign", "to_end"},
    ),
    (
        "its time is over",
        row("started", 1, 99, timeout=1),
        {"foreign", "overdue", "to_end"},
        {"foreign", "overdue", "to_end"},
    ),
    (
        "has time left",
        row("started", 1, 99, timeout=2),
        {"foreign"},
        {"foreign"},
    ),
]


@pytest.mark.parametrize(("reason", "job", "first", "second"), CASES)
def test_two_looks(reason, job, first, second):
    watch = Watch()
    assert look(watch, job) == first
    assert look(watch, dict(job), now=100.0 + SECOND_LOOK) == second


def test_two_looks_too_close_are_one():
    """The liveness lock is taken just after the start: look twice, but not at once."""
    watch = Watch()
    look(watch, row("started", 2))
    assert look(watch, row("started", 2), now=100.2) == {"foreign"}
    assert look(watch, row("started", 2), now=100.0 + SECOND_LOOK) == {"dead"}


def test_another_attempt_is_another_suspect():
    watch = Watch()
    look(watch, row("started", 2))
    later = 100.0 + SECOND_LOOK
    assert look(watch, row("started", 2, claim_token=4), now=later) == {"foreign"}


def test_a_lock_that_came_back_clears_the_suspicion():
    watch = Watch()
    look(watch, row("started", 2))
    look(watch, row("started", 2, 99), now=101.0)
    assert not watch.suspicious
    assert look(watch, row("started", 2), now=102.0) == {"foreign"}


def test_code_that_does_not_end_is_stuck():
    """Its worker lives, but neither interrupts it nor ends itself."""
    watch = Watch()
    look(watch, row("started"))
    assert look(watch, row("started"), now=99.0 + STUCK) == {"foreign"}
    assert look(watch, row("started"), now=100.0 + STUCK) == {"foreign", "stuck"}
    assert watch.suspicious


def test_a_worker_that_is_gone_has_ended_its_code():
    """The request of the lease ends with the worker; what it ran is dead at once."""
    watch = Watch()
    job = row("started", 2, signal="timeout")
    look(watch, row("started", signal="timeout"))
    assert look(watch, job, broken=[2]) == {"dead"}
    assert look(watch, job) == {"dead"}, "and stays so, should the burial be late"


def test_code_behind_the_request_of_another_has_time_to_end():
    """A classic request, or a lease of the runner before: nobody knows its worker."""
    watch = Watch()
    for lease_id in (None, 2):
        job = row("started", lease_id, signal="timeout")
        assert look(watch, job, now=200.0) == {"foreign"}
        assert look(watch, job, now=199.0 + STUCK) == {"foreign"}
        assert look(watch, job, now=200.0 + STUCK) == {"dead"}
        assert look(watch, now=300.0) == set()


def test_an_old_claim_of_another_is_void():
    """A runner that is killed again and again never looks twice."""
    assert look(Watch(), row("enqueued", 2, enqueued_seconds=1.5)) == {"orphans"}
    assert look(Watch(), row("enqueued", 1, enqueued_seconds=1.5)) == set()


def test_a_broken_lease_returns_its_jobs_at_once():
    assert look(Watch(), row("enqueued", 2), broken=[2]) == {"orphans"}


def test_what_waits_behind_a_long_job_of_its_lease_is_stranded():
    waiting = row("enqueued", enqueued_seconds=SECOND_LOOK)
    long = row("started", 1, 99, id=43, running_seconds=SECOND_LOOK)
    assert look(Watch(), waiting, long) == {"foreign", "stranded"}
    for other in (
        row("started", 1, 99, id=43, running_seconds=0.9),
        row("started", 2, 99, id=43, running_seconds=9.0),
    ):
        assert look(Watch(), waiting, other) == {"foreign"}
    fresh = row("enqueued", enqueued_seconds=0.9)
    assert look(Watch(), fresh, long) == {"foreign"}


def test_a_session_that_ignores_a_cancel_is_forced():
    watch = Watch()
    job = row("started", 1, 99, signal="cancel")
    watch.examine([job], 100.0, OWN, set())
    assert watch.hurried
    watch.examine([job], 100.0 + REACTION, OWN, set())
    assert not job["force"] and not watch.hurried
    watch.examine([job], 100.0 + PATIENCE, OWN, set())
    assert job["force"]


def test_who_writes_down_the_end_has_time_for_it():
    watch = Watch()
    job = row("started", 1, 99, signal="timeout", settling=True)
    assert look(watch, job) == {"foreign"}
    assert look(watch, job, now=99.0 + SETTLING) == {"foreign"}
    assert look(watch, job, now=100.0 + SETTLING) == {"foreign", "to_end"}


def test_next_deadline():
    assert next_deadline([]) is None
    assert next_deadline([row("started", timeout=0)]) is None
    assert next_deadline([row("enqueued", timeout=5)]) is None
    jobs = [row("started", timeout=5), row("started", timeout=3)]
    assert next_deadline(jobs) == 2.0
    assert next_deadline([row("started", timeout=0.5)]) == 0.0
