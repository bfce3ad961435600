# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job that exists even if its caller rolls back: to note a failure, above all.

    except ApiError as error:
        self.with_delay_apart(channel="root.notes").note_failure(str(error))
        raise

The job is written and committed in a transaction of its own, so it may run while the
caller still works, and sees nothing of what the caller hasn't committed. What holds a
lock in the caller's transaction can't be waited for: that is refused after
`LOCK_SECONDS`.

While Odoo runs tests there is one transaction only, and the job is written in it; a job
that is trapped stays when a savepoint is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.errors import LockNotAvailable

from odoo.models import BaseModel
from odoo.sql_db import BaseCursor
from odoo.tools import config

from ..core import options
from ..core.values import rebind, rebind_to_cr
from ..exception import JobError

#: Key of the context in which a job is enqueued apart.
IS_APART = "queue_job_apart"

#: Seconds to wait for what another transaction has locked.
LOCK_SECONDS = 5
LIMIT_LOCKS = "SELECT set_config('lock_timeout', %s, true)"


class DelayApart:
    """A recordset whose methods become jobs apart from the present transaction."""

    __slots__ = ("_options", "_recordset")

    def __init__(self, recordset: BaseModel, **job_options: Any) -> None:
        options.check_names(job_options, "with_delay_apart")
        self._recordset = recordset
        self._options = job_options

    def __getattr__(self, name: str) -> Callable[..., str]:
        def delay_call(*args: Any, **kwargs: Any) -> str:
            with _own_transaction(self._recordset) as cr:
                return self._delay(cr, name, args, kwargs)

        return delay_call

    def _delay(self, cr: BaseCursor, name: str, args: tuple, kwargs: dict) -> str:
        """Enqueue a call by a cursor; return the uuid of the job."""
        env = self._recordset.env
        env = env(cr=cr, context={**env.context, IS_APART: True})
        records = self._recordset.with_env(env)
        args, kwargs = rebind_to_cr(args, cr), rebind_to_cr(kwargs, cr)
        rebind((records, args, kwargs), _check_is_there)
        job = getattr(records.with_delay(**self._options), name)(*args, **kwargs)
        uuid: str = job.uuid
        return uuid


@contextmanager
def _own_transaction(records: BaseModel) -> Iterator[BaseCursor]:
    """Yield a cursor of a transaction of its own, committed at the end.

    :raise JobError: something that is needed stays locked
    """
    if config["test_enable"]:
        yield records.env.cr
        return
    try:
        with records.env.registry.cursor() as cr:
            cr.execute(LIMIT_LOCKS, [f"{LOCK_SECONDS}s"])
            yield cr
    except LockNotAvailable as error:
        lock = error.diag.message_primary
        raise JobError(
            f"A job of {records._name} can't be stored apart, for a transaction (maybe "
            f"the present one) holds a lock that it needs ({lock}). Enqueue it before "
            "the others, or without an identity key that they have."
        ) from error


def _check_is_there(records: BaseModel) -> BaseModel:
    """Check that another transaction sees the records.

    :raise ValueError: it doesn't
    """
    missing = records - records.exists()
    if missing and all(missing._ids):  # what is not saved is refused by its own name
        raise ValueError(
            f"{missing!r} is not committed, so a job apart from this transaction may "
            "find nothing there. Delay a method of the model, and pass the values."
        )
    return records
