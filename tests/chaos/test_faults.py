# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""An error that nobody has foreseen, in each function of the job runner: it is back
within five seconds, and no job is lost or runs twice."""

import time

import pytest

from tests.harness.jobs import insert
from tests.harness.odoo import ADDONS
from tests.harness.waiting import DeadlineError, wait_for

#: Seconds in which the runner is at work again.
BACK = 5.0

#: Seconds in which a function that is a part of the loop is called again.
TURN = 2.5

#: Seconds in which each timer of the runner has run once.
ALL_TIMERS = 7.0

#: Called again within a turn, at least.
MANY = 40


@pytest.fixture
def faults(arena):
    directory = arena.directory / "faults"
    directory.mkdir()
    return directory


@pytest.fixture
def server(arena, faults):
    """A threaded server: runner and requests are in one process."""
    server = arena.server(
        workers=0,
        load="base,web,queue_job,loop_faults",
        options={"addons_path": f"{arena.stack.source.addons_path},{ADDONS}"},
        env={"LOOP_FAULTS": str(faults)},
    )
    server.wait_runner()
    return server


@pytest.mark.long
def test_an_error_in_each_function(arena, server, faults):
    uuids = insert(arena.db, 3)
    time.sleep(ALL_TIMERS)  # what runs by the clock has run then
    uuids += insert(arena.db, 3)
    assert arena.db.wait_settled(uuids) == {"done": 6}
    seconds = {}
    for name in sorted(set((faults / "called").read_text().split())):
        broken = break_once(arena.db, faults, name, uuids)
        if broken:
            seconds[name] = back_after(arena.db, name, broken, uuids)
    assert len(seconds) >= MANY, sorted(seconds)
    assert arena.db.wait_settled(uuids, seconds=60) == {"done": len(uuids)}
    assert len(arena.db.runs()) == len(uuids), "each job has run once"
    write_table(faults / "table.txt", seconds)
    slow = {name: taken for name, taken in seconds.items() if taken > BACK}
    assert not slow, slow


def break_once(db, faults, name, uuids):
    """Let the next call of a function raise.

    :return: when it did, 0 if it was not called
    """
    draft, fault = faults / "draft", faults / "fault"
    draft.write_text(name)
    draft.rename(fault)
    uuids += insert(db, 1)
    try:
        wait_for(lambda: not fault.exists(), name, seconds=TURN)
    except DeadlineError:
        fault.unlink(missing_ok=True)
        return 0
    return time.monotonic()


def back_after(db, name, broken, uuids):
    """Seconds from the error until a job that came after it is done."""
    (uuid,) = insert(db, 1)
    uuids.append(uuid)
    state = db.wait_state(uuid, "done", "failed", seconds=30)
    assert state == "done", (name, state)
    return time.monotonic() - broken


def write_table(path, seconds):
    lines = [f"{taken:6.2f} s  {name}" for name, taken in seconds.items()]
    path.write_text("\n".join(sorted(lines, reverse=True)) + "\n")
