# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The call of a job, and what others make of it: they wait for it, read its result."""

from __future__ import annotations

import contextlib
import inspect
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from ..core import results
from . import related_action

CLOSE = {"type": "ir.actions.act_window_close"}

_LAZY_CODE = (
    inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
_LAZY_RESULTS = (
    GeneratorType,
    CoroutineType,
    AsyncGeneratorType,
    contextlib._GeneratorContextManager,
    contextlib._AsyncGeneratorContextManager,
    map,
    filter,
)


def refuse_lazy_method(func) -> None:
    """Check that a call of the method does its work.

    :raise TypeError: it only makes a generator or a coroutine
    """
    code = getattr(func.__func__, "__code__", None)
    if code is not None and code.co_flags & _LAZY_CODE:
        raise TypeError(
            f"{func.__self__._name}.{func.__name__} is a generator or a coroutine: as a"
            " job it would be done without having run. Delay a plain method that runs"
            " it to its end."
        )


def _refuse_lazy_result(result, name: str) -> None:
    """Check that what a method has returned is not work that is still to be done.

    :raise TypeError: it is a generator, or a coroutine or the like
    """
    kind = type(result)  # isinstance would ask `result.__class__`, which may raise
    if issubclass(kind, _LAZY_RESULTS) or hasattr(kind, "__await__"):
        if issubclass(kind, CoroutineType):
            result.close()  # else Python warns that nobody has awaited it
        raise TypeError(
            f"{name} has returned a {kind.__name__}: its work is not done"
            " before somebody runs that to its end. Do so in the method."
        )


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
        result = self.func(*self.args, **self.kwargs)
        _refuse_lazy_result(result, self.job_function_name)
        self.result = result

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
