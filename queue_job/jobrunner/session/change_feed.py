# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The change feed: tells the subscribed web clients that the queue has changed.

A client subscribes with the notification ``watch`` every twenty seconds. The runner
answers over Odoo's bus, and for a while sends a message after each change: one a second
at most, and none without subscribers or changes. The message says no more than that;
the client then asks for what its user may read. Only the newest is kept in the table.

The bus listens on the database "postgres"; the connection to it is open while there are
subscribers. Where the bus cannot be reached, the clients poll, as they do without
websocket.
"""

import json
import logging
import os
from contextlib import closing, suppress

import psycopg2
from psycopg2 import sql

from .database import Database, connect

_logger = logging.getLogger(__name__)

#: Payload of the notification with which a client subscribes.
WATCH = "watch"

#: Channel of the bus, and type of the messages on it.
CHANNEL = "queue_job.news"

#: Seconds for which a subscription lasts; the clients renew it every 20 s.
SUBSCRIPTION_SECONDS = 45.0

#: Seconds between two messages.
INTERVAL = 1.0

SEND = """
WITH last AS (DELETE FROM bus_bus WHERE id = %(last)s)
INSERT INTO bus_bus (channel, message, create_date, write_date)
VALUES (%(channel)s, %(message)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
RETURNING id
"""


class ChangeFeed:
    """The change feed of one database, for as long as it is led.

    :param database: the runner's session with it
    """

    def __init__(self, database: Database):
        self.database = database
        self._until = self._not_before = 0.0
        self._changed = False
        self._last: int | None = None
        self._bus = None

    def subscribe(self, now: float) -> None:
        """Begin or renew a subscription; the client gets a message in answer.

        :param now: monotonic time in seconds
        """
        self._until = now + SUBSCRIPTION_SECONDS
        self._not_before = max(self._not_before, now)
        self._changed = True

    def changed(self) -> None:
        """Something has changed."""
        self._changed = True

    def due(self, now: float) -> float | None:
        """When the next message is to be sent, None if there is none.

        :param now: monotonic time in seconds, like the result
        """
        return self._not_before if self._changed and now < self._until else None

    def send(self, now: float) -> None:
        """Send what is due.

        :param now: monotonic time in seconds
        :raise psycopg2.Error: the runner's session was lost
        """
        if now >= self._until:
            self.close()
        due = self.due(now)
        if due is None or now < due:
            return
        self._changed = False
        self._not_before = now + INTERVAL
        channel = [self.database.db_name, CHANNEL]
        try:
            self._last = self.database.value(SEND, self._message(channel))
            self._notify(channel)
        except psycopg2.Error as error:
            if self.database.conn.closed:
                raise
            _logger.info(
                "%s: the web clients are not told of changes: %s", channel[0], error
            )
            self._until = 0.0
            self.close()

    def _message(self, channel):
        return {
            "last": self._last,
            "channel": _json(channel),
            "message": _json({"type": CHANNEL, "payload": {}}),
        }

    def _notify(self, channel):
        """Wake the bus up, as `bus.bus` does after a commit."""
        if self._bus is None:
            self._bus = connect("postgres")
        function = os.getenv("ODOO_NOTIFY_FUNCTION", "pg_notify")
        query = sql.SQL("SELECT {}('imbus', %s)").format(sql.Identifier(function))
        with self._bus.cursor() as cursor:
            cursor.execute(query, (_json([channel]),))

    def close(self) -> None:
        """Give the connection to the bus back."""
        bus, self._bus = self._bus, None
        if bus is not None:
            with suppress(psycopg2.Error), closing(bus):
                pass


def _json(value) -> str:
    return json.dumps(value, separators=(",", ":"))
