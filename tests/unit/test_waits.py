# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Since when a job has waited."""

from datetime import datetime, timedelta

import pytest

from queue_job.core import waits

NOON = datetime(2026, 1, 1, 12)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("started", "since", "seconds"),
    [
        (at(60), (at(0), None, None), 60),
        (at(60), (at(0), at(20), None), 40),  # it had a date
        (at(60), (at(0), at(20), at(50)), 10),  # and was requeued
        (at(60), (at(0), False, at(50)), 10),  # the ORM's empty value
        (at(60), (at(0), at(90), None), 0),  # its date was changed since
        (None, (at(0), None, None), 0),
        (False, (at(0), None, None), 0),
        (at(60), (None, None, None), 0),
    ],
)
def test_waited_seconds(started, since, seconds):
    assert waits.waited_seconds(started, *since) == seconds
