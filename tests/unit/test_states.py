# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every pair of states is either an edge of the table or refused."""

import itertools

import pytest

from queue_job.core import states
from queue_job.core.states import (
    ALL_STATES,
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    FINAL,
    PENDING,
    STARTED,
    TRANSITIONS,
    WAIT_DEPENDENCIES,
)

# What the life of a job needs, written down a second time.
LEGAL = {
    WAIT_DEPENDENCIES: {PENDING, DONE, CANCELLED, FAILED},
    PENDING: {WAIT_DEPENDENCIES, ENQUEUED, STARTED, DONE, CANCELLED, FAILED},
    ENQUEUED: {WAIT_DEPENDENCIES, PENDING, STARTED, DONE, CANCELLED, FAILED},
    STARTED: {WAIT_DEPENDENCIES, PENDING, DONE, CANCELLED, FAILED},
    DONE: {WAIT_DEPENDENCIES, PENDING, FAILED},
    CANCELLED: {WAIT_DEPENDENCIES, PENDING, FAILED},
    FAILED: {WAIT_DEPENDENCIES, PENDING, DONE, CANCELLED},
}


@pytest.mark.parametrize(("old", "new"), [*itertools.product(ALL_STATES, repeat=2)])
def test_each_pair(old, new):
    legal = old == new or new in LEGAL[old]
    assert states.is_legal(old, new) is legal
    if legal:
        states.check(old, new)
    else:
        with pytest.raises(states.IllegalTransition, match=f"{old}.*{new}"):
            states.check(old, new)


def test_table_and_edges_agree():
    assert set(TRANSITIONS) == set(ALL_STATES)
    edges = {(old, new) for old, new, _event in states.EDGES}
    assert len(edges) == len(states.EDGES)
    assert edges == {(old, new) for old in LEGAL for new in LEGAL[old]}
    assert all(event for _old, _new, event in states.EDGES)


def test_a_job_is_created_in_any_known_state():
    assert all(states.is_legal(None, state) for state in ALL_STATES)
    assert not states.is_legal(None, "nonsense")
    assert not states.is_legal("nonsense", PENDING)


def test_final_states_are_left_by_users_only():
    for state in FINAL:
        assert not TRANSITIONS[state] & {ENQUEUED, STARTED}


def test_labels_are_those_of_the_field():
    assert [name for name, _label in states.STATES] == list(ALL_STATES)
    assert dict(states.STATES)[WAIT_DEPENDENCIES] == "Wait Dependencies"
