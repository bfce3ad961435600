# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Send messages of the bus at a rate that costs little.

Odoo's bus opens a connection to the database "postgres" for each commit that sends
messages, and closes it again: five to ten milliseconds. Who sends again and again keeps
one open for as long as that lasts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from odoo.sql_db import db_connect
from odoo.tools import SQL

_CHANNELS = "bus.bus.channels"


class BusConnection:
    """A connection over which the bus is notified, opened by the first message."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._cr = None

    def commit(self, cr) -> None:
        """Commit a cursor, and notify the bus of the messages sent with it."""
        channels = list(cr.postcommit.data.get(_CHANNELS, ()))
        if channels:
            cr.postcommit.clear()  # or the bus would do it in its way
        cr.commit()  # pylint: disable=invalid-commit
        if channels:
            self._notify(channels)

    def _notify(self, channels: list) -> None:
        # not before: this module is loaded with the server, the bus with the database
        from odoo.addons.bus.models.bus import ODOO_NOTIFY_FUNCTION, get_notify_payloads

        if self._cr is None:
            cr = db_connect("postgres").cursor()
            self._stack.enter_context(contextlib.closing(cr))
            self._stack.enter_context(autocommit(cr))
            self._cr = cr
        function = SQL.identifier(ODOO_NOTIFY_FUNCTION)
        for payload in get_notify_payloads(channels):
            self._cr.execute(SQL("SELECT %s('imbus', %s)", function, payload))

    def close(self) -> None:
        """Give the connection back."""
        self._cr = None
        self._stack.close()


@contextlib.contextmanager
def autocommit(cr) -> Iterator[None]:
    """Let each statement be its own transaction, until the cursor is closed.

    None of them waits for the disk: what is sent and lost in a crash is of no use any
    more.
    """
    cr.rollback()
    connection = cr._cnx
    connection.autocommit = True
    cr.execute("SET synchronous_commit = off")
    try:
        yield
    finally:
        if not connection.closed:
            cr.execute("RESET synchronous_commit")
            connection.autocommit = False
