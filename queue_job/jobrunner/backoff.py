# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""After an error of a database: how long to wait, and what to say.

Pauses grow. A database that can't be reached is tried again after two seconds at the
latest: a try costs nothing there, and it is missed from the second on in which it is
back. Each kind of trouble is one line in the log, until the database was led again.
"""

import logging

import psycopg2

_logger = logging.getLogger(__name__)

#: First and last pause, in seconds.
FIRST, LAST = 0.5, 30.0

#: The last one while the database can't be reached.
LAST_UNREACHABLE = 2.0


class Backoff:
    """The pauses of one database.

    :param db_name: its name, for the log
    """

    def __init__(self, db_name: str):
        self.db_name = db_name
        self._pause = FIRST
        self._told: set[str] = set()

    def reset(self) -> None:
        """All is well again."""
        self._pause = FIRST
        self._told.clear()

    def after(self, error: Exception) -> float:
        """Log an error if it is news, and return the seconds until the next try."""
        pause = self._pause
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            pause = min(pause, LAST_UNREACHABLE)
        self._pause = min(self._pause * 2, LAST)
        if isinstance(error, psycopg2.Error):
            self._say_lost(error, pause)
        else:
            _logger.exception(
                "%s: error in the runner; next try in %.1f s", self.db_name, pause
            )
        return pause

    def _say_lost(self, error, pause):
        text = (str(error).strip() or repr(error)).splitlines()[0]
        level = logging.DEBUG if text in self._told else logging.WARNING
        self._told.add(text)
        _logger.log(
            level,
            "%s: database lost: %s; trying again, first in %.1f s",
            self.db_name,
            text,
            pause,
        )
