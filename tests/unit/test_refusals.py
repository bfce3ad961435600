# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases that are not run: their cause, the pauses, the log and the runner's note."""

import logging
from types import SimpleNamespace

import pytest

from queue_job.jobrunner.dispatch import refusals
from queue_job.jobrunner.dispatch.refusals import (
    BREAKS,
    LAST,
    LAST_UNREACHABLE,
    Refusals,
    code_of,
)

LOGGER = "queue_job.jobrunner.dispatch.refusals"


def answer(status=0, unreachable=False, error="why"):
    return SimpleNamespace(status=status, unreachable=unreachable, error=error)


GONE = answer(unreachable=True, error="connection refused")
BROKEN = answer(error="reset by peer")

CASES = [
    (GONE, "unreachable"),
    (BROKEN, "broken"),
    (answer(200), "error"),
    *((answer(status), "redirected") for status in (301, 302, 303, 307, 308)),
    (answer(400), "error"),
    (answer(401), "password"),
    (answer(407), "password"),
    (answer(403), "refused"),
    (answer(404), "missing"),
    (answer(405), "missing"),
    (answer(413), "error"),
    *((answer(status), "error") for status in (500, 502, 503, 504)),
]


@pytest.mark.parametrize(("given", "code"), CASES)
def test_each_answer_has_a_cause(given, code):
    assert code_of(given) == code
    assert code in refusals.REMEDIES


@pytest.fixture
def leases(caplog):
    caplog.set_level(logging.INFO, LOGGER)
    return Refusals("db")


@pytest.mark.parametrize(
    ("given", "last"), [(GONE, LAST_UNREACHABLE), (answer(500), LAST)]
)
def test_pauses_grow(leases, given, last):
    pauses = [leases.add(given, now) for now in range(100)]
    assert pauses[0] == pytest.approx(0.05)
    assert pauses == sorted(pauses)
    assert pauses[-1] == last
    leases.clear()
    assert leases.add(given, 200.0) == pytest.approx(0.05)


def test_a_moment_without_a_server_is_worth_no_word(leases, caplog):
    leases.add(GONE, 10.0)
    leases.add(GONE, 11.9)
    assert leases.note(12.0) == ""
    leases.clear()
    assert caplog.messages == []


@pytest.mark.parametrize(("given", "code"), CASES)
def test_what_lasts_is_noted_and_logged(leases, caplog, given, code):
    for now in (10.0, 11.0, 12.0, 13.0):
        leases.add(given, now)
    assert leases.note(14.0) == f"{code}: {given.error}"
    (line,) = caplog.messages
    assert line.startswith(f"db: no worker takes the leases: {given.error}; check ")
    leases.clear()
    assert leases.note(14.0) == ""
    assert caplog.messages[1:] == ["db: the leases are run again"]


def test_a_refusal_that_does_not_last_is_no_problem(leases):
    """A lease that was sent twice, or signed with the secret of before."""
    leases.add(answer(403), 10.0)
    assert leases.note(20.0) == ""


def test_each_cause_is_said_again_after_a_minute(leases, caplog):
    for now in range(10, 75):
        leases.add(answer(500 if now % 2 else 403), float(now))
    assert len(caplog.messages) == 4


def test_single_deaths_are_no_trouble(leases, caplog):
    """A job may kill its worker; the next lease goes out at once."""
    for now in (10.0, 20.0):
        assert leases.add(BROKEN, now) == 0.0
    assert leases.note(20.0) == ""
    assert caplog.messages == []
    for now in range(30, 30 + BREAKS):
        pause = leases.add(BROKEN, float(now))
    assert pause > 0
    assert leases.note(34.0).startswith("broken")


def test_what_was_long_ago_is_forgotten(leases):
    """Nothing was sent since, so nobody knows."""
    leases.add(GONE, 10.0)
    leases.add(GONE, 15.0)
    assert leases.note(16.0)
    assert leases.note(15.1 + refusals.MEMORY) == ""
    assert leases.add(GONE, 500.0) == pytest.approx(0.05)
    assert leases.note(501.0) == ""
