# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database that is lost keeps its share of the common capacity for a while."""

import pytest

from queue_job.core.states import STARTED
from queue_job.jobrunner.channels import ChannelManager, SharedSlots
from queue_job.jobrunner.schedule.slot_grace import GRACE_PERIOD, SlotGrace

CAPACITY = 4


@pytest.fixture
def shared():
    return SharedSlots()


def led(shared, name, running=0):
    manager = ChannelManager(shared, name)
    manager.simple_configure(f"root:{CAPACITY}")
    for number in range(running):
        manager.notify(name, "root", f"lease {number}", number, 0, 10, None, STARTED)
    return manager


def test_others_do_not_take_its_slots(shared):
    other, lost, grace = led(shared, "other"), led(shared, "lost", 3), SlotGrace()
    grace.hold(lost, 0.0)
    assert other.free_slots() == 1
    grace.hold(None, GRACE_PERIOD / 2)  # still lost
    assert other.free_slots() == 1
    grace.hold(None, GRACE_PERIOD)
    assert other.free_slots() == CAPACITY


def test_what_still_runs_is_counted_once(shared):
    other, lost, grace = led(shared, "other"), led(shared, "lost", 3), SlotGrace()
    grace.hold(lost, 0.0)
    led(shared, "lost", 2)
    grace.release()
    assert other.free_slots() == CAPACITY - 2
    grace.release()
    assert other.free_slots() == CAPACITY - 2


def test_lost_twice(shared):
    """The second leadership had just begun to count."""
    other, lost, grace = led(shared, "other"), led(shared, "lost", 3), SlotGrace()
    grace.hold(lost, 0.0)
    grace.hold(led(shared, "lost", 1), 1.0)
    assert other.free_slots() == 1
    led(shared, "lost", 2)
    grace.release()
    assert other.free_slots() == CAPACITY - 2


def test_a_database_that_was_never_led(shared):
    grace = SlotGrace()
    for now in (0.0, GRACE_PERIOD, 3 * GRACE_PERIOD):
        grace.hold(None, now)
    grace.release()
    assert led(shared, "other").free_slots() == CAPACITY
