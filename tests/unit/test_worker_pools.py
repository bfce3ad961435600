# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which pool of workers runs the jobs of a channel, and how many it is sent at once."""

import pytest

from queue_job.core.states import DONE, PENDING
from queue_job.jobrunner.channels import ChannelManager, ChannelSettings
from queue_job.jobrunner.schedule.slots import SharedSlots
from queue_job.jobrunner.schedule.worker_pools import ALONE, THREADS, PoolSizes

SIZES = PoolSizes(alone=2, threads=3)


def manager_of(text, sizes=SIZES, shared=None, db="db"):
    manager = ChannelManager(shared, db, 100, pool_sizes=sizes)
    manager.simple_configure(text)
    return manager


def enqueue(manager, channel, count, db="db", state=PENDING):
    for number in range(1, count + 1):
        uuid = f"{channel}{number}"
        manager.notify(db, channel, uuid, number, 0, 10, None, state)


def started(manager):
    return [job.uuid for job in manager.get_jobs_to_run(0)]


@pytest.mark.parametrize(
    ("text", "channel", "sizes", "expected"),
    [
        ("root:9,api:4:threads", "root.api", SIZES, True),
        ("root:9,api:4:threads", "root.api.shop", SIZES, True),
        ("root:9,api:4:threads", "root.apis", SIZES, False),
        ("root:9,api:4:threads", "root", SIZES, False),
        ("root:9,api.shop:4:threads", "root.api", SIZES, False),
        ("root:9:threads", "root.any", SIZES, True),
        ("root:9,api:4:threads=no", "root.api", SIZES, False),
        ("root:9,api:4:threads", "root.api", PoolSizes(), False),
        ("root:9,api:4:threads", None, SIZES, False),
    ],
)
def test_which_channels_run_in_threads(text, channel, sizes, expected):
    assert manager_of(text, sizes).in_threads(channel) is expected


def test_each_pool_is_sent_what_it_can_run():
    manager = manager_of("root:9,api:0:threads")
    enqueue(manager, "api", 5)
    enqueue(manager, "other", 5)
    assert sorted(started(manager)) == ["api1", "api2", "api3", "other1", "other2"]
    manager.notify("db", "api", "api2", 2, 0, 10, None, DONE)
    assert started(manager) == ["api4"]
    manager.notify("db", "other", "other1", 1, 0, 10, None, DONE)
    assert started(manager) == ["other3"]


def test_root_limits_both_together():
    manager = manager_of("root:4,api:0:threads")
    enqueue(manager, "api", 5)
    enqueue(manager, "other", 5)
    assert len(started(manager)) == 4


def test_without_threads_only_channels_limit():
    manager = manager_of("root:4,api:0:threads", PoolSizes())
    enqueue(manager, "api", 5)
    assert len(started(manager)) == 4


def test_a_channel_whose_option_changes_gives_the_right_slot_back():
    manager = manager_of("root:9")
    row = ChannelSettings("root.api", threads=True)
    manager.apply_settings([row])
    enqueue(manager, "api", 6)
    assert len(started(manager)) == SIZES.threads
    manager.apply_settings([row._replace(threads=False)])
    assert len(started(manager)) == SIZES.alone, "the others take slots of processes"
    for number in (1, 2, 3):
        manager.notify("db", "api", f"api{number}", number, 0, 10, None, DONE)
    manager.apply_settings([row])
    assert started(manager) == ["api6"]


def test_jobs_of_another_pool_can_not_use_a_slot():
    manager = manager_of("root:9,api:0:threads,web:0:threads")
    others = ["root.web", "root.other"]
    assert manager.interchangeable("root.api", others) == ["root.web"]
    assert manager.interchangeable("root.any", others) == ["root.other"]
    plain = manager_of("root:9,api:0:threads", PoolSizes())
    assert plain.interchangeable("root.api", others) == others


def test_databases_share_the_workers():
    shared = SharedSlots()
    first, second = (
        manager_of("root:9,api:0:threads", SIZES, shared, db) for db in ("x", "y")
    )
    enqueue(first, "api", 5, "x")
    enqueue(second, "api", 5, "y")
    assert len(started(first)) == 3
    assert started(second) == []
    first.notify("x", "api", "api1", 1, 0, 10, None, DONE)
    assert started(first) == [], "it is the turn of the other one"
    assert started(second) == ["api1"]


def test_what_databases_share_is_told():
    shared = SharedSlots()
    config = "root:9,one:1,api:0:threads"
    first, second = (manager_of(config, SIZES, shared, db) for db in ("x", "y"))
    second.apply_settings([ChannelSettings("root.own", 2)])
    enqueue(first, "one", 1, "x")
    enqueue(first, "api", 1, "x")
    enqueue(second, "own", 1, "y")
    assert (len(started(first)), len(started(second))) == (2, 1)
    assert first.shared_load() == {
        "root": (9, 3, 2),
        "root.one": (1, 1, 1),
        "root.api": (0, 1, 1),
        ALONE: (SIZES.alone, 2, 1),
        THREADS: (SIZES.threads, 1, 1),
    }
    assert second.shared_load()["root.one"] == (1, 1, 0)
    assert manager_of("root:9", PoolSizes()).shared_load() == {"root": (9, 0, 0)}
