# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A lease makes several starts in a channel with a rate, and the rate is kept."""

from bisect import bisect_left

import pytest

from tests.harness.statements import leases, need_counts
from tests.harness.waiting import holds, wait_for

PERIOD, NUMBER, SLOTS = 3, 50, 4
CHANNELS = ",".join(
    (
        f"root:{SLOTS}",
        "wide:4:rate=1000000/60",
        f"narrow:4:rate={NUMBER}/{PERIOD}",
        "long:4:rate=60/3600",
    )
)
JOBS = 200

#: Of `JOBS` short ones, where the rate never binds.
FEW_LEASES = 60

#: A job counts from its grant on, and starts a bit later: seconds on a busy machine.
ON_ITS_WAY = 0.6

_STARTS = """
SELECT extract(epoch FROM date_started)::float FROM queue_job
 WHERE uuid = ANY(%s) AND date_started IS NOT NULL ORDER BY date_started
"""


@pytest.fixture
def server(make_server):
    server = make_server(4, channels=CHANNELS)
    server.wait_runner()
    return server


def test_a_rate_that_never_binds(server):
    db = server.db
    need_counts(db)
    before = leases(db)
    uuids = server.client().delay_many(JOBS, "record_run", channel="root.wide")
    assert db.wait_settled(uuids) == {"done": JOBS}
    assert leases(db) - before <= FEW_LEASES


def test_a_rate_that_binds(server):
    db = server.db
    uuids = server.client().delay_many(JOBS, "record_run", channel="root.narrow")
    assert db.wait_settled(uuids) == {"done": JOBS}
    starts = db.column(_STARTS, uuids)
    window = PERIOD - ON_ITS_WAY
    most = max(
        number + 1 - bisect_left(starts, when - window)
        for number, when in enumerate(starts)
    )
    assert most <= NUMBER
    assert starts[-1] - starts[0] < 2 * PERIOD * JOBS / NUMBER, "it is used as well"


@pytest.mark.parametrize("victim", ["the worker", "the runner"])
def test_it_holds_when_a_process_is_killed_in_the_middle(server, victim, tmp_path):
    server.expect_log("re-queued dead job", "the connection of lease")
    db, log = server.db, tmp_path / "runs"
    uuids = server.client().delay_many(
        150, "leave_mark", str(log), 0.02, channel="root.long"
    )

    def starts():
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split() for line in lines if line.startswith("start ")]

    wait_for(lambda: len(starts()) > 20, "some jobs have run")
    worker = victim == "the worker"
    server.kill_pid(int(starts()[-1][2]) if worker else server.runner_pid())
    other = server.client().delay_many(1, "record_run", "other")
    assert db.wait_settled(other) == {"done": 1}
    wait_for(lambda: not db.states(uuids).get("started"), "what runs has ended")
    holds(lambda: len(starts()) <= 60, "no more than the rate start", seconds=5)
    # what a lost lease has reserved counts as used, and so does what the killed runner
    # had claimed, one job for each slot, and no worker has begun
    assert len(starts()) >= (30 if worker else 60 - SLOTS)
