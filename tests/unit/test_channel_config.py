# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the configuration text means, and how its mistakes are named."""

import doctest

import pytest

from queue_job.jobrunner.channels import ChannelManager
from queue_job.jobrunner.schedule import channel_config, channel_options
from queue_job.jobrunner.schedule.channel_config import (
    ChannelSettings,
    Origin,
    all_defaults,
    canonical_name,
    capacity_origin,
    defaults_above,
    is_disabled,
    limits_of,
    parse,
    validate,
)
from queue_job.jobrunner.schedule.channel_options import ChildDefaults, as_boolean
from queue_job.jobrunner.schedule.rate import Rate
from queue_job.jobrunner.schedule.slots import SharedSlots

PARSED = [
    ("", []),
    (" , \n ,", []),
    ("root:4", [{"name": "root", "capacity": 4}]),
    ("sub", [{"name": "sub", "capacity": 1}]),
    ("a:0", [{"name": "a", "capacity": 0}]),
    # white space around every part, line ends as separators
    (
        " root : 4 \n a b.c : 2 ",
        [{"name": "root", "capacity": 4}, {"name": "a b.c", "capacity": 2}],
    ),
    # an option without value is a switch, a value stays text
    (
        "a:1: sequential : throttle = 2 :other=x",
        [
            {
                "name": "a",
                "capacity": 1,
                "sequential": True,
                "throttle": "2",
                "other": "x",
            }
        ],
    ),
    # an omitted capacity is 1
    ("a::sequential", [{"name": "a", "capacity": 1, "sequential": True}]),
    ("a: :paused", [{"name": "a", "capacity": 1, "paused": True}]),
    # a trailing colon says nothing
    ("a:1:", [{"name": "a", "capacity": 1}]),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_parse(text, expected):
    assert parse(text) == expected


MISTAKES = [
    (":4", "Invalid channel config :4: missing channel name"),
    ("a:x", "Invalid channel config a:x: invalid capacity x"),
    ("a:-1", "Invalid channel config a:-1: invalid capacity -1"),
    ("a:1:k=1=2", "Invalid channel config a:1:k=1=2: incorrect config item k=1=2"),
    ("a:1:k:k=2", "Invalid channel config a:1:k:k=2: duplicate key k"),
    ("a:1:capacity=2", "Invalid channel config a:1:capacity=2: duplicate key capacity"),
    # the entry that is wrong is named, not its neighbours
    ("root:4,a:x,b:2", "Invalid channel config a:x: invalid capacity x"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes(text, message):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["a:2:sequential", "a:1:throttle=soon"])
def test_contradictions_are_found_before_the_start(text):
    parse(text)
    with pytest.raises(ValueError, match=f"Invalid channel config {text}: "):
        validate(text)


#: What a runner does not start with, and what the message says.
REFUSED = [
    ("root.foo:2:pause", "unknown option pause, there are .*did you mean paused?"),
    ("foo:1:sequental", "did you mean sequential?"),
    ("foo:1:thread", "did you mean threads?"),
    ("foo:1:threads=50", "threads=50 is neither true nor false"),
    ("foo:1:capacity_defualt=2", "did you mean capacity_default?"),
    ("foo:1:colour=red", "unknown option colour, there are capacity_default, paused, "),
    ("foo:1:sequential=maybe", "sequential=maybe is neither true nor false"),
    ("foo:2:paused=soon", "paused=soon is neither true nor false"),
    ("foo:2:3", "two capacities, 2 and 3"),
    ("foo:2,foo:3", "config foo:3: another entry for the same channel, foo:2"),
    ("foo:2,root.foo:2:paused", "another entry for the same channel, foo:2"),
    ("foo..bar:1", "a part of the channel name is empty"),
    ("root.:1", "a part of the channel name is empty"),
    (".foo:1", "a part of the channel name is empty"),
    ("foo:4:capacity_default=x", "invalid capacity_default x"),
    ("foo:4:capacity_default", "invalid capacity_default True"),
    ("foo:4:capacity_default=2:sequential_default", "needs a capacity_default of 1"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_mistakes_that_keep_a_runner_from_starting(text, message):
    with pytest.raises(ValueError, match=message):
        validate(text)


ACCEPTED = [
    "root:4,foo:2:paused,foo.bar::sequential",
    "foo:1:sequential=yes:throttle=2:rate=5/10",
    "foo:4:capacity_default=1:sequential_default",
    "foo:4:capacity_default=0,foo.a:2",
    "foo bar:0:paused=no",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_a_runner_starts_with(text):
    assert validate(text)


#: Text, names of rows, channel, and its capacity and whether it is sequential.
ON_THE_FLY = [
    ("a:4:capacity_default=2", [], "root.a", 4, False),
    ("a:4:capacity_default=2", [], "root.a.x", 2, False),
    ("a:4:capacity_default=2", [], "root.a.x.y", 2, False),
    ("a:4:sequential_default", [], "root.a.x", 1, True),
    ("a:4:capacity_default=0", [], "root.a.x", None, False),
    ("a:4", [], "root.a.x", None, False),
    ("a:4:capacity_default=2", [], "root.b", None, False),
    ("root:9:capacity_default=2", [], "root.b", 2, False),
    # the nearest one counts
    ("a:4:capacity_default=2,a.b:3:capacity_default=1", [], "root.a.b.x", 1, False),
    ("a:4:capacity_default=2,a.b:3", [], "root.a.b.x", 2, False),
    # whatever their order is
    ("a.b.c:3,a:4:capacity_default=2", [], "root.a.b", 2, False),
    # what is declared is not made on the fly
    ("a:4:capacity_default=2", ["root.a.x"], "root.a.x", None, False),
    ("a:4:capacity_default=2,a.x:3", [], "root.a.x", 3, False),
]


@pytest.mark.parametrize(("text", "rows", "name", "capacity", "sequential"), ON_THE_FLY)
@pytest.mark.parametrize("shared", [False, True])
def test_channels_on_the_fly(text, rows, name, capacity, sequential, shared):
    slots = SharedSlots() if shared else None
    manager = ChannelManager(slots, "db")
    manager.simple_configure(text)
    early = manager.get_channel_by_name(name, parent_fallback=True)
    manager.apply_settings([ChannelSettings("root"), *map(ChannelSettings, rows)])
    channel = manager.get_channel_by_name(name, parent_fallback=True)
    assert channel is early
    assert (channel.capacity, channel.sequential) == (capacity, sequential)
    # and so it is shown
    given = entries(text)
    defaults = None if name in rows else defaults_above(name, all_defaults(given))
    limits = limits_of(name, ChannelSettings(name), given.get(name), defaults=defaults)
    assert (limits.capacity, limits.sequential) == (capacity, sequential)


def test_databases_share_a_channel_on_the_fly():
    slots = SharedSlots()
    managers = [ChannelManager(slots, name) for name in ("one", "two")]
    for number, manager in enumerate(managers):
        manager.simple_configure("root:9,a:4:capacity_default=1")
        database = ("one", "two")[number]
        manager.notify(database, "root.a.x", f"job{number}", 1, 0, 10, None, "pending")
    started = [len(manager.get_jobs_to_run(0)) for manager in managers]
    assert started == [1, 0]
    # a record declares it in one of them: there it is a channel of its own
    managers[1].apply_settings([ChannelSettings("root.a.x", 1)])
    assert len(managers[1].get_jobs_to_run(0)) == 1
    managers[1].apply_settings([])
    assert slots.held("two", "root.a.x") == 1


def test_a_pause_of_the_text():
    manager = ChannelManager()
    manager.simple_configure("a:2:paused")
    assert not manager.has_free_capacity("root.a")
    assert manager.has_free_capacity("root.b")


def test_defaults():
    found = all_defaults(entries("a:4:capacity_default=2,b:1,c:1:sequential_default"))
    assert found == {
        "root.a": ChildDefaults(2),
        "root.c": ChildDefaults(1, sequential=True),
    }


DISABLED = [
    ("root:0", True),
    (" root : 0 ", True),
    ("A:1,root:0", True),  # wherever it stands
    ("root:0,root:2", False),  # the last one counts
    ("root:01", False),
    ("root:2,A:0", False),  # no limit for A
    ("", False),
]


@pytest.mark.parametrize(("text", "expected"), DISABLED)
def test_disabled_iff_the_capacity_of_root_is_0(text, expected):
    assert is_disabled(text) is expected


def test_switches():
    assert not any(as_boolean(value) for value in ("False", "0", " no ", "", None, 0))
    assert all(as_boolean(value) for value in ("True", "1", "yes", "sure", True))


def test_canonical_name():
    cases = {
        None: "root",
        "": "root",
        "root": "root",
        "a": "root.a",
        "root.a.b": "root.a.b",
        " a . b ": "root.a.b",
        "rooty": "root.rooty",
    }
    assert {name: canonical_name(name) for name in cases} == cases


#: Text, row of the channel "root.a", and what differs from no limit at all.
LIMITS = [
    ("", {}, {}),
    ("", {"capacity": 3, "throttle": 2}, {"capacity": 3, "throttle": 2}),
    # sequential means one at a time, whatever the capacity of the row
    ("", {"capacity": 5, "sequential": True}, {"capacity": 1, "sequential": True}),
    ("", {"sequential": True}, {"capacity": 1, "sequential": True}),
    # what SQL may have put there is no limit, and no error
    ("", {"capacity": -4, "throttle": -1, "rate_limit": -1}, {}),
    ("", {"capacity": None, "throttle": None, "rate_limit": None}, {}),
    ("", {"rate_limit": 9, "rate_period": 0}, {"rate": Rate(9, 60)}),
    ("", {"paused": True}, {"paused": True}),
    # the text wins; the row only adds its pause
    ("a:2", {"capacity": 5, "throttle": 9, "sequential": True}, {"capacity": 2}),
    ("a:2", {"paused": True}, {"capacity": 2, "paused": True}),
    ("a:2:paused", {}, {"capacity": 2, "paused": True}),
    ("a:0", {"capacity": 5}, {"capacity": 0}),
    ("a:1:sequential", {}, {"capacity": 1, "sequential": True}),
    ("a:1:sequential=no:throttle=3", {}, {"capacity": 1, "throttle": 3}),
    ("a:1:rate=5/10", {"rate_limit": 9}, {"capacity": 1, "rate": Rate(5, 10)}),
    ("", {"threads": True}, {"threads": True}),
    ("a:9:threads", {}, {"capacity": 9, "threads": True}),
    ("a:9", {"threads": True}, {"capacity": 9}),
    # of several entries the last one counts
    ("a:2,a:3", {}, {"capacity": 3}),
    # other channels are not touched
    ("root:4,b:2", {}, {}),
]
NO_LIMIT = {
    "capacity": None,
    "sequential": False,
    "throttle": 0,
    "paused": False,
    "rate": None,
    "threads": False,
}


def entries(text):
    return {canonical_name(entry["name"]): entry for entry in parse(text)}


@pytest.mark.parametrize(("text", "row", "expected"), LIMITS)
def test_limits(text, row, expected):
    settings = ChannelSettings("root.a", **row)
    limits = limits_of("root.a", settings, entries(text).get("root.a"))
    assert limits._asdict() == {**NO_LIMIT, **expected}


@pytest.mark.parametrize(("text", "row", "_expected"), LIMITS)
def test_the_runner_obeys_these_limits(text, row, _expected):
    settings = ChannelSettings("root.a", **row)
    manager = ChannelManager()
    manager.simple_configure(text)
    manager.apply_settings([settings])
    channel = manager.get_channel_by_name("root.a")
    limits = limits_of("root.a", settings, entries(text).get("root.a"))
    assert {name: getattr(channel, name) for name in NO_LIMIT} == limits._asdict()


#: Channel, text, row (None for none), maximum, and what gives the capacity.
ORIGINS = [
    ("root.a", "", {}, None, Origin.NOTHING, "no limit"),
    ("root.a", "", {"capacity": 2}, None, Origin.ROW, "its own number"),
    ("root.a", "", {"capacity": 9, "sequential": True}, None, Origin.ROW, "its order"),
    ("root.a", "", {"capacity": -2}, None, Origin.NOTHING, "what SQL put there"),
    ("root.a", "", {"capacity": 9}, 4, Origin.ROW, "a maximum is that of root"),
    ("root.a", "a:2", {"capacity": 5}, None, Origin.TEXT, "the text wins"),
    ("root.a", "a:0", {"capacity": 5}, None, Origin.TEXT, "no limit, says the text"),
    ("root.a", "root:4", {"capacity": 5}, None, Origin.ROW, "an entry of another"),
    ("root.a", "root:4:capacity_default=2", None, None, Origin.DEFAULTS, "on the fly"),
    ("root.a", "root:4:sequential_default", None, None, Origin.DEFAULTS, "in order"),
    ("root.a", "root:4:capacity_default=0", None, None, Origin.NOTHING, "no limit"),
    ("root", "", {}, None, Origin.NOTHING, "what the workers are made for"),
    ("root", "", {"capacity": 3}, None, Origin.ROW, "its own number"),
    ("root", "root:0", {"capacity": 3}, 2, Origin.TEXT, "off"),
    ("root", "", {}, 6, Origin.MAXIMUM, "nothing else says a number"),
    ("root", "", {"capacity": 8}, 6, Origin.MAXIMUM, "more than it may"),
    ("root", "", {"capacity": 6}, 6, Origin.ROW, "as much as it may"),
    ("root", "", {"capacity": 8, "sequential": True}, 6, Origin.ROW, "one at a time"),
]


@pytest.mark.parametrize(("name", "text", "row", "maximum", "expected", "why"), ORIGINS)
def test_what_gives_the_capacity(name, text, row, maximum, expected, why):
    known = entries(text)
    defaults = defaults_above(name, all_defaults(known)) if row is None else None
    settings = ChannelSettings(name, **(row or {}))
    given = (name, settings, known.get(name))
    origin = capacity_origin(*given, defaults, maximum)
    assert origin == expected, why
    capacity = limits_of(*given, 4, defaults, maximum).capacity
    assert (
        capacity
        == {
            Origin.ROW: 1 if settings.sequential else settings.capacity,
            Origin.MAXIMUM: maximum,
            Origin.TEXT: known.get(name, {}).get("capacity"),
            Origin.DEFAULTS: defaults and defaults.capacity,
            Origin.NOTHING: 4 if name == "root" else None,
        }[origin]
    )


@pytest.mark.parametrize(
    ("text", "capacity", "expected"),
    [("", 0, 4), ("", 2, 2), ("root:3", 2, 3), ("a:1", None, 4)],
)
def test_root_has_a_number_of_its_own(text, capacity, expected):
    entry = entries(text).get("root")
    row = ChannelSettings("root", capacity)
    assert limits_of("root", row, entry, root_capacity=4).capacity == expected


def test_doctests():
    for module in (channel_config, channel_options):
        assert doctest.testmod(module).failed == 0


def test_a_path_is_no_deeper_than_python_can_walk():
    deep = canonical_name("a." * 5000)
    assert deep.count(".") == channel_config.DEEPEST
    assert canonical_name(deep) == deep
