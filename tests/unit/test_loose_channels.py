# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A channel that a job has named once is not kept for ever."""

import gc
import time

import pytest

from queue_job.jobrunner.channels import ChannelManager, ChannelSettings, SharedSlots
from queue_job.jobrunner.schedule.channel import Channel

#: Names of channels that come and go.
NAMES = 100_000

BATCH = 100

#: Seconds that a dispatch round may take in the channels.
ROUND = 0.005


def tell(manager, channel, uuid, state="pending", db_name="db"):
    manager.notify(db_name, channel, str(uuid), 1, 0, 10, None, state)


def names(manager):
    return {each.fullname for each in manager._root_channel.tree()}


def run_one(manager, channel, uuid):
    """A dispatch round, as `DispatchRound` makes it, and the end of its job."""
    manager.clear_candidates()
    tell(manager, channel, uuid)
    started = manager.get_jobs_to_run(0)
    manager.clear_candidates()
    manager.interchangeable(channel, [f"{channel}.other"])
    manager.lease_terms(channel)
    manager.remove_job(str(uuid))
    return len(started)


def new_manager(text="", shared=None, db_name="db"):
    manager = ChannelManager(shared or SharedSlots(), db_name)
    manager.simple_configure(text)
    manager.apply_settings([ChannelSettings("root", 4), ChannelSettings("root.kept")])
    return manager


def channels_in_memory():
    gc.collect()
    return sum(type(each) is Channel for each in gc.get_objects())


@pytest.mark.parametrize(
    ("text", "count"), [("", NAMES), ("fly:4:capacity_default=2", NAMES // 10)]
)
def test_many_names(text, count):
    """Each has a job once; a round then is as short as the first one."""
    manager = new_manager(text)
    before = channels_in_memory()
    for begin in range(0, count, BATCH):
        manager.clear_candidates()
        for number in range(begin, begin + BATCH):
            tell(manager, f"root.fly.customer {number}", number)
        for job in manager.get_jobs_to_run(0):
            manager.remove_job(job.uuid)
        manager.clear_candidates()
    assert len(names(manager)) < 10
    assert channels_in_memory() < before + 10
    assert len(manager._shared._all()) < 10
    rounds = [timed_round(manager, number) for number in range(20)]
    assert min(rounds) < ROUND


def timed_round(manager, number):
    begun = time.perf_counter()
    assert run_one(manager, f"root.fly.last {number}", f"last {number}") == 1
    return time.perf_counter() - begun


def test_what_is_kept():
    """Records, entries, what has jobs or channels below, what other code has set."""
    manager = new_manager("entry:2")
    tell(manager, "root.runs.here", 1, "started")
    tell(manager, "root.waits", 2)
    tell(manager, "root.failed", 3, "failed")
    manager.get_channel_by_name("set", autocreate=True).throttle = 5
    manager.get_channel_by_name("idle.below", autocreate=True)
    manager.clear_candidates()
    runs = {"root.runs", "root.runs.here"}
    declared = {"root", "root.kept", "root.entry", "root.set"}
    assert names(manager) == declared | runs
    tell(manager, "root.runs.here", 1, "done")
    manager.clear_candidates()
    assert names(manager) == declared


def test_a_record_that_comes_and_goes():
    manager = new_manager()
    tell(manager, "root.new", 1)
    rows = [ChannelSettings("root", 4), ChannelSettings("root.new", 2)]
    manager.apply_settings(rows)
    manager.clear_candidates()
    assert names(manager) == {"root", "root.new"}
    manager.apply_settings(rows[:1])
    manager.clear_candidates()
    assert names(manager) == {"root"}


def test_its_limit_holds_again_when_it_comes_back():
    manager = new_manager("fly:4:capacity_default=1")
    for _time in range(2):
        for number in range(3):
            tell(manager, "root.fly.a", number)
        assert len(manager.get_jobs_to_run(0)) == 1
        manager.clear_candidates()
        assert manager.get_jobs_to_run(0) == []
        manager.forget_all()
        manager.clear_candidates()
        assert "root.fly.a" not in names(manager)


def ask(manager, name, number):
    """A round of a database that has one job; the job, if it starts."""
    manager.clear_candidates()
    tell(manager, "root.fly.x", f"{name}{number}", db_name=name)
    started = manager.get_jobs_to_run(0)
    manager.clear_candidates()
    return started[0].uuid if started else None


def test_who_is_kept_waiting_comes_next_although_the_channel_is_forgotten():
    shared = SharedSlots(lambda: 100.0)
    first, second = (
        (new_manager("fly:4:capacity_default=1", shared, name), name) for name in "ab"
    )
    running = ask(*first, 0)
    for number in range(1, 5):
        assert ask(*second, number) is None, "the slot is taken"
        first[0].remove_job(running)
        first[0].clear_candidates()
        gc.collect()
        assert "root.fly.x" not in names(first[0]) | names(second[0])
        assert ask(*first, number) is None, "the other one is next"
        running = ask(*second, number)
        assert running
        first, second = second, first
