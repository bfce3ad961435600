# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the way from calls to jobs needs of a call and of a graph of calls.

`delay.Delayable` and `delayable_graph.DelayableGraph` have it all, and nothing here
imports them.
"""

from __future__ import annotations

from typing import Any, Protocol

from odoo.models import BaseModel


class Call(Protocol):
    """One call of a method on a recordset, which becomes a job."""

    recordset: BaseModel
    #: A text or a function of the job.
    identity_key: Any
    #: The `Job`, or the record of the stored job that the call duplicates; None before
    #: it is built, True when there will be none.
    _generated_job: Any

    def _build_job(self) -> Any:
        """Return the `Job` of this call, built once."""

    def _execute_direct(self) -> Any:
        """Run the method now, in this transaction."""

    def _is_nested(self) -> bool:
        """Return whether the call is made inside a job and runs as part of it."""


class CallGraph(Protocol):
    """A graph of calls; an edge says which end of the parent the child waits for."""

    def edges(self) -> list[tuple[Any, Any]]:
        """Return all edges as pairs (parent, child)."""

    def condition(self, parent: Any, child: Any) -> str:
        """Return the end of the parent which the child waits for."""
