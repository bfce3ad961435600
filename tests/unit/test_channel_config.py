# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the configuration text means, and how its mistakes are named."""

import doctest

import pytest

from queue_job.jobrunner.channels import ChannelManager
from queue_job.jobrunner.schedule import channel_config
from queue_job.jobrunner.schedule.channel_config import (
    ChannelSettings,
    as_boolean,
    canonical_name,
    is_disabled,
    limits_of,
    parse,
    validate,
)
from queue_job.jobrunner.schedule.rate import Rate

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


@pytest.mark.parametrize(
    ("text", "capacity", "expected"),
    [("", 0, 4), ("", 2, 2), ("root:3", 2, 3), ("a:1", None, 4)],
)
def test_root_has_a_number_of_its_own(text, capacity, expected):
    entry = entries(text).get("root")
    row = ChannelSettings("root", capacity)
    assert limits_of("root", row, entry, root_capacity=4).capacity == expected


def test_doctests():
    assert doctest.testmod(channel_config).failed == 0


def test_a_path_is_no_deeper_than_python_can_walk():
    deep = canonical_name("a." * 5000)
    assert deep.count(".") == channel_config.DEEPEST
    assert canonical_name(deep) == deep
