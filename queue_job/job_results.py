# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The call of a job, and what others make of it: they wait for it, read its result."""

from __future__ import annotations

from typing import Any

from . import related_action, results

CLOSE = {"type": "ir.actions.act_window_close"}


class JobResults:
    """The part of `Job` which is about its outcome."""

    def _call(self) -> None:
        """Call the method; with `skip_if_missing` only if there is a record left."""
        if self.options.get("skip_if_missing") and self.recordset:
            existing = self.recordset.exists()
            if not existing:
                self.result = self.env._("Skipped, because the record was deleted")
                return
            if len(existing) < len(self.recordset):
                self.recordset = existing
        self.result = self.func(*self.args, **self.kwargs)

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

    def related_action(self):
        """Return the action which shows what the job is about, None for none.

        The method runs with the rights of who has loaded or delayed the job.

        :raise AccessError: the job function names a method which is no related action
        """
        config = self.job_config
        if not config.related_action_enable:
            return None
        record = self.db_record()
        name = config.related_action_func_name or record._default_related_action
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is no name of a method")
        kwargs = config.related_action_kwargs
        return related_action.call(record, self._env, name, kwargs)
