# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pauses of a database after errors, and what is logged."""

import logging

import psycopg2
import pytest

from queue_job.jobrunner.session.reconnect import (
    LAST,
    LAST_UNREACHABLE,
    WELL,
    ReconnectBackoff,
)

LOGGER = "queue_job.jobrunner.session.reconnect"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backoff(clock):
    return ReconnectBackoff("db", clock)


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (ValueError("year 20000 is out of range"), [0.5, 1, 2, 4, LAST, LAST]),
        (psycopg2.DataError("integer out of range"), [0.5, 1, 2, 4, LAST]),
        (psycopg2.OperationalError("gone"), [0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_the_pauses_grow_although_each_error_follows_a_good_turn(
    backoff, clock, error, pauses
):
    found = []
    for _pause in pauses:
        found.append(backoff.after(error))
        backoff.succeeded()
        clock.now += WELL - 1
        backoff.succeeded()
    assert found == pauses


def test_a_database_that_is_not_there_is_missed_for_two_seconds_at_most(backoff):
    gone = psycopg2.OperationalError("gone")
    pauses = [backoff.after(gone) for _pause in range(4)]
    assert pauses == [0.5, 1, LAST_UNREACHABLE, LAST_UNREACHABLE]


def test_all_is_forgotten_after_a_while_of_good_turns(backoff, clock, caplog):
    error = ValueError("odd")
    for _error in range(3):
        backoff.after(error)
    clock.now += 3600  # no round was run
    backoff.succeeded()
    assert backoff.after(error) == 4
    backoff.succeeded()
    clock.now += WELL
    backoff.succeeded()
    caplog.clear()
    assert backoff.after(error) == 0.5
    assert caplog.records[0].exc_info, "it is logged in full again"


@pytest.mark.parametrize(
    ("error", "level", "text", "traceback"),
    [
        (KeyError("x"), logging.ERROR, "error in the runner: KeyError('x')", True),
        (
            psycopg2.DataError("odd"),
            logging.ERROR,
            "error in the runner: DataErr",
            True,
        ),
        (
            psycopg2.OperationalError("gone"),
            logging.WARNING,
            "database lost: gone",
            False,
        ),
    ],
)
def test_each_trouble_is_told_at_length_once(
    backoff, caplog, error, level, text, traceback
):
    caplog.set_level(logging.WARNING, LOGGER)
    for _error in range(3):
        backoff.after(error)
    first, *others = caplog.records
    assert first.levelno == level
    assert first.getMessage().startswith(f"db: {text}")
    assert bool(first.exc_info) is traceback
    assert not any(record.exc_info for record in others)
