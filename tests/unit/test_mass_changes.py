# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which jobs a change of many touches, and why it leaves the others out."""

import pytest

from queue_job.core import mass_changes
from queue_job.core.mass_changes import CANCEL, REQUEUE, SET_DONE, Row
from queue_job.core.states import ALL_STATES

# change, again, reason for each of ALL_STATES ("" where the job changes)
TABLE = [
    (REQUEUE, (), "still_to_run " * 4 + "not_asked not_asked -"),
    (REQUEUE, ("done",), "still_to_run " * 4 + "- not_asked -"),
    (REQUEUE, ("cancelled",), "still_to_run " * 4 + "not_asked - -"),
    (REQUEUE, ("started",), "still_to_run " * 4 + "not_asked not_asked -"),
    (SET_DONE, (), "- - - running ended ended -"),
    (SET_DONE, ("done",), "- - - running ended ended -"),
    (CANCEL, (), "- - - - ended ended -"),
]


@pytest.mark.parametrize(("change", "again", "reasons"), TABLE)
def test_reasons(change, again, reasons):
    expected = dict(zip(ALL_STATES, reasons.split(), strict=True))
    found = {
        state: mass_changes.left_out(change, state, again) or "-"
        for state in ALL_STATES
    }
    assert found == expected
    assert mass_changes.touched_states(change, again) == tuple(
        state for state in ALL_STATES if expected[state] == "-"
    )


def test_plan_counts_each_job_once():
    counts = {("failed", "f"): 5, ("done", "f"): 3, ("failed", "g"): 1}
    held = {("failed", "f"): [8, 7], ("failed", "g"): [9], ("done", "f"): [7]}
    rows = mass_changes.plan(REQUEUE, counts, held=held)
    assert rows == [
        Row("failed", "f", 3, None),
        Row("failed", "f", 2, "key_held", (7, 8)),
        Row("failed", "g", 1, "key_held", (9,)),
        Row("done", "f", 3, "not_asked"),
    ]
    assert mass_changes.sum_up(rows) == {None: 3, "key_held": 3, "not_asked": 3}


def test_a_few_holders_are_named():
    held = {("failed", "f"): [5, 5, 4, 9, 1]}
    (row,) = mass_changes.plan(REQUEUE, {("failed", "f"): 5}, held=held)
    assert row.holders == (1, 4, 5)
