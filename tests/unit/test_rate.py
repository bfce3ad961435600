# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""So many starts in a period, and the window that counts them."""

import doctest
import math
import time
from types import SimpleNamespace

import pytest

from queue_job.jobrunner.channels import ChannelManager, ChannelSettings, SharedSlots
from queue_job.jobrunner.dispatch.recent_starts import count_recent_starts
from queue_job.jobrunner.schedule import rate as rate_module
from queue_job.jobrunner.schedule.channel_config import validate
from queue_job.jobrunner.schedule.lease_terms import further_starts
from queue_job.jobrunner.schedule.rate import Rate, StartWindow


def manager(text, jobs=20, **options):
    cm = ChannelManager(**options)
    cm.simple_configure(text)
    for number in range(1, jobs + 1):
        name = options.get("db_name", "db")
        cm.notify(name, "A", str(number), number, 0, 10, None, "pending")
    return cm


def start(cm, now):
    """Start what may start; nothing runs for long."""
    jobs = [job.uuid for job in cm.get_jobs_to_run(now)]
    for uuid in jobs:
        cm.remove_job(uuid)
    return len(jobs)


def test_so_many_in_any_period():
    cm = manager("root:9,A:9:rate=3/10")
    assert start(cm, 100) == 3
    assert cm.get_wakeup_time() == 110
    assert cm.free_slots("A", 109.9) == 0
    assert start(cm, 109.9) == 0
    assert cm.free_slots("A", 110) == 3
    assert start(cm, 110) == 3


def test_the_window_slides():
    cm = manager("root:9,A:9:rate=2/10", jobs=1)
    assert start(cm, 100) == 1
    for number in range(30, 40):
        cm.notify("db", "A", str(number), number, 0, 10, None, "pending")
    assert start(cm, 106) == 1
    assert (start(cm, 109), cm.get_wakeup_time()) == (0, 110)
    assert (start(cm, 110), cm.get_wakeup_time()) == (1, 116)


def test_a_start_that_did_not_happen_is_not_counted():
    """Another session held the row of the job that was to start."""
    cm = manager("root:9:rate=5/10,A:9:rate=3/10")
    assert len(cm.get_jobs_to_run(100)) == 3
    cm.take_back("2", 100)
    assert (cm.free_slots("A", 101), cm.free_slots(None, 101)) == (1, 3)
    cm.take_back("2", 100)  # it is known no more
    assert cm.free_slots("A", 101) == 1
    cm.notify("db", "A", "2", 2, 0, 10, None, "pending")
    assert [job.uuid for job in cm.get_jobs_to_run(101)] == ["2"]
    assert cm.get_wakeup_time() == 110


def test_of_the_channel_and_those_below():
    cm = manager("root:9:rate=2/10")
    cm.notify("db", "B", "b", 99, 0, 1, None, "pending")
    assert start(cm, 100) == 2
    assert all(cm.lease_terms(name).rated for name in ("A", None))


def test_a_rate_is_changed_while_it_works():
    cm = manager("root:99")
    rows = lambda number: [ChannelSettings("root.A", 0, rate_limit=number)]  # noqa: E731
    cm.apply_settings(rows(2))
    assert start(cm, 100) == 2
    ((channel, _rate),) = cm.uncounted_rates()
    cm.count_starts(channel, [99.0, 100.0])
    assert not cm.uncounted_rates()
    cm.apply_settings(rows(2))
    assert not cm.uncounted_rates()
    cm.apply_settings(rows(5))
    assert [each for each, _rate in cm.uncounted_rates()] == [channel]
    assert start(cm, 101) == 3
    cm.apply_settings(rows(0))
    assert not cm.uncounted_rates()
    assert start(cm, 102) == 15


def test_a_new_leader_counts_what_has_started():
    cm = manager("root:9,A:9:rate=3/60", db_name="db")
    asked = []

    def rows(query, parameters):
        asked.append(parameters)
        return [{"age": 10.0}, {"age": 20.0}]

    count_recent_starts(SimpleNamespace(rows=rows), cm)
    assert asked == [{"channel": "root.A", "period": 60, "limit": 3}]
    assert cm.free_slots("A") == 1
    count_recent_starts(SimpleNamespace(rows=rows), cm)
    assert len(asked) == 1


def test_databases_share_the_rate_of_the_configuration():
    shared = SharedSlots(lambda: 100.0)
    first, second = (
        manager("root:9,A:9:rate=3/10", shared_slots=shared, db_name=name)
        for name in ("x", "y")
    )
    assert (start(first, 100), start(second, 101)) == (3, 0)
    first.count_starts(first.get_channel_by_name("A"), [100.0])
    assert start(second, 102) == 2


LEASE = ("db", "lease 7")


def test_what_a_lease_has_reserved_is_missing_to_others():
    cm = manager("root:20,A:20:rate=5/10")
    assert start(cm, 100) == 5
    assert cm.reservations.reserve("A", LEASE, 9, 100) == 0
    assert cm.reservations.reserve("A", LEASE, 3, 110) == 3
    assert cm.free_slots("A", 110) == 2
    assert cm.reservations.reserve("A", ("db", "lease 8"), 9, 110) == 2
    assert (cm.free_slots("A", 999), cm.get_wakeup_time()) == (0, math.inf)
    cm.reservations.settle(LEASE, [112.0])
    assert cm.free_slots("A", 112) == 2
    cm.reservations.settle(("db", "lease 8"), [110.0, 111.0])
    assert cm.free_slots("A", 112) == 2
    assert [cm.free_slots("A", 120 + n) for n in range(3)] == [3, 4, 5]


def test_reserved_in_each_channel_of_the_path():
    cm = manager("root:9:rate=9/10,A:9:rate=5/10", jobs=0)
    assert cm.reservations.reserve("A.b", LEASE, 99, 100) == 5
    assert (cm.free_slots(None, 100), cm.free_slots("A", 100)) == (4, 0)
    assert cm.reservations.reserve("C", ("db", "lease 8"), 99, 100) == 4
    assert cm.reservations.reserve("D", ("db", "lease 9"), 99, 100) == 0


def test_a_lease_that_is_lost_may_have_made_all_its_starts():
    cm = manager("root:9,A:9:rate=5/10", jobs=0)
    cm.notify("db", "A", LEASE[1], 1, 0, 10, None, "started")
    cm.reservations.reserve("A", LEASE, 3, time.time() - 60)
    cm.remove_job(LEASE[1])
    now = time.time()
    assert (cm.free_slots("A", now), cm.free_slots("A", now + 10)) == (2, 5)


def test_a_lease_that_is_busy_makes_no_further_starts():
    """What it has made is in the table; what another lease has made, as well."""
    cm = manager("root:9,A:9:rate=5/10", jobs=0, db_name="db")
    cm.count_starts(cm.get_channel_by_name("A"), [], 99.0)
    cm.reservations.reserve("A", LEASE, 3, 100)
    cm.reservations.reserve("A", ("db", "lease 8"), 2, 100)
    assert not cm.uncounted_rates()
    assert cm.reservations.release(LEASE) and not cm.reservations.release(LEASE)
    ((channel, _rate),) = cm.uncounted_rates()
    cm.count_starts(channel, [101.0, 102.0], 104.0)
    assert cm.free_slots("A", 104) == 1
    cm.reservations.settle(("db", "lease 8"), [102.0, 105.0])
    assert cm.free_slots("A", 105) == 2, "only the start at 105 was not counted"
    cm.reservations.settle(LEASE, [101.0])
    assert cm.free_slots("A", 105) == 2


def test_when_a_lease_has_started_its_jobs():
    report = {"seconds": 2.0}
    outcomes = [{"at": 0.1}, {"at": 0.5}, {"at": 1.5}]
    assert further_starts(report, outcomes, 100.0) == [98.5, 99.5]
    assert further_starts(report, outcomes[:1], 100.0) == []


def test_starts_of_one_database_are_replaced():
    window = StartWindow()
    window.add(5, "a")
    window.add(6, "b")
    window.replace([4, 3], "a")
    assert window.opens_at(Rate(3, 10)) == 13
    window.forget(Rate(3, 10), 14)
    assert window.room(Rate(3, 10), 14) == 2


@pytest.mark.parametrize("rate", ["0/60", "5/0", "-1/60", "x", "5/", "1/2/3", "5/1.5"])
def test_mistakes_name_entry_and_remedy(rate):
    with pytest.raises(ValueError, match=f"a:4:rate={rate}: invalid rate .*100/60"):
        validate(f"a:4:rate={rate}")


def test_without_a_value():
    with pytest.raises(ValueError, match="invalid rate"):
        validate("a:4:rate")


def test_rows_that_nobody_checked():
    assert Rate.of(None, None) is None
    assert Rate.of(-3, 10) is None
    assert Rate.of(3, 0) == (3, 60)
    assert Rate.of(3, -5) == (3, 1)


def test_doctests():
    assert doctest.testmod(rate_module).failed == 0
