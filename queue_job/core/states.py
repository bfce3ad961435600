# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The seven states of a job and every legal way from one to another, as data.

`EDGES` is the whole truth: one row per edge with the event that takes it.
`TRANSITIONS` is the same table for lookups. Code that writes a state asks `check`
(or `is_legal`) first; the diagram in the documentation shows the same table.

Staying in a state is always legal (a job is stored again without having moved).
This module imports nothing, so that the scheduler can be tested without Odoo.
"""

from __future__ import annotations

WAIT_DEPENDENCIES = "wait_dependencies"
PENDING = "pending"
ENQUEUED = "enqueued"
STARTED = "started"
DONE = "done"
CANCELLED = "cancelled"
FAILED = "failed"

#: (value, label) in the order of a job's life, as the selection field shows them.
STATES = [
    (WAIT_DEPENDENCIES, "Wait Dependencies"),
    (PENDING, "Pending"),
    (ENQUEUED, "Enqueued"),
    (STARTED, "Started"),
    (DONE, "Done"),
    (CANCELLED, "Cancelled"),
    (FAILED, "Failed"),
]
ALL_STATES = tuple(name for name, _label in STATES)

#: Not begun yet: the states in which a duplicate with the same identity key is refused.
WAITING = (WAIT_DEPENDENCIES, PENDING, ENQUEUED)
#: Occupies a slot of its channel: the runner gave it to a worker.
IN_FLIGHT = (ENQUEUED, STARTED)
#: Nothing happens any more unless a user asks for it.
FINAL = (DONE, CANCELLED, FAILED)

#: (from, to, event): every edge a job may take.
EDGES = (
    (WAIT_DEPENDENCIES, PENDING, "release: the last parent is done"),
    (WAIT_DEPENDENCIES, DONE, "set done by hand"),
    (WAIT_DEPENDENCIES, CANCELLED, "cancel, or a parent makes it impossible"),
    (WAIT_DEPENDENCIES, FAILED, "its code or its arguments cannot be loaded"),
    (PENDING, WAIT_DEPENDENCIES, "a parent is added, or put back by an undo"),
    (PENDING, ENQUEUED, "claim: the runner gives it to a worker"),
    (PENDING, STARTED, "start by a process which needs no claim"),
    (PENDING, DONE, "set done by hand"),
    (PENDING, CANCELLED, "cancel, or it expired"),
    (PENDING, FAILED, "its code or its arguments cannot be loaded"),
    (ENQUEUED, STARTED, "start: the worker begins"),
    (ENQUEUED, PENDING, "return of a lease, or recovery before the start"),
    (ENQUEUED, WAIT_DEPENDENCIES, "return while a parent was requeued"),
    (ENQUEUED, DONE, "set done by hand"),
    (ENQUEUED, CANCELLED, "cancel, or it expired"),
    (ENQUEUED, FAILED, "it cannot be loaded, or its workers died too often"),
    (STARTED, DONE, "done: the method returned"),
    (STARTED, FAILED, "fail: exception, timeout or too many deaths"),
    (STARTED, PENDING, "postpone, or recovery from a dead worker"),
    (STARTED, WAIT_DEPENDENCIES, "postpone while a parent was requeued"),
    (STARTED, CANCELLED, "cancel of a running job"),
    (DONE, PENDING, "requeue, or undo"),
    (DONE, WAIT_DEPENDENCIES, "requeue before its parents, or undo"),
    (DONE, FAILED, "undo of set done by hand"),
    (CANCELLED, PENDING, "requeue, or undo"),
    (CANCELLED, WAIT_DEPENDENCIES, "requeue before its parents, or undo"),
    (CANCELLED, FAILED, "undo of cancel"),
    (FAILED, PENDING, "requeue"),
    (FAILED, WAIT_DEPENDENCIES, "requeue before its parents"),
    (FAILED, DONE, "set done by hand"),
    (FAILED, CANCELLED, "cancel"),
)

#: state -> the states it may become.
TRANSITIONS = {
    state: frozenset(new for old, new, _event in EDGES if old == state)
    for state in ALL_STATES
}


class IllegalTransition(ValueError):
    """A job was about to take an edge that does not exist."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new
        legal = ", ".join(sorted(TRANSITIONS.get(old, ()))) or "nothing"
        super().__init__(
            f"A job cannot go from state {old!r} to {new!r}; "
            f"from {old!r} it can become: {legal}."
        )


def is_legal(old: str | None, new: str) -> bool:
    """Return whether a job in state `old` may become `new`.

    :param old: None for a job that is created
    """
    if old is None:
        return new in TRANSITIONS
    return old == new or new in TRANSITIONS.get(old, ())


def check(old: str | None, new: str) -> None:
    """Check that a job in state `old` may become `new`.

    :param old: None for a job that is created
    :raise IllegalTransition: it may not
    """
    if not is_legal(old, new):
        raise IllegalTransition(old or "(new)", new)
