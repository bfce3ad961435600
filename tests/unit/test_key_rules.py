# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What may be asked for by keys, and how new jobs are blocked."""

import doctest
from datetime import datetime, timedelta

import pytest

from queue_job.keys import rules
from queue_job.keys.rules import JobKey

NOW = datetime(2026, 1, 1)


def test_kinds():
    assert JobKey.of() is None
    assert JobKey.of(sequence_key="") is None
    assert JobKey.of(sequence_key="a") == ("sequence", "a", 0)
    assert JobKey.of(concurrency_key="a") == ("concurrency", "a", 1)
    assert JobKey.of(concurrency_key="a", concurrency_limit=3).limit == 3


REFUSED = [
    ({"sequence_key": "a", "concurrency_key": "b"}, "exclude each other"),
    ({"concurrency_limit": 2}, "give that as well"),
    ({"sequence_key": "a", "concurrency_limit": 2}, "give that as well"),
    ({"concurrency_key": "a", "concurrency_limit": 0}, "from 1 to 1000"),
    ({"concurrency_key": "a", "concurrency_limit": 1.5}, "from 1 to 1000"),
    ({"concurrency_key": "a", "concurrency_limit": "two"}, "from 1 to 1000"),
    ({"concurrency_key": "a", "concurrency_limit": 1001}, "from 1 to 1000"),
    ({"sequence_key": 5}, "a text, or a function"),
    ({"concurrency_key": ["a"]}, "a text, or a function"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        JobKey.of(**options)


def test_the_key_may_be_a_function_of_the_job():
    assert JobKey.of(sequence_key=lambda job: f"job {job}").text(7) == "sequence:job 7"
    assert JobKey.of(concurrency_key=lambda job: None).text(7) is None
    assert JobKey.of(sequence_key=lambda job: 5).text(7) == "sequence:5"
    with pytest.raises(ValueError, match="a text"):
        JobKey.of(sequence_key=lambda job: 5.0).text(7)


def test_a_key_fits_into_an_index():
    with pytest.raises(ValueError, match="250 characters"):
        JobKey.of(sequence_key="x" * 251).text(None)


def row(gate, state="pending", limit=0, eta=None, channel="root"):
    return {
        "gate": gate,
        "state": state,
        "gate_limit": limit,
        "eta": eta,
        "channel": channel,
        "scheduled": False,
    }


def test_new_jobs_are_blocked():
    later = NOW + timedelta(hours=1)
    rows = [
        row(None),
        row("sequence:a"),
        row("sequence:a", eta=later),
        row("sequence:a", channel="root.b"),
        row("sequence:c", state="wait_dependencies"),
        row("concurrency:a", limit=2, eta=later),
        row("concurrency:a", limit=2, eta=NOW),
        row("concurrency:a", limit=2),
    ]
    rules.block(rows, NOW)
    states = [each.get("gate_state") for each in rows]
    assert states == [
        None,
        "new",
        "waiting",
        "new",
        None,
        "later",
        "new",
        "waiting",
    ]
    assert [each["scheduled"] for each in rows] == [bool(state) for state in states]


def ended(key="sequence:a", channel="root", limit=0):
    return {"gate": key, "channel": channel, "gate_limit": limit}


SEQUENCES = [
    ([], False),
    ([ended()], True),
    ([ended(), ended()], True),
    ([ended(), ended("sequence:b")], False),
    ([ended(), ended(channel="root.b")], False),
    ([ended("concurrency:a", limit=1)], False),
    ([ended(channel=None)], False),  # a row that nobody has put right yet
]


@pytest.mark.parametrize(("rows", "goes_on"), SEQUENCES)
def test_a_lease_goes_on_in_the_one_sequence_that_it_is_in(rows, goes_on):
    assert rules.sequence_of(rows) == (rows[-1] if goes_on else None)


def test_what_a_state_leads_to():
    assert rules.consequences("pending") == {"gate_state": "new", "scheduled": True}
    assert rules.consequences("done") == {"gate_state": "new"}
    assert rules.consequences("started") == {}


def test_doctests():
    assert doctest.testmod(rules).failed == 0
