# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What keeps the leases of a database from running: how long to wait, what to log.

Each answer without a report has a cause, with a code of its own, which the log and the
runner's row name, and through it the dashboard, the health check and ``doctor``. Pauses
grow from 0.05 s: a server that starts gets its leases in the second in which it is
there, one that answers with errors gets none for some seconds.

One WARNING line for each cause, again after a minute; one INFO line when it is over.
"""

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dispatcher import Answer

_logger = logging.getLogger(__name__)

#: Seconds between two warnings about the same cause.
WARNING_INTERVAL = 60.0

#: Seconds without a report that are nothing to warn about: a server starts or stops, a
#: lease was sent twice.
MOMENT = 2.0

#: Seconds without any lease after which nothing is known any more.
MEMORY = 60.0

#: First pause in seconds, and the longest: while no server listens, and where
#: one answers.
FIRST, LAST_UNREACHABLE, LAST = 0.05, 1.0, 5.0

#: Leases whose connection broke, one after the other, that are no mere deaths of
#: workers.
BREAKS = 3

UNREACHABLE, REFUSED, PASSWORD, REDIRECTED, MISSING, ERROR, BROKEN = (
    "unreachable",
    "refused",
    "password",
    "redirected",
    "missing",
    "error",
    "broken",
)

#: Code -> what to look at.
REMEDIES = {
    UNREACHABLE: "check host and port of the runner, and that the server there runs",
    REFUSED: "check that the server there serves this database (db_name, dbfilter) from"
    " the same PostgreSQL server, that the clocks agree, and that no proxy refuses",
    PASSWORD: "check http_auth_user and http_auth_password of the runner",
    REDIRECTED: "check scheme, host and port of the runner",
    MISSING: "check that the server there loads queue_job (server_wide_modules) and has"
    " the database, and the host and port of the runner",
    ERROR: "check the log of the server there",
    BROKEN: "check the log of the server there, and the time limits of the proxies in"
    " between",
}


def code_of(answer: "Answer") -> str:
    """The code of the cause of an answer without a report.

    :param answer: what came of a lease
    """
    status = answer.status
    if answer.unreachable:
        return UNREACHABLE
    if not status:
        return BROKEN
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        return PASSWORD
    if 300 <= status < 400:
        return REDIRECTED
    if status == HTTPStatus.FORBIDDEN:
        return REFUSED
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return MISSING
    return ERROR


class Refusals:
    """The leases of one database that did not run, since the last one that did.

    :param db_name: its name, for the log
    """

    def __init__(self, db_name: str):
        self.db_name = db_name
        self._since: float | None = None
        self._last = 0.0
        self._code = ""
        self._reason = ""
        self._breaks = 0
        self._warned: dict[str, float] = {}

    def clear(self) -> None:
        """Note that a worker has run a lease."""
        if self._warned:
            _logger.info("%s: the leases are run again", self.db_name)
        self._since, self._breaks = None, 0
        self._warned.clear()

    def add(self, answer: "Answer", now: float) -> float:
        """Note that a lease did not run.

        :param answer: what came of it
        :param now: monotonic time in seconds
        :return: seconds until the next try
        """
        if self._since is None or now - self._last > MEMORY:
            self._since = now
        self._last, self._code, self._reason = now, code_of(answer), answer.error
        if self._code == BROKEN:
            self._breaks += 1
            if self._breaks < BREAKS:
                return 0.0
        elif self._breaks:
            self._breaks = 0
        self._warn(now, now - self._since)
        longest = LAST_UNREACHABLE if self._code == UNREACHABLE else LAST
        return min(FIRST + (now - self._since) / 10, longest)

    def _warn(self, now: float, lasting: float) -> None:
        if self._code in (UNREACHABLE, BROKEN) and lasting < MOMENT:
            return
        if now < self._warned.get(self._code, now):
            return
        self._warned[self._code] = now + WARNING_INTERVAL
        _logger.warning(
            "%s: no worker takes the leases: %s; %s",
            self.db_name,
            self._reason,
            REMEDIES[self._code],
        )

    def note(self, now: float) -> str:
        """What the runner's row says: ``code: reason``, empty while all is well.

        :param now: monotonic time in seconds
        """
        if self._since is None or now - self._last > MEMORY:
            return ""
        if self._last - self._since < MOMENT:
            return ""
        if self._code == BROKEN and self._breaks < BREAKS:
            return ""
        return f"{self._code}: {self._reason}"
