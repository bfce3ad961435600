# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""After an error of a database: how long to wait, and what to log.

Pauses grow until the database has been well for a while, so that an error which recurs
between good rounds is not tried twice a second for ever. A database that can't be
reached is tried again after two seconds at the latest: a try costs nothing there, and
jobs wait for it from the second on in which it is back. Each kind of error is logged
once in full, an error of the runner with its traceback, and after that by one line or
at DEBUG; when the database has been well for a while, it is logged in full again.
"""

import logging
import time
from collections.abc import Callable

import psycopg2

_logger = logging.getLogger(__name__)

#: First and last pause, in seconds.
FIRST, LAST = 0.5, 4.0

#: Seconds of good rounds after which all errors are forgotten.
WELL = 30.0

#: The last one while the database can't be reached.
LAST_UNREACHABLE = 2.0


class ReconnectBackoff:
    """The pauses of one database.

    :param db_name: its name, for the log
    :param clock: seconds, monotonic
    """

    def __init__(self, db_name: str, clock: Callable[[], float] = time.monotonic):
        self.db_name = db_name
        self._clock = clock
        self._pause = FIRST
        self._lost_pause = FIRST
        self._logged: set[str] = set()
        self._is_ill = False
        self._well_since: float | None = None

    def succeeded(self) -> None:
        """Note a round that went well; after enough of them, all is forgotten.

        A connection that could be made says enough about the next one that breaks.
        """
        if not self._is_ill:
            return
        self._lost_pause = FIRST
        now = self._clock()
        if self._well_since is None:
            self._well_since = now
        elif now - self._well_since >= WELL:
            self._is_ill = False
            self._pause = FIRST
            self._logged.clear()

    def after(self, error: Exception) -> float:
        """Log an error, in full if it is new.

        :return: seconds until the next try
        """
        self._is_ill, self._well_since = True, None
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            pause = self._lost_pause
            self._lost_pause = min(pause * 2, LAST_UNREACHABLE)
        else:
            pause = self._pause
            self._pause = min(pause * 2, LAST)
        if isinstance(error, psycopg2.Error) and not isinstance(
            error, psycopg2.DataError
        ):
            self._log_lost(error, pause)
        else:
            self._log_error(error, pause)
        return pause

    def _log_error(self, error, pause):
        text = repr(error)
        _logger.error(
            "%s: error in the runner: %s; next try in %.1f s",
            self.db_name,
            text,
            pause,
            exc_info=None if text in self._logged else error,
        )
        self._logged.add(text)

    def _log_lost(self, error, pause):
        text = (str(error).strip() or repr(error)).splitlines()[0]
        level = logging.DEBUG if text in self._logged else logging.WARNING
        self._logged.add(text)
        _logger.log(
            level,
            "%s: database lost: %s; trying again, first in %.1f s",
            self.db_name,
            text,
            pause,
        )
