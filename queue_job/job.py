# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The job in memory: one delayed call of a model method, and how it changes.

A `Job` is built from a bound method and options, or loaded from its row. It knows how
to perform its method and what each change of state means for its own attributes; it
does not decide when to run (jobrunner), nor what a failure leads to (`retry`,
`settlement`). `repository` moves it to and from the table.

The `set_*` methods work from any state: other code calls them on jobs in memory as it
needs. The transition is checked against `states.TRANSITIONS` by `repository.update`,
where the state of the row is known.

Records and arguments of a loaded job are decoded when they are first read, so that a
job whose model or arguments are gone can still be loaded, cancelled or failed.

All dates are naive and in UTC.
"""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import randint
from typing import Any

from odoo import models
from odoo.api import Environment

from .claim.claims import LIVENESS_LOCK
from .core import option_values, options, tracing
from .core.errors import exception_text, exception_wish
from .core.identity import identity_exact, identity_exact_hasher  # noqa: F401
from .core.obsolete import job as job  # the decorator of earlier series
from .core.option_values import (  # noqa: F401 (public here)
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
)
from .core.retry import RETRY_INTERVAL, attempts_exhausted, retry_seconds  # noqa: F401
from .core.states import (  # noqa: F401 (public here)
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    STARTED,
    STATES,
    WAIT_DEPENDENCIES,
)
from .exception import FailedJobError, NoSuchJobError, RetryableJobError
from .fields import rebind_to_cr as _rebind_to_cr
from .keys.job_keys import JobKeys
from .keys.rules import JobKey
from .sessions.transactions import is_guarded
from .storage import repository
from .storage.identity_slots import find_duplicates
from .storage.job_call import JobCall, refuse_lazy_method, translated
from .storage.job_dependencies import JobDependencies
from .storage.job_results import JobResults
from .storage.row_mapper import decoded, from_row


def _is_model_method(func) -> bool:
    return inspect.ismethod(func) and isinstance(
        func.__self__.__class__, models.MetaModel
    )


class Job(JobCall, JobDependencies, JobKeys, JobResults):
    """One delayed call.

    :param func: bound method of a recordset
    :param args: positional arguments, a tuple or list
    :param kwargs: keyword arguments, a dict
    :param job_uuid: identifier of the job, made when it is first needed

    The other parameters are the options described in `options`.
    """

    def __init__(
        self,
        func,
        args=None,
        kwargs=None,
        priority=None,
        eta=None,
        job_uuid=None,
        max_retries=None,
        description=None,
        channel=None,
        identity_key=None,
        *,
        timeout=None,
        identity_scope=None,
        **extras,
    ):
        if not _is_model_method(func):
            raise TypeError("Job accepts only methods of Models")
        refuse_lazy_method(func)
        recordset = func.__self__
        env = recordset.env
        self._init_state()
        self._env = env
        self._recordset = recordset
        self._args, self._kwargs = options.call_arguments(args, kwargs)
        self.model_name = recordset._name
        self.method_name = func.__name__
        self._uuid = job_uuid
        self._may_be_stored = job_uuid is not None
        self._check_on_fail_method()

        self.priority = option_values.priority(priority)
        self.max_retries = option_values.max_retries(max_retries)
        self.eta = eta
        description = translated(description, recordset)
        self._description = option_values.description(description)
        self._channel = option_values.channel(channel)
        self._identity_key = option_values.identity_key(identity_key)
        self.identity_scope = option_values.identity_scope(identity_scope)
        if timeout is None:
            timeout = getattr(self.job_config, "timeout", None)
        self.timeout = option_values.timeout(timeout)
        kept, key_options = options.divide(extras)
        self.options = {**kept, **tracing.carried()}
        self._key = JobKey.of(**key_options)

        self.date_created = datetime.now()
        self.user_id = env.uid
        context = env.context
        if "company_id" in context:
            self.company_id = context["company_id"]
        else:
            self.company_id = env.company.id

    def _init_state(self) -> None:
        """Set what a new job and a loaded one have in common."""
        self.id = self.claim_token = self.lease_id = None
        self._may_be_stored = True
        #: Takes ids of ended jobs whose children are released in bulk; None: at once.
        self.release_queue: list[int] | None = None
        #: The row from which it was loaded last; None for one that is new.
        self.loaded_row: dict | None = None
        self.state = PENDING
        self.retry = 0
        self.graph_uuid = self.result = None
        self.exc_name = self.exc_message = self.exc_info = None
        self.date_runnable = self.date_enqueued = self.date_started = None
        self.date_done = self.date_cancelled = None
        self.worker_pid = self.worker_host = None
        self._job_config = None
        self._bound: tuple | None = None  # recordset, the same in the job's context
        self._payload: dict = {}
        self._stored: dict | None = None
        self._init_dependencies()
        self._init_key()

    def _check_on_fail_method(self) -> None:
        name = self.job_config.on_fail_method_name
        if name and not _is_model_method(getattr(self._recordset, name, None)):
            raise TypeError("Job accepts only methods of Models")

    # -- loading -----------------------------------------------------------------

    @classmethod
    def load(cls, env, job_uuid: str) -> Job:
        """Return the job of a uuid.

        :param env: the environment in which it may be performed
        :param job_uuid: its uuid
        :raise NoSuchJobError: there is none
        """
        for found in cls.load_many(env, [job_uuid]):
            return found
        raise NoSuchJobError(f"Job {job_uuid} does no longer exist in the storage.")

    @classmethod
    def load_many(cls, env, job_uuids: Iterable[str]) -> set[Job]:
        """Return the jobs of these uuids; those that do not exist are left out.

        :param env: the environment in which they may be performed
        :param job_uuids: their uuids
        """
        rows = repository.rows_by_uuids(env, job_uuids)
        return {cls._from_row(env, row) for row in rows}

    @classmethod
    def _load_from_db_record(cls, record) -> Job:
        """Return the job of a `queue.job` record."""
        return cls._from_row(record.env, repository.row_of(record))

    @classmethod
    def _from_row(cls, env, row: dict) -> Job:
        """Return the job of a row with the columns `row_mapper.LOAD_COLUMNS`."""
        loaded = cls.__new__(cls)
        loaded._init_state()
        loaded._env = env
        loaded._recordset = loaded._args = loaded._kwargs = None
        from_row(loaded, row)
        return loaded

    @staticmethod
    def db_records_from_uuids(env, job_uuids: Iterable[str]) -> models.BaseModel:
        """Return the `queue.job` records of these uuids, as superuser.

        :param env: an environment of the database
        :param job_uuids: the uuids; those that do not exist are left out
        """
        return env["queue.job"].sudo().search([("uuid", "in", tuple(job_uuids))])

    def db_record(self) -> models.BaseModel:
        """Return the `queue.job` record of this job, empty when it is not stored."""
        if self.id:
            return self.env["queue.job"].sudo().browse(self.id).exists()
        return self.db_records_from_uuids(self.env, [self.uuid])

    def store(self) -> None:
        """Create or update the row of this job; nothing is flushed or committed.

        :raise JobFenced: the job is claimed, and its claim doesn't hold any more
        :raise TypeError: the job is new, and an argument cannot be kept in it
        """
        if self.id is None and self._may_be_stored:
            self.id = repository.find_id(self)
        if not self.id or not repository.update(self):
            repository.create(self)

    def job_record_with_same_identity_key(self) -> models.BaseModel:
        """Return the record of the job which holds the identity key, as superuser.

        It is empty when no job does.
        """
        jobs = self.env["queue.job"].sudo()
        duplicates = find_duplicates(self.env, [self.identity_key])
        return jobs.browse(duplicates.values())

    # -- values which are worked out -----------------------------------------------

    @property
    def uuid(self) -> str:
        """The identifier of the job, made when it is first read."""
        if self._uuid is None:
            self._uuid = str(uuid.uuid4())
        return self._uuid

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments, with records of the job's cursor; a new copy.

        :raise ValueError: the column holds what is no list; it came by SQL
        """
        if self._args is None:
            self._args = tuple(decoded(self, "args", (list, tuple)) or ())
        return _rebind_to_cr(self._args, self.env.cr) if self._args else ()

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments, with records of the job's cursor; a new copy.

        :raise ValueError: the column holds what is no dictionary; it came by SQL
        """
        if self._kwargs is None:
            self._kwargs = decoded(self, "kwargs", dict) or {}
        return _rebind_to_cr(self._kwargs, self.env.cr) if self._kwargs else {}

    @property
    def identity_key(self) -> str | None:
        """The identity key; a function is asked when it is first read.

        :raise ValueError: the function gave what is no text, or too long a text
        """
        if self._identity_key and not isinstance(self._identity_key, str):
            self._identity_key = option_values.identity_text(self._identity_key(self))
        return self._identity_key

    @identity_key.setter
    def identity_key(self, value) -> None:
        self._identity_key = option_values.identity_key(value)

    @property
    def eta(self) -> option_values.Moment:
        """The date before which the job must not begin, naive and in UTC, or None.

        May be set to a timedelta or a number of seconds from now, too.
        """
        return self._eta

    @eta.setter
    def eta(self, value) -> None:
        self._eta = option_values.eta(value, datetime.now)

    @property
    def exec_time(self) -> float | None:
        """Seconds from the start to the end of the job; None before it is done."""
        if not (self.date_done and self.date_started):
            return None
        return (self.date_done - self.date_started).total_seconds()

    # -- running -------------------------------------------------------------------

    def perform(self) -> Any:
        """Call the method; the attempt is counted, and the state does not change.

        A worker guards its cursor, so that the method may commit there; elsewhere
        `allow_commit` gives it a cursor of its own.

        :return: what the method returned
        :raise RetryableJobError: by the method, while attempts are left
        :raise FailedJobError: by the method, or in place of a `RetryableJobError`
        :raise Exception: any other of the method
        """
        self.retry += 1
        try:
            if self.job_config.allow_commit and not is_guarded(self.env.cr):
                with self.in_temporary_env():
                    self._call()
            else:
                self._call()
        except RetryableJobError as error:
            if exception_wish(error, "ignore_retry"):
                self.retry -= 1
            elif attempts_exhausted(self.retry, self.max_retries):
                message = exception_text(error) or type(error).__name__
                raise FailedJobError(
                    f"Max. retries ({self.max_retries}) reached: {message}"
                ) from error
            raise
        return self.result

    @contextmanager
    def in_temporary_env(self) -> Iterator[Environment]:
        """Bind the job to a new cursor, committed at the end unless there is an error.

        Yields the environment of the job with that cursor. The transaction of before
        sees the changes only if its snapshot allows it.
        """
        with self.env.registry.cursor() as new_cr:
            env, recordset = self._env, self._recordset
            self._env = env(cr=new_cr)
            if recordset is not None:
                self._recordset = recordset.with_env(recordset.env(cr=new_cr))
            try:
                yield self.env
            finally:
                self._env, self._recordset = env, recordset

    def add_lock_record(self) -> None:
        """Make sure that the row which `lock` locks exists."""
        repository.add_lock_record(self)

    def lock(self) -> bool:
        """Lock the lock row of this started job and show that its worker lives.

        :return: False when the job is not started, or another transaction runs it
        """
        return repository.lock(self, LIVENESS_LOCK)

    # -- changes of state ------------------------------------------------------------

    def set_pending(self, result: Any = None, reset_retry: bool = True) -> None:
        """Put the job in the queue again, or behind its parents.

        :param result: kept with the job, unless None
        :param reset_retry: count attempts from 0 again
        """
        self.state = WAIT_DEPENDENCIES if self._waits_for_parents() else PENDING
        self.date_runnable = datetime.now()
        self.date_enqueued = self.date_started = None
        self.date_done = self.date_cancelled = None
        self.worker_pid = self.worker_host = None
        if reset_retry:
            self.retry = 0
        if result is not None:
            self.result = result

    def set_enqueued(self) -> None:
        """Note that the job was given to a worker."""
        self.state = ENQUEUED
        self.date_enqueued = datetime.now()
        self.date_started = self.worker_pid = None

    def set_started(self) -> None:
        """Note that this process begins the job."""
        self.state = STARTED
        self.date_started = datetime.now()
        self.worker_pid = os.getpid()
        self.add_lock_record()

    def set_done(self, result: Any = None) -> None:
        """Note that the work is done.

        :param result: kept with the job, unless None
        """
        self.state = DONE
        self.exc_name = self.exc_info = self.exc_message = None
        self.date_done = datetime.now()
        if result is not None:
            self.result = result

    def set_cancelled(self, result: Any = None) -> None:
        """Note that the job shall not be done.

        :param result: kept with the job, unless None
        """
        self.state = CANCELLED
        self.date_cancelled = datetime.now()
        if result is not None:
            self.result = result

    def set_failed(self, **kwargs: Any) -> None:
        """Note a failure.

        :param kwargs: `exc_name`, `exc_message` and `exc_info` describe it; None is
            passed over
        """
        self.state = FAILED
        for name, value in kwargs.items():
            if value is not None:
                setattr(self, name, value)

    def postpone(self, result: Any = None, seconds: Any = None) -> None:
        """Set the date of the next attempt; `set_pending` makes it wait for it.

        :param result: kept with the job, unless None
        :param seconds: from now, see `RetryableJobError`; None or 0 as the retry
            pattern says
        """
        self.eta = timedelta(seconds=self._get_retry_seconds(seconds))
        self.exc_name = self.exc_info = None
        if result is not None:
            self.result = result

    def _get_retry_seconds(self, seconds=None) -> float:
        pattern, name = self.job_config.retry_pattern, f"job {self.uuid}"
        return retry_seconds(pattern, self.retry, seconds, randint=randint, name=name)

    def __eq__(self, other) -> bool:
        return isinstance(other, Job) and self.uuid == other.uuid

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __repr__(self) -> str:
        return f"<Job {self.uuid}, priority:{self.priority}>"
