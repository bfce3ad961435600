# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether a change of a job by a user can be undone, and what the job becomes then.

A cancelled job, or one that was set to done, goes back to what it was as long as
nothing has built on the change: no later change of the job, and no job that has begun
because of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from . import states
from .mass_changes import BUSY, KEY_HELD
from .states import CANCELLED, FAILED, FINAL, PENDING, STARTED, WAIT_DEPENDENCIES

#: Reasons why a job is not put back.
GONE = "gone"  # deleted, or of a company that the user does not see
CHANGED_SINCE = "changed_since"
BUILT_ON = "built_on"  # a job that waited for it has begun
PARENT_STAYS = "parent_stays"  # a job that it waited for is not put back
NOT_KEPT = "not_kept"  # there were more than are kept of one change


class Facts(NamedTuple):
    """What is known of a job that a change has touched."""

    #: Before the change.
    was: str
    #: None if the job is not there.
    now: str | None
    #: Neither claimed nor ended by anybody else since.
    untouched: bool
    #: A job that would have to wait for it again has begun.
    built_on: bool = False
    #: Another job holds its identity key.
    key_held: bool = False
    #: Nobody else writes the job, or what waits for it, at this moment.
    locked: bool = True


def why_not(facts: Facts) -> str | None:
    """Return the reason why a job cannot be put back, None if it can."""
    if facts.now is None:
        return GONE
    if facts.was == STARTED and facts.now == STARTED:
        return BUSY  # it has been told to stop
    if not facts.untouched or facts.now not in FINAL:
        return CHANGED_SINCE
    if facts.was == STARTED and facts.now != CANCELLED:
        return CHANGED_SINCE  # it ended before it could be stopped
    if facts.built_on:
        return BUILT_ON
    if facts.key_held and facts.was != FAILED:
        return KEY_HELD
    return None if facts.locked else BUSY


def whose_parents_stay(
    back: Collection[int], edges: Collection[tuple[int, int | None]]
) -> set[int]:
    """Return those of the jobs to be put back that would then wait for ever.

    :param back: ids of the jobs to be put back and to wait
    :param edges: (child, parent) that is satisfied only if the parent goes back too;
        the parent is None if it was deleted
    """
    left: set[int] = set()
    while True:
        staying = {
            child
            for child, parent in edges
            if child not in left and (parent not in back or parent in left)
        }
        if not staying:
            return left
        left |= staying


def state_before(was: str, now: str, *, has_parents: bool) -> str:
    """Return the state to which a job is put back.

    A job with parents waits for them; those that have ended release it.

    :param was: its state before the change
    :param now: its state after it
    :param has_parents: whether it depends on other jobs
    :raise IllegalTransition: no job goes from `now` to that state
    """
    waiting = WAIT_DEPENDENCIES if has_parents else PENDING
    new = FAILED if was == FAILED else waiting
    states.check(now, new)
    return new
