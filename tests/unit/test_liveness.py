# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Liveness scans: what is dead, of what is in flight."""

import pytest

from queue_job.jobrunner.recovery.liveness import (
    CANCEL_GRACE,
    SECOND_SCAN,
    SETTLE_GRACE,
    STUCK_AFTER,
    TERMINATE_AFTER,
    LivenessMonitor,
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


def scan(monitor, *rows, now=100.0, broken=()):
    return found(monitor.scan(list(rows), now, OWN, set(broken)))


# reason, row, found by the first scan, found a second later
CASES = [
    ("waits for its turn in our lease", row("enqueued"), set(), set()),
    ("claimed by a lease of another", row("enqueued", 2), {"external"}, {"orphans"}),
    ("claimed by nobody's lease", row("enqueued", None), {"external"}, {"orphans"}),
    ("runs in our lease", row("started", 1, 99), {"external"}, {"external"}),
    ("runs elsewhere", row("started", 2, 99), {"external"}, {"external"}),
    ("its session is gone", row("started", 2), {"external"}, {"dead"}),
    ("its worker is about to settle it", row("started"), {"external"}, {"external"}),
    (
        "told to stop, and its code has to end",
        row("started", signal="cancel"),
        {"external"},
        {"external"},
    ),
    (
        "told to stop, and its request isn't ours",
        row("started", 2, signal="cancel"),
        {"external"},
        {"external"},
    ),
    (
        "told to stop, and still there",
        row("started", 1, 99, signal="cancel"),
        {"external"},
        {"external", "to_end"},
    ),
    (
        "its time is over",
        row("started", 1, 99, timeout=1),
        {"external", "overdue", "to_end"},
        {"external", "overdue", "to_end"},
    ),
    (
        "has time left",
        row("started", 1, 99, timeout=2),
        {"external"},
        {"external"},
    ),
]


@pytest.mark.parametrize(("reason", "job", "first", "second"), CASES)
def test_two_looks(reason, job, first, second):
    monitor = LivenessMonitor()
    assert scan(monitor, job) == first
    assert scan(monitor, dict(job), now=100.0 + SECOND_SCAN) == second


def test_two_looks_too_close_are_one():
    """The liveness lock is taken just after the start: scan twice, but not at once."""
    monitor = LivenessMonitor()
    scan(monitor, row("started", 2))
    assert scan(monitor, row("started", 2), now=100.2) == {"external"}
    assert scan(monitor, row("started", 2), now=100.0 + SECOND_SCAN) == {"dead"}


def test_another_attempt_is_another_suspect():
    monitor = LivenessMonitor()
    scan(monitor, row("started", 2))
    later = 100.0 + SECOND_SCAN
    assert scan(monitor, row("started", 2, claim_token=4), now=later) == {"external"}


def test_a_lock_that_came_back_clears_the_suspicion():
    monitor = LivenessMonitor()
    scan(monitor, row("started", 2))
    scan(monitor, row("started", 2, 99), now=101.0)
    assert not monitor.suspicious
    assert scan(monitor, row("started", 2), now=102.0) == {"external"}


def test_code_that_does_not_end_is_stuck():
    """Its worker lives, but neither interrupts it nor ends itself."""
    monitor = LivenessMonitor()
    scan(monitor, row("started"))
    assert scan(monitor, row("started"), now=99.0 + STUCK_AFTER) == {"external"}
    assert scan(monitor, row("started"), now=100.0 + STUCK_AFTER) == {
        "external",
        "stuck",
    }
    assert monitor.suspicious


def test_a_worker_that_is_gone_has_ended_its_code():
    """The request of the lease ends with the worker; what it ran is dead at once."""
    monitor = LivenessMonitor()
    job = row("started", 2, signal="timeout")
    scan(monitor, row("started", signal="timeout"))
    assert scan(monitor, job, broken=[2]) == {"dead"}
    assert scan(monitor, job) == {"dead"}, "and stays so, should its end be late"


def test_code_behind_the_request_of_another_has_time_to_end():
    """A classic request, or a lease of the runner before: its worker isn't known."""
    monitor = LivenessMonitor()
    for lease_id in (None, 2):
        job = row("started", lease_id, signal="timeout")
        assert scan(monitor, job, now=200.0) == {"external"}
        assert scan(monitor, job, now=199.0 + STUCK_AFTER) == {"external"}
        assert scan(monitor, job, now=200.0 + STUCK_AFTER) == {"dead"}
        assert scan(monitor, now=300.0) == set()


def test_an_old_claim_of_another_is_void():
    """A runner that is killed again and again never scans twice."""
    assert scan(LivenessMonitor(), row("enqueued", 2, enqueued_seconds=1.5)) == {
        "orphans"
    }
    assert scan(LivenessMonitor(), row("enqueued", 1, enqueued_seconds=1.5)) == set()


def test_a_broken_lease_returns_its_jobs_at_once():
    assert scan(LivenessMonitor(), row("enqueued", 2), broken=[2]) == {"orphans"}


def test_what_waits_behind_a_long_job_of_its_lease_is_returned():
    waiting = row("enqueued", enqueued_seconds=SECOND_SCAN)
    long = row("started", 1, 99, id=43, running_seconds=SECOND_SCAN)
    assert scan(LivenessMonitor(), waiting, long) == {"external", "behind_long_job"}
    for other in (
        row("started", 1, 99, id=43, running_seconds=0.9),
        row("started", 2, 99, id=43, running_seconds=9.0),
    ):
        assert scan(LivenessMonitor(), waiting, other) == {"external"}
    fresh = row("enqueued", enqueued_seconds=0.9)
    assert scan(LivenessMonitor(), fresh, long) == {"external"}


def test_a_session_that_ignores_a_cancel_is_forced():
    monitor = LivenessMonitor()
    job = row("started", 1, 99, signal="cancel")
    monitor.scan([job], 100.0, OWN, set())
    assert monitor.hurried
    monitor.scan([job], 100.0 + CANCEL_GRACE, OWN, set())
    assert not job["force"] and not monitor.hurried
    monitor.scan([job], 100.0 + TERMINATE_AFTER, OWN, set())
    assert job["force"]


def test_who_writes_down_the_end_has_time_for_it():
    monitor = LivenessMonitor()
    job = row("started", 1, 99, signal="timeout", settling=True)
    assert scan(monitor, job) == {"external"}
    assert scan(monitor, job, now=99.0 + SETTLE_GRACE) == {"external"}
    assert scan(monitor, job, now=100.0 + SETTLE_GRACE) == {"external", "to_end"}


def test_next_deadline():
    assert next_deadline([]) is None
    assert next_deadline([row("started", timeout=0)]) is None
    assert next_deadline([row("enqueued", timeout=5)]) is None
    jobs = [row("started", timeout=5), row("started", timeout=3)]
    assert next_deadline(jobs) == 2.0
    assert next_deadline([row("started", timeout=0.5)]) == 0.0
