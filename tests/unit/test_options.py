# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Names and values of the options of a delayed call."""

from datetime import datetime, timedelta, timezone

import pytest

from queue_job import options

NOW = datetime(2026, 3, 1, 12, 0)


def now():
    return NOW


def test_unknown_option_is_named():
    with pytest.raises(TypeError, match=r"with_delay\(\).*'prioritty'"):
        options.given({"prioritty": 3})


def test_only_given_extras_travel():
    assert options.given({"timeout": None, "notify": True}) == {"notify": True}
    assert options.given({}) == {}


def test_countdown_is_an_eta():
    arguments = options.job_arguments({"eta": None}, {"countdown": 30})
    assert arguments == {"eta": timedelta(seconds=30)}


def test_countdown_and_eta_exclude_each_other():
    with pytest.raises(ValueError, match=r"countdown=30 and eta=5 .*one of them"):
        options.job_arguments({"eta": 5}, {"countdown": 30})


def test_order_of_the_properties_is_kept():
    given = {"args": (), "kwargs": {}, "priority": 1}
    arguments = options.job_arguments(given, {"timeout": 5, "allow_nested": False})
    assert list(arguments) == ["args", "kwargs", "priority", "timeout"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 10), (0, 0), (5, 5), ("high", 1), ("default", 10), ("low", 100), ("7", 7)],
)
def test_priority(value, expected):
    assert options.priority(value) == expected


@pytest.mark.parametrize("value", ["urgent", object(), 1.5, 2**40, []])
def test_priority_is_refused(value):
    with pytest.raises(ValueError, match=r"priority=.*'high', 'default', 'low'"):
        options.priority(value)


@pytest.mark.parametrize(("value", "expected"), [(None, 5), (0, 0), (3, 3)])
def test_max_retries(value, expected):
    assert options.max_retries(value) == expected


def test_negative_max_retries_is_refused():
    with pytest.raises(ValueError, match=r"max_retries=-1 .*0 for no limit"):
        options.max_retries(-1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, None),
        (60, NOW + timedelta(minutes=1)),
        (1.5, NOW + timedelta(seconds=1.5)),
        (timedelta(hours=1), NOW + timedelta(hours=1)),
        (datetime(2026, 5, 5), datetime(2026, 5, 5)),
        # other zones are brought to UTC
        (
            datetime(2026, 5, 5, 2, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 5, 5),
        ),
        ("2026-05-05 00:00:00", "2026-05-05 00:00:00"),
    ],
)
def test_eta(value, expected):
    assert options.eta(value, now) == expected


def test_eta_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="eta="):
        options.eta([1], now)


def test_expires_is_kept_as_text():
    assert options.expires(3600, now) == "2026-03-01 13:00:00"
    assert options.expires(None, now) is None


@pytest.mark.parametrize(("value", "expected"), [(None, 0), (0, 0), (0.2, 1), (60, 60)])
def test_timeout(value, expected):
    assert options.timeout(value) == expected


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (options.timeout, -1),
        (options.timeout, "soon"),
        (options.identity_key, 12),
        (options.identity_scope, "ever"),
        (options.notify, "sometimes"),
    ],
)
def test_refused_values_name_the_option(function, value):
    with pytest.raises(ValueError, match=f"{function.__name__}=.*give "):
        function(value)


def test_identity_key_is_a_text_or_a_function():
    assert options.identity_key("key") == "key"
    assert options.identity_key(now) is now
    assert options.identity_key("") is None


def test_text():
    assert options.text("channel", "root.a") == "root.a"
    assert options.text("channel", False) is None
    with pytest.raises(ValueError, match="channel=3"):
        options.text("channel", 3)
