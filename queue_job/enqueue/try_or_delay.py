# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Try a call now; when it can't be done now, let a job do it.

    record.try_or_delay(exceptions=(TimeoutError,), eta=600).push()

The call runs in a savepoint. One of the named exceptions undoes its work and enqueues
it; any other passes.
"""

from __future__ import annotations

import logging
from typing import Any

from ..core import options
from ..exception import RetryableJobError

_logger = logging.getLogger(__name__)

#: What is expected to be over after a while.
TEMPORARY = (RetryableJobError, ConnectionError, TimeoutError)


class TryOrDelay:
    """A recordset whose methods are tried, and delayed if that fails."""

    __slots__ = ("_exceptions", "_options", "_recordset")

    def __init__(self, recordset, exceptions=TEMPORARY, **job_options: Any) -> None:
        options.check_names(job_options, "try_or_delay")
        self._recordset = recordset
        self._exceptions = exceptions
        self._options = job_options

    def __getattr__(self, name: str):
        method = getattr(self._recordset, name)
        if not callable(method):
            raise AttributeError(f"{name} is no method of {self._recordset}")

        def try_now(*args, **kwargs):
            try:
                with self._recordset.env.cr.savepoint():
                    return method(*args, **kwargs)
            except self._exceptions as error:
                _logger.info("%s is delayed: %s", name, error)
            delayed = self._recordset.with_delay(**self._options)
            return getattr(delayed, name)(*args, **kwargs)

        return try_now
