# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The notify monitor: does LISTEN deliver the notifications of the queue?

The runner sends itself a ping every :data:`PING_INTERVAL`, from a session that is not
its own. While pings don't come back (behind a transaction-pooling proxy, say), the
runner polls more often. One WARNING when that begins or the trigger is missing, one
INFO line when LISTEN delivers again.
"""

import logging
import uuid

import psycopg2

from . import queries
from .database import Database

_logger = logging.getLogger(__name__)

#: Seconds between two polls while LISTEN delivers, and while it doesn't.
POLL_LISTENING = 5.0
POLL_WITHOUT_NOTIFY = 0.5

#: Seconds between two pings, and those a ping may take.
PING_INTERVAL = 30.0
PING_TIMEOUT = 2.0

#: Beginning of the payload of a ping, which says nothing about jobs.
PING = "ping"


class NotifyMonitor:
    """Watches the notifications of one leadership.

    :param database: the runner's session
    """

    def __init__(self, database: Database):
        self.database = database
        self.delivers = True
        self._payload = f"{PING} {uuid.uuid4().hex}"
        self._next_ping = 0.0
        self._sent: float | None = None

    @property
    def poll_interval(self) -> float:
        """Seconds between two polls."""
        return POLL_LISTENING if self.delivers else POLL_WITHOUT_NOTIFY

    @property
    def deadline(self) -> float | None:
        """When a ping should have come back, in monotonic seconds; None without one."""
        return None if self._sent is None else self._sent + PING_TIMEOUT

    def check_trigger(self) -> None:
        """Warn if there is no trigger that notifies the runner."""
        if not self.database.value(queries.HAS_TRIGGER):
            _logger.warning(
                "%s: the trigger queue_job_notify is missing, jobs are found by polling"
                " only; update the module (-u queue_job) to create it",
                self.database.db_name,
            )

    def receive(self, payloads: set[str]) -> None:
        """Look for the ping among what was delivered.

        :param payloads: of notifications
        """
        if self._payload not in payloads:
            return
        self._sent = None
        if not self.delivers:
            self.delivers = True
            _logger.info("%s: LISTEN delivers again", self.database.db_name)

    def check(self, now: float) -> bool:
        """Send a ping when it is time.

        :param now: monotonic time in seconds
        :return: whether LISTEN has stopped delivering since the last call
        """
        lost = self.deadline is not None and now > self.deadline
        if lost:
            self._sent = None
            lost = self._lose()
        if now >= self._next_ping:
            self._next_ping = now + PING_INTERVAL
            self._send(now)
        return lost

    def _lose(self) -> bool:
        was_delivering, self.delivers = self.delivers, False
        if was_delivering:
            _logger.warning(
                "%s: LISTEN does not deliver (a transaction-pooling proxy?);"
                " polling every %.1f s",
                self.database.db_name,
                POLL_WITHOUT_NOTIFY,
            )
        return was_delivering

    def _send(self, now):
        try:
            self.database.ping(self._payload)
        except psycopg2.OperationalError:
            self._sent = None  # no session to send it: nothing is learnt
        else:
            self._sent = now
