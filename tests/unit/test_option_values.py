# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the values of options may be."""

import math
from datetime import date, datetime, time, timedelta, timezone

import pytest

from queue_job.core import option_values, texts

NOW = datetime(2026, 3, 1, 12, 0)


def now():
    return NOW


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 10), (0, 0), (5, 5), ("high", 1), ("default", 10), ("low", 100), ("7", 7)],
)
def test_priority(value, expected):
    assert option_values.priority(value) == expected


@pytest.mark.parametrize("value", ["urgent", object(), 1.5, 2**40, []])
def test_priority_is_refused(value):
    with pytest.raises(ValueError, match=r"priority=.*'high', 'default', 'low'"):
        option_values.priority(value)


@pytest.mark.parametrize(("value", "expected"), [(None, 5), (0, 0), (3, 3)])
def test_max_retries(value, expected):
    assert option_values.max_retries(value) == expected


def test_negative_max_retries_is_refused():
    with pytest.raises(ValueError, match=r"max_retries=-1 .*0 for no limit"):
        option_values.max_retries(-1)


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
        ("2026-05-05", "2026-05-05"),
        (date(2026, 5, 5), date(2026, 5, 5)),
        (True, NOW + timedelta(seconds=1)),
        (-60, NOW - timedelta(minutes=1)),
        (datetime.max, datetime.max),
        (datetime.min, datetime.min),
    ],
)
def test_eta(value, expected):
    assert option_values.eta(value, now) == expected


#: Moments that are none, or that no calendar has.
NO_MOMENTS = [
    [1],
    object(),
    time(10, 0),
    math.nan,
    math.inf,
    -math.inf,
    10**12,
    -(10**12),
    10**400,
    timedelta.max,
    timedelta.min,
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=2))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
    "tomorrow",
    "2026-13-01 00:00:00",
    "99999-01-01 00:00:00",
    "2026-05-05\0",
    "-infinity",
    "1",
]


@pytest.mark.parametrize("value", NO_MOMENTS)
@pytest.mark.parametrize("function", [option_values.eta, option_values.expires])
def test_moments_that_are_refused(function, value):
    with pytest.raises(ValueError, match=f"option {function.__name__}=.*: give a date"):
        function(value, now)


@pytest.mark.parametrize("value", ["2026-05-05T00:00:00", "2026-05-05 00:00:00.5"])
def test_eta_that_the_orm_does_not_read(value):
    with pytest.raises(ValueError, match=r"option eta=.*2030-12-31 23:59:59"):
        option_values.eta(value, now)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (3600, "2026-03-01 13:00:00"),
        (date(2026, 5, 5), "2026-05-05 00:00:00"),
        ("2026-05-05", "2026-05-05 00:00:00"),
        ("2026-05-05 01:02:03", "2026-05-05 01:02:03"),
        ("2026-05-05T02:00:00+02:00", "2026-05-05 00:00:00"),
        (datetime.max, "9999-12-31 23:59:59"),
        (datetime.min, "0001-01-01 00:00:00"),
    ],
)
def test_expires_is_kept_as_text(value, expected):
    assert option_values.expires(value, now) == expected


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("2026-03-01 11:59:59", True),
        ("2026-03-01 12:00:01", False),
        # what SQL may have written
        (None, False),
        ("2026-03-01T13:59:00+02:00", True),
        ("2026-03-01T14:01:00+02:00", False),
    ],
)
def test_has_passed(stored, expected):
    assert option_values.has_passed(stored, NOW) is expected


@pytest.mark.parametrize("stored", ["soon", 12, ["2026-03-01"]])
def test_what_is_no_date_is_said(stored):
    with pytest.raises(ValueError, match="expires"):
        option_values.has_passed(stored, NOW)


@pytest.mark.parametrize(("value", "expected"), [(None, 0), (0, 0), (0.2, 1), (60, 60)])
def test_timeout(value, expected):
    assert option_values.timeout(value) == expected


NO_INTEGERS = [
    math.nan,
    math.inf,
    -math.inf,
    2**31,
    10**400,
    pytest.param(10**5000, id="long"),
    "10e400",
    "nan",
    "soon\0",
    [],
    1j,
    timedelta(seconds=1),
]


@pytest.mark.parametrize("value", NO_INTEGERS)
@pytest.mark.parametrize(
    "name", ["priority", "max_retries", "timeout", "concurrency_limit"]
)
def test_numbers_that_no_column_takes(name, value):
    functions = {"concurrency_limit": lambda value: option_values.limit(value, 1000)}
    with pytest.raises(ValueError, match=f"option {name}=.*: give "):
        functions.get(name, getattr(option_values, name, None))(value or "[]")


def test_the_largest_numbers():
    assert option_values.priority(2**31 - 1) == 2**31 - 1
    assert option_values.max_retries(2**31 - 1) == 2**31 - 1
    assert option_values.timeout(2**31 - 1) == 2**31 - 1


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (option_values.timeout, -1),
        (option_values.timeout, "soon"),
        (option_values.channel, "root.\0"),
        (option_values.channel, "root.\udcff"),
        (option_values.channel, "root." + "x" * 400),
        (option_values.identity_key, "\0"),
        (option_values.identity_key, "\udcff"),
        (option_values.identity_key, "x" * 2601),
        (option_values.identity_key, "\U0001f600" * 651),
        (option_values.identity_key, 12),
        (option_values.identity_scope, "ever"),
        (option_values.notify, "sometimes"),
    ],
)
def test_refused_values_name_the_option(function, value):
    with pytest.raises(ValueError, match=f"{function.__name__}=.*give "):
        function(value)


def test_identity_key_is_a_text_or_a_function():
    assert option_values.identity_key("key") == "key"
    assert option_values.identity_key(now) is now
    assert option_values.identity_key("") is None
    assert option_values.identity_key("x" * 2600) == "x" * 2600
    assert option_values.identity_key("\U0001f600" * 650)


def test_a_number_as_key_is_its_text():
    assert option_values.identity_text(12) == "12"
    assert option_values.identity_text(0) == "0"
    assert option_values.identity_text(None) is None


@pytest.mark.parametrize("value", [1.2, True, b"key", ("a",), "\0", "x" * 2601])
def test_what_a_function_returns_as_a_key_is_refused(value):
    with pytest.raises(ValueError, match=r"option identity_key=.*: give a text"):
        option_values.identity_text(value)


def test_a_message_shows_no_more_than_a_line():
    with pytest.raises(ValueError) as caught:
        option_values.identity_key("x" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_a_description_is_cleaned_and_cut():
    assert option_values.description("") is None
    assert option_values.description("Import \udcff\0") == "Import \\udcff\\x00"
    assert len(option_values.description("x" * 1_000_000)) <= texts.DESCRIPTION
    with pytest.raises(ValueError, match="description=3"):
        option_values.description(3)


def test_text():
    assert option_values.text("channel", "root.a") == "root.a"
    assert option_values.text("channel", False) is None
    with pytest.raises(ValueError, match="channel=3"):
        option_values.text("channel", 3)
