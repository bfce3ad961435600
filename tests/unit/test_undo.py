# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which jobs of a change are put back, and as what."""

import itertools

import pytest

from queue_job.core import mass_changes, states, undo
from queue_job.core.undo import Facts

# was, now, what else, reason
TABLE = [
    ("pending", "cancelled", {}, None),
    ("pending", "done", {}, None),
    ("failed", "done", {}, None),
    ("failed", "cancelled", {}, None),
    ("started", "cancelled", {}, None),
    # deleted
    ("pending", None, {"untouched": False}, "gone"),
    # requeued, run again, or changed again
    ("pending", "pending", {}, "changed_since"),
    ("failed", "started", {}, "changed_since"),
    ("failed", "done", {"untouched": False}, "changed_since"),
    # told to stop: not yet, or too late
    ("started", "started", {}, "busy"),
    ("started", "done", {}, "changed_since"),
    ("started", "failed", {}, "changed_since"),
    # what follows from it
    ("pending", "done", {"built_on": True}, "built_on"),
    ("failed", "done", {"built_on": True}, "built_on"),
    # its key: a failed job holds none
    ("pending", "cancelled", {"key_held": True}, "key_held"),
    ("started", "cancelled", {"key_held": True}, "key_held"),
    ("failed", "cancelled", {"key_held": True}, None),
    # the worst reason is said
    ("pending", "done", {"built_on": True, "key_held": True}, "built_on"),
    ("pending", "done", {"untouched": False, "built_on": True}, "changed_since"),
    ("pending", "cancelled", {"locked": False}, "busy"),
    ("pending", "cancelled", {"locked": False, "key_held": True}, "key_held"),
]


@pytest.mark.parametrize(("was", "now", "more", "reason"), TABLE)
def test_reasons(was, now, more, reason):
    facts = Facts(**{"was": was, "now": now, "untouched": True, **more})
    assert undo.why_not(facts) == reason


def test_what_can_be_undone_takes_a_legal_edge():
    changes = {mass_changes.SET_DONE: "done", mass_changes.CANCEL: "cancelled"}
    for (change, now), has_parents in itertools.product(changes.items(), (True, False)):
        for was in mass_changes.TOUCHED[change]:
            new = undo.state_before(was, now, has_parents=has_parents)
            assert states.is_legal(now, new)
            assert (new == "failed") == (was == "failed")
            assert (new == "wait_dependencies") == (has_parents and was != "failed")


@pytest.mark.parametrize(
    ("back", "edges", "left"),
    [
        ({1, 2}, [], set()),
        ({1, 2}, [(2, 1)], set()),
        ({2, 3}, [(2, 1)], {2}),
        ({2, 3, 4}, [(4, 3), (3, 2), (2, 1)], {2, 3, 4}),  # those below as well
        ({2, 3}, [(2, None), (3, 2)], {2, 3}),  # deleted
        ({1, 2, 3}, [(3, 1), (3, 9)], {3}),
    ],
)
def test_no_job_is_put_back_to_wait_for_ever(back, edges, left):
    assert undo.whose_parents_stay(back, edges) == left


def test_an_edge_that_does_not_exist_is_refused():
    with pytest.raises(states.IllegalTransition):
        undo.state_before("failed", "gone", has_parents=False)
