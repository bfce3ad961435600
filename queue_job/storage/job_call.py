# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job calls: its records and method, and what is configured for them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from odoo import models
from odoo.api import Environment
from odoo.tools.translate import LazyGettext

from ..core.errors import exception_text
from ..exception import NothingToDoJob
from .row_mapper import decoded

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


def refuse_lazy_method(func: Callable[..., Any]) -> None:
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


def _refuse_lazy_result(result: Any, name: str) -> None:
    """Check that what a method has returned is not work that is still to be done.

    :raise TypeError: it is a generator, or a coroutine or the like
    """
    kind = type(result)  # isinstance would ask `result.__class__`, which may raise
    if issubclass(kind, _LAZY_RESULTS) or hasattr(kind, "__await__"):
        if issubclass(kind, CoroutineType):
            result.close()  # else Python warns that it was never awaited
        raise TypeError(
            f"{name} has returned a {kind.__name__}: its work is not done"
            " before somebody runs that to its end. Do so in the method."
        )


def translated(description: Any, records: models.BaseModel) -> Any:
    """Return the description; a lazy translation in the language of the records."""
    if not isinstance(description, LazyGettext):
        return description
    env = records.env
    return description._translate(env.lang or env.user.lang or "en_US")


class JobCall:
    """The part of `Job` which is about its call."""

    @property
    def recordset(self) -> models.BaseModel:
        """The records on which the method is called.

        :raise ValueError: the column holds what is no record; it came by SQL
        :raise KeyError: the model is gone
        """
        if self._recordset is None:
            records = decoded(self, "records", models.BaseModel)
            self._recordset = self._env["base"] if records is None else records
        return self._recordset

    @recordset.setter
    def recordset(self, value: models.BaseModel) -> None:
        self._recordset = value

    @property
    def env(self) -> Environment:
        """The environment in which the job runs; that of the loader if it cannot."""
        try:
            return self.recordset.env
        except (KeyError, TypeError, ValueError):
            return self._env

    @property
    def func(self) -> Callable[..., Any]:
        """The bound method; `job_uuid` in its context is the uuid of the job.

        :raise AttributeError: the model has no such method any more, nor one of which
            this is a former name
        """
        recordset = self.recordset
        if self._bound is None or self._bound[0] is not recordset:
            self._bound = recordset, recordset.with_context(job_uuid=self.uuid)
        return getattr(self._bound[1], self.present_method)

    @property
    def func_string(self) -> str:
        """The call as Python would write it, for people."""
        args, kwargs = self._args, self._kwargs
        if args is None or kwargs is None:
            args, kwargs = self.args, self.kwargs
        arguments = [repr(arg) for arg in args]
        arguments += [f"{key}={value!r}" for key, value in kwargs.items()]
        return f"{self.recordset!r}.{self.method_name}({', '.join(arguments)})"

    @property
    def description(self) -> str:
        """What the job is called: as given, or the first line of the docstring."""
        if self._description:
            return self._description
        method = getattr(self.recordset, self.present_method, None)
        doc = getattr(method, "__doc__", None)
        first_line = doc.strip().splitlines()[0].strip() if doc and doc.strip() else ""
        return first_line or f"{self.model_name}.{self.method_name}"

    # -- what is configured ----------------------------------------------------------

    @property
    def present_method(self) -> str:
        """The name of the method; that of now if it was renamed since the call."""
        renamed = getattr(self.job_config, "renamed_to", None)
        return renamed[1] if renamed else self.method_name

    @property
    def job_function_name(self) -> str:
        """The name of the job function, such as `<res.partner>.write`.

        If the method was renamed, it is the name of now.
        """
        renamed = getattr(self.job_config, "renamed_to", None)
        name = self._env["queue.job.function"].job_function_name
        return name(*(renamed or (self.model_name, self.method_name)))

    @property
    def job_config(self) -> Any:
        """The configuration of the job function, or the default one."""
        if self._job_config is None:
            functions = self._env["queue.job.function"].sudo()
            name = functions.job_function_name(self.model_name, self.method_name)
            self._job_config = functions.job_config(name)
        return self._job_config

    @property
    def on_fail_method_name(self) -> str | None:
        """The name of the method which is called when the job fails, if any."""
        return self.job_config.on_fail_method_name

    @property
    def channel(self) -> str:
        """The full name of the channel: as given, or that of the job function."""
        return self._channel or self.job_config.channel

    # -- the calls -------------------------------------------------------------------

    def _call(self) -> None:
        """Call the method; with `skip_if_missing` only if there is a record left.

        One that raises `NothingToDoJob` has returned why.
        """
        if self.options.get("skip_if_missing") and self.recordset:
            existing = self.recordset.exists()
            if not existing:
                self.result = self.env._("Skipped, because the record was deleted")
                return
            if len(existing) < len(self.recordset):
                self.recordset = existing
        try:
            result = self.func(*self.args, **self.kwargs)
        except NothingToDoJob as error:
            result = exception_text(error) or self.env._("Nothing to do")
        _refuse_lazy_result(result, self.job_function_name)
        self.result = None if self.options.get("ignore_result") else result

    def on_fail(self, fail_vals: dict[str, Any]) -> None:
        """Call the method which the job function names for failures, if any.

        :param fail_vals: its keyword arguments: `exc_name`, `exc_message`, `exc_info`
        """
        name = self.on_fail_method_name
        if name and hasattr(self.recordset, name):
            getattr(self.recordset, name)(**fail_vals)
