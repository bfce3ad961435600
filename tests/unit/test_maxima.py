# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The maxima of a runner and of each database: how they are read, what they give."""

import doctest

import pytest

from queue_job.jobrunner.channels import ChannelManager, ChannelSettings, SharedSlots
from queue_job.jobrunner.schedule import maxima
from queue_job.jobrunner.schedule.channel_config import limits_of, parse
from queue_job.jobrunner.schedule.maxima import (
    Maxima,
    maximum_of,
    parse_databases,
    parse_total,
    unreached,
)


def test_doctests():
    assert doctest.testmod(maxima).failed == 0


TEXT = "prod_*:6,staging:3,*:1"
MATCHES = [
    (TEXT, "prod_eu", 6),
    (TEXT, "staging", 3),
    # a name without wildcards is that database only
    (TEXT, "staging_2", 1),
    (TEXT, "PROD_eu", 1),
    # the first match wins, whatever comes after it
    ("*:1,prod_*:6", "prod_eu", 1),
    ("prod_?:2,prod_*:6", "prod_eu", 6),
    ("prod_[ab]:2", "prod_b", 2),
    # nobody matches: no maximum
    ("prod_*:6", "test", None),
    ("", "test", None),
    # line ends, spaces, a colon in the name
    (" a : 2 \n , b : 3 ", "b", 3),
    ("x:y:4", "x:y", 4),
]


@pytest.mark.parametrize(("text", "db_name", "expected"), MATCHES)
def test_the_first_match_wins(text, db_name, expected):
    assert maximum_of(db_name, parse_databases(text)) == expected


MISTAKES = [
    ("prod", "prod: an entry is pattern:number, like prod_.:6"),
    (":4", ":4: an entry is pattern:number"),
    ("a:6,prod:six", "prod:six: six is no number of jobs, which is 1 or more; leave"),
    ("prod:-1", "prod:-1: -1 is no number of jobs"),
    ("prod:", "prod:: nothing is no number of jobs"),
    ("prod:0", "prod:0: 0 is no number of jobs.* channels = root:0 for no job at all"),
    ("a:1,a:2", "a:2: another entry for a; remove one of them"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes_name_the_entry_and_the_remedy(text, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        parse_databases(text)


@pytest.mark.parametrize("text", ["ten", "0", "-3", "1.5", "1:2"])
def test_the_total_is_a_number_of_jobs(text):
    with pytest.raises(ValueError, match=f"^{text}: {text} is no number of jobs"):
        parse_total(text)


UNREACHED = [
    (TEXT, []),
    ("*:1,prod_*:6,a:2", [("prod_*", "*"), ("a", "*")]),
    ("prod_*:6,prod_eu:3", [("prod_eu", "prod_*")]),
    ("prod_?:1,prod_*:2", []),
    ("prod_?:1,prod_a:2", [("prod_a", "prod_?")]),
]


@pytest.mark.parametrize(("text", "expected"), UNREACHED)
def test_entries_that_nobody_reaches(text, expected):
    assert unreached(parse_databases(text)) == expected


#: Maxima, capacity of the row of root, what the configuration string says, and what is
#: in force.
LIMITS = [
    (Maxima(10, 6), None, "", 6),
    (Maxima(10, 6), 4, "", 4),
    (Maxima(10, 6), 8, "", 6),
    (Maxima(3, 6), 8, "", 3),
    (Maxima(10), None, "", 10),
    (Maxima(None, 6), None, "", 6),
    (Maxima(), None, "", 2),
    (Maxima(), 8, "", 8),
    # the string takes precedence
    (Maxima(10, 6), None, "root:7", 7),
]


@pytest.mark.parametrize(("given", "row", "text", "expected"), LIMITS)
def test_limit_of_root(given, row, text, expected):
    entry = next(iter(parse(text)), None)
    settings = ChannelSettings("root", row)
    limits = limits_of("root", settings, entry, 2, maximum=given.root)
    assert limits.capacity == expected


def test_a_sequential_root_stays_sequential():
    row = ChannelSettings("root", 5, sequential=True)
    limits = limits_of("root", row, maximum=6)
    assert (limits.capacity, limits.sequential) == (1, True)


def test_other_channels_are_ruled_by_their_records():
    assert limits_of("root.a", ChannelSettings("root.a"), maximum=6).capacity is None
    assert limits_of("root.a", ChannelSettings("root.a", 9), maximum=6).capacity == 9


def feed(manager, db_name, numbers):
    for number in numbers:
        args = ("root.a", str(number), number, 0, 10, None, "pending")
        manager.notify(db_name, *args)


def start(manager):
    return len(manager.get_jobs_to_run(0))


def led(shared, db_name, total, databases=()):
    own = Maxima(total, maximum_of(db_name, databases))
    manager = ChannelManager(shared, db_name, maxima=own)
    manager.apply_settings([])
    return manager


def test_each_database_has_its_maximum_and_all_share_the_total():
    shared, entries = SharedSlots(), parse_databases("prod_*:3,*:2")
    names = ("prod_a", "b", "c")
    managers = {name: led(shared, name, 6, entries) for name in names}
    started = {}
    for name, manager in managers.items():
        feed(manager, name, range(9))
        started[name] = start(manager)
    assert started == {"prod_a": 3, "b": 2, "c": 1}
    # what falls free in one of them is for the one that is kept waiting
    managers["prod_a"].remove_job("0", "prod_a")
    assert (start(managers["prod_a"]), start(managers["b"])) == (0, 0)
    assert start(managers["c"]) == 1


def test_a_full_root_does_not_queue_for_the_total():
    """It could not use its turn, and the others would wait for it."""
    shared = SharedSlots()
    narrow = led(shared, "narrow", 3, parse_databases("narrow:1"))
    wide = led(shared, "wide", 3)
    feed(narrow, "narrow", range(3))
    assert start(narrow) == 1
    assert narrow.free_slots() == 0
    assert not shared[""].starved
    feed(wide, "wide", range(3))
    assert start(wide) == 2


def test_what_a_vanished_database_holds_is_free_for_others():
    shared = SharedSlots()
    first, second = led(shared, "first", 2), led(shared, "second", 2)
    feed(first, "first", range(2))
    feed(second, "second", range(2))
    assert (start(first), start(second)) == (2, 0)
    shared.give_up("first")
    assert start(second) == 2


def test_the_names_of_the_channels_stay():
    manager = led(SharedSlots(), "db", 5)
    names = [each.fullname for each in manager.get_channel_by_name("a.b", True).path()]
    assert names[:3] == ["root.a.b", "root.a", "root"]
    assert manager.total == (5, 0)
    assert led(None, "db", None).total == (None, 0)
