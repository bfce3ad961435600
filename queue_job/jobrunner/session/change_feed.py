# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tells the web clients which look at the queue that something has changed in it.

A client that looks rings the doorbell with ``watch`` every few seconds. The runner
answers over Odoo's bus, and for a while sends a message after each change: one a second
at most, and none while nobody looks or nothing changes. The message says no more than
that; who hears it asks for what he may read. Only the newest is kept in the table.

The bus listens on the database "postgres"; the connection to it is open while somebody
looks. Where the bus cannot be reached, the clients poll, as they do without websocket.
"""

import json
import logging
import os
from contextlib import closing, suppress

import psycopg2
from psycopg2 import sql

from .database import Database, connect

_logger = logging.getLogger(__name__)

#: Payload of the doorbell: somebody looks.
WATCH = "watch"

#: Channel of the bus, and type of the messages on it.
CHANNEL = "queue_job.news"

#: Seconds for which news are sent after a ``watch``; the clients ring every 20 s.
WATCH_SECONDS = 45.0

#: Seconds between two messages.
INTERVAL = 1.0

SEND = """
WITH last AS (DELETE FROM bus_bus WHERE id = %(last)s)
INSERT INTO bus_bus (channel, message, create_date, write_date)
VALUES (%(channel)s, %(message)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
RETURNING id
"""


class News:
    """The news of one database, for as long as it is led.

    :param database: the runner's session with it
    """

    def __init__(self, database: Database):
        self.database = database
        self._until = self._not_before = 0.0
        self._changed = False
        self._last: int | None = None
        self._bus = None

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def watched(self, now: float) -> None:
        """Somebody looks, and is answered."""
        self._until = now + WATCH_SECONDS
        self._not_before = max(self._not_before, now)
        self._changed = True

    def changed(self) -> None:
        """Something has changed."""
        self._changed = True

    def due(self, now: float) -> float | None:
        """When the next message is to be sent, None if there is none."""
        return self._not_before if self._changed and now < self._until else None

    def send(self, now: float) -> None:
        """Send what is due."""
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
            _logger.info("%s: no news for the clients: %s", channel[0], error)
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
