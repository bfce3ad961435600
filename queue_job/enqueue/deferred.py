# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Deferred calls and waiting, as functions.

For code which knows jobs by these names; `with_delay` and `wait_action` do the same.

    from odoo.addons.queue_job.jobs import Deferred, DeferredType, WAIT_FOR_JOB

    def button(self):
        return WAIT_FOR_JOB(Deferred(self.compute_report, year=2026))

A deferred call is written in one of three forms:

    Deferred(record.method, *args, **kwargs)
    Deferred(model, cr_or_dbname, uid, "method", *args, **kwargs)
    Deferred(dbname, uid, "model", "method", args=(), kwargs={})

The model is its name, its class or a recordset. The last two forms call the method as
RPC does: unless it is an `@api.model` method or the recordset has records, the first
argument is the ids of the records. A database name must be that of the present
database; with it, outside of HTTP requests, the job is committed at once.

Inside a job a deferred call runs at once, as a plain call, unless its type says
`allow_nested=True`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from odoo import api, http
from odoo.models import BaseModel
from odoo.modules.registry import Registry
from odoo.sql_db import BaseCursor

from ..core import options, texts
from ..core.values import rebind_to_cr
from ..progress.iteration import job_iter, job_until_timeout
from ..progress.reporting import report as _report
from . import celery_names

__all__ = [
    "CLOSE_FEEDBACK",
    "QUIETLY_WAIT_FOR_JOB",
    "WAIT_FOR_JOB",
    "DefaultDeferredType",
    "Deferred",
    "DeferredType",
    "HighPriorityDeferred",
    "HighPriorityDeferredType",
    "LowPriorityDeferred",
    "LowPriorityDeferredType",
    "job_iter",
    "job_until_timeout",
    "report_progress",
]

#: Returned by a button to do nothing but close what is open.
CLOSE_FEEDBACK = None


class DeferredType:
    """A way to defer calls: a callable with options of its own.

    >>> Later = DeferredType(countdown=60, channel="root.low")
    >>> job = Later(env.user.partner_id.write, {"name": "Later"})
    >>> job.channel
    'root.low'

    The options are those of `with_delay`, and those of Celery that mean the same (see
    `celery_names`); others are refused.

    :raise TypeError: there is no such option
    :raise ValueError: two options exclude each other
    """

    def __init__(self, **job_options: Any) -> None:
        known, self._links = celery_names.translated(job_options)
        options.check_names(known, "DeferredType")
        for _method, following in self._links:
            _take_as_templates(following)
        self.options = {"allow_nested": False, **known}

    def __call__(self, target: Any, *args: Any, **kwargs: Any):
        """Defer a call.

        :return: the `Job`, or what the method returned if it ran at once
        :raise TypeError: the target is neither a method of records nor a name
        """
        if isinstance(target, BaseModel) or _is_model(target):
            return self._defer_by_model(target, args, kwargs)
        if callable(target):
            return self._defer(target, args, kwargs)
        if not isinstance(target, str):
            raise TypeError(
                f"{target!r} can't be deferred: give a method of a recordset, a model "
                "(its name, class or a recordset) or the name of the database."
            )
        if args and isinstance(args[0], int):
            return self._defer_named(target, *args, **kwargs)
        return self._defer_by_model(target, args, kwargs)

    def _defer(self, method: Callable, args: tuple, kwargs: dict):
        records = getattr(method, "__self__", None)
        if not hasattr(records, "with_delay"):
            raise TypeError(f"{method!r} is no method of a recordset")
        if not self._links:
            delayed = records.with_delay(**self.options)
            return getattr(delayed, method.__name__)(*args, **kwargs)
        call = records.delayable(**self.options)
        getattr(call, method.__name__)(*args, **kwargs)
        for name, following in self._links:
            getattr(call, name)(*(_again(each, records.env.cr) for each in following))
        call.delay()
        return call._generated_job

    def _defer_named(
        self, dbname: str, uid: int, model: str, method: str, args=(), kwargs=None
    ):
        with _environment(dbname, uid) as env:
            return self._defer_rpc(env, model, method, tuple(args), dict(kwargs or {}))

    def _defer_by_model(self, model: Any, args: tuple, kwargs: dict):
        try:
            where, uid, method, *rest = args
        except ValueError as error:
            raise TypeError(
                f"Deferred({model!r}, ...) needs the cursor or the database, the id of "
                "the user and the name of the method."
            ) from error
        with _environment(where, uid) as env:
            return self._defer_rpc(env, model, method, tuple(rest), kwargs)

    def _defer_rpc(self, env, model: Any, method: str, args: tuple, kwargs: dict):
        name = model if isinstance(model, str) else model._name
        records = env[name]
        if isinstance(model, BaseModel) and model:
            records = records.browse(model.ids)
        elif not getattr(getattr(type(records), method), "_api_model", False):
            if not args:
                raise TypeError(f"{name}.{method} needs the ids of its records")
            ids, *rest = args
            records = records.browse(ids)
            args = tuple(rest)
        return self._defer(getattr(records, method), args, kwargs)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"DeferredType({given})"


def _take_as_templates(following: tuple) -> None:
    """Take calls that are made again with each deferred call.

    :raise TypeError: one of them is no call
    """
    for call in following:
        if not getattr(type(call), "_build_job", None):
            raise TypeError(
                f"link and link_error take calls, each made by delayable(), or a list "
                f"of them; this is a {type(call).__name__}: {texts.shown(call)}"
            )
    for call in following:
        call._generated_job = True  # not forgotten


def _again(call: Any, cr: BaseCursor) -> Any:
    """Return the same call once more, by this cursor."""
    records = call.recordset.with_env(call.recordset.env(cr=cr))
    properties = {name: getattr(call, name) for name in call._properties}
    again = records.delayable(**properties, **call._extras)
    args, kwargs = rebind_to_cr((call._job_args, call._job_kwargs), cr)
    return getattr(again, call._job_method.__name__)(*args, **kwargs)


def _is_model(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, BaseModel)


@contextmanager
def _environment(where: Any, uid: int) -> Iterator[api.Environment]:
    """Yield an environment on a cursor, or on the database of this name."""
    if isinstance(where, BaseCursor):
        yield api.Environment(where, uid, {})
        return
    current = getattr(threading.current_thread(), "dbname", None)
    if current and current != where:
        raise ValueError(
            f"The database {where!r} is not the present one, {current!r}: a call can "
            "be deferred in its own database only."
        )
    if http.request and http.request.db == where:
        yield http.request.env(user=uid)
        return
    with Registry(where).cursor() as cr:
        yield api.Environment(cr, uid, {})


def DefaultDeferredType(**job_options: Any) -> DeferredType:
    """Return a way to defer calls to the channel `root.default`."""
    return DeferredType(**{"channel": "root.default", **job_options})


def HighPriorityDeferredType(**job_options: Any) -> DeferredType:
    """Return a way to defer urgent calls, to the channel `root.high`."""
    return DeferredType(**{"channel": "root.high", "priority": "high", **job_options})


def LowPriorityDeferredType(**job_options: Any) -> DeferredType:
    """Return a way to defer calls that have time, to the channel `root.low`."""
    return DeferredType(**{"channel": "root.low", "priority": "low", **job_options})


Deferred = DeferredType()
HighPriorityDeferred = HighPriorityDeferredType()
LowPriorityDeferred = LowPriorityDeferredType()


def WAIT_FOR_JOB(
    job: Any,
    next_action: dict[str, Any] | None = None,
    cancellable: bool = False,
    **wait_options: Any,
) -> dict[str, Any] | None:
    """Return an action which waits for the job; close what is open if there is none.

    :param job: a `Job`, a `queue.job` record, or what a call returned that ran at once
    :param next_action: what follows
    :param cancellable: let the user cancel the job
    :param wait_options: of `wait_action` of `queue.job`
    """
    if not job:
        return CLOSE_FEEDBACK
    if not hasattr(job, "wait_action"):  # it ran at once, this is its result
        return next_action or CLOSE_FEEDBACK
    return job.wait_action(next_action, cancellable=cancellable, **wait_options)


def QUIETLY_WAIT_FOR_JOB(
    job: Any, next_action: dict[str, Any] | None = None, **wait_options: Any
) -> dict[str, Any] | None:
    """Return an action which waits for the job without a dialog.

    For the parameters see `WAIT_FOR_JOB`.
    """
    return WAIT_FOR_JOB(job, next_action, quiet=True, **wait_options)


def report_progress(
    env: api.Environment | str | None = None,
    message: str | float | None = None,
    progress: float | None = None,
    **values: Any,
) -> None:
    """Tell how far a job is; outside of jobs, do nothing.

        report_progress(self.env, "Half of it", 50)
        report_progress("Half of it", 50)  # of the job that this thread runs

    :param env: that of the method of the job; it may be left out
    :param message: for the user
    :param progress: percent, from 0 to 100
    :param values: others of `report_progress` of `queue.job`
    """
    if not isinstance(env, api.Environment):
        # without it, the others are one place further to the front
        if env is not None or isinstance(message, int | float):
            message, progress = env, message if progress is None else progress
        env = None
    _report(env, message=message, progress=progress, **values)
