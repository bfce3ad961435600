# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What others make of a job: they wait for it, and read what it has returned."""

from __future__ import annotations

from typing import Any

from . import results

CLOSE = {"type": "ir.actions.act_window_close"}


class JobResults:
    """The part of `Job` which is about its outcome."""

    def wait_action(self, next_action=None, **options) -> dict[str, Any]:
        """Return an action which waits for the job; see `wait_action` of `queue.job`.

        A job that was run at once needs no waiting: its result is what follows.
        """
        record = self.db_record()
        if record:
            return record.wait_action(next_action, **options)
        return results.as_action(self.result) or next_action or dict(CLOSE)

    def parents_results(self) -> list[Any]:
        """Return the results of the jobs which this one has waited for."""
        return self.db_record()._parents_results()
