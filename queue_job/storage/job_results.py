# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What others make of a job: they wait for it, read its results, see its records."""

from __future__ import annotations

from typing import Any

from . import related_action, results

CLOSE = {"type": "ir.actions.act_window_close"}


class JobResults:
    """The part of `Job` which is about its outcome."""

    def wait_action(
        self, next_action: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return an action which waits for the job.

        A job that was run at once needs no waiting: its result is what follows.

        :param next_action: what follows, if the result of the job is no action
        :param options: of `wait_action` of `queue.job`
        """
        record = self.db_record()
        if record:
            return record.wait_action(next_action, **options)
        return results.as_action(self.result) or next_action or dict(CLOSE)

    def parents_results(self) -> list[Any]:
        """Return the results of the jobs which this one has waited for."""
        return results.of_parents(self.env, self.db_record().id or None)

    def related_action(self) -> dict[str, Any] | None:
        """Return the action which shows what the job is about, None for none.

        The method runs with the rights of who has loaded or delayed the job.

        :raise AccessError: the job function names a method which is no related action
        :raise ValueError: the job function names something that is no name
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
