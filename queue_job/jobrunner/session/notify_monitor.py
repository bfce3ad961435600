# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Does the doorbell ring, and does LISTEN deliver it?

The runner sends itself a ping now and then, from a session that is not its own. While
one doesn't come back (behind a transaction-pooling proxy, say) the poll takes over. One
WARNING when it fails or the trigger is missing, one INFO line when it works again.
"""

import logging
import uuid

import psycopg2

from . import queries
from .database import Database

_logger = logging.getLogger(__name__)

#: Seconds between two polls where the doorbell rings, and where it doesn't.
POLL_LISTENING = 5.0
POLL_DEAF = 0.5

#: Seconds between two pings, and those a ping may take.
PING_INTERVAL = 30.0
PING_PATIENCE = 2.0

#: Beginning of the payload of a ping, which is no news of jobs.
PING = "ping"


class Hearing:
    """The hearing of one leadership.

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
        return POLL_LISTENING if self.delivers else POLL_DEAF

    @property
    def deadline(self) -> float | None:
        """When a ping should have come back, in monotonic seconds; None without one."""
        return None if self._sent is None else self._sent + PING_PATIENCE

    def check_trigger(self) -> None:
        """Say so if nothing rings the bell."""
        if not self.database.value(queries.HAS_DOORBELL):
            _logger.warning(
                "%s: the trigger queue_job_notify is missing, jobs are found by polling"
                " only; update the module (-u queue_job) to create it",
                self.database.db_name,
            )

    def hear(self, payloads: set[str]) -> None:
        """Look for the ping among what was delivered."""
        if self._payload not in payloads:
            return
        self._sent = None
        if not self.delivers:
            self.delivers = True
            _logger.info("%s: LISTEN delivers again", self.database.db_name)

    def test(self, now: float) -> bool:
        """Send a ping when it is time.

        :param now: monotonic time in seconds
        :return: whether the hearing was lost since the last call
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
                POLL_DEAF,
            )
        return was_delivering

    def _send(self, now):
        try:
            self.database.ping(self._payload)
        except psycopg2.OperationalError:
            self._sent = None  # no session for that now: nothing is learnt
        else:
            self._sent = now
