# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's connections to its databases.

**Settings.** A role or a database may end idle sessions, refuse to write and so on. The
sessions of the runner set what they need themselves, see ``SETTINGS``.

**Silence.** All connections carry keepalive and ``tcp_user_timeout`` settings, so
that a network which drops packets without a word is an error after some seconds. A
proxy or a server that takes packets and says nothing more is found by the runner's
watchdog, which breaks the connection of a statement that takes too long.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from odoo.sql_db import connection_info_for

from .config import RunnerConfig

#: libpq: seconds, but ``tcp_user_timeout`` in milliseconds; and the encoding, which a
#: role may have set as well.
KEEPALIVE = {
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}

#: Seconds that a statement of the runner may take; all of them are short.
STATEMENT_PATIENCE = 7.0

#: What a role or a database may set for its sessions, and the runner's must not have:
#: ends of sessions and statements which do nothing wrong, transactions that can't write
#: or meet serialization errors, other forms of values.
SETTINGS = {
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "IntervalStyle": "postgres",
    "lock_timeout": "0",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "transaction_timeout": "0",
}

# Only what this version of PostgreSQL knows, and what isn't so yet.
SET = """
SELECT count(set_config(name, wanted, {is_local}))
  FROM pg_settings JOIN unnest(%(names)s, %(values)s) AS own(name, wanted) USING (name)
 WHERE setting IS DISTINCT FROM wanted
"""
# Behind a transaction-pooling proxy the session is others' as well: it stays as it is.
SET_SESSION = SET.format(is_local="false") + " AND pg_backend_pid() = %(pid)s"


def _connection_info_for(db_name: str) -> dict:
    """libpq keywords for the runner's own connections to ``db_name``.

    They are Odoo's, but for the ``jobrunner_db_*`` settings, which lead past a
    connection pooler where there is one.
    """
    _name, info = connection_info_for(db_name)
    config = RunnerConfig.load()
    overrides = {
        "host": config.jobrunner_db_host,
        "port": config.jobrunner_db_port,
        "user": config.jobrunner_db_user,
        "password": config.jobrunner_db_password,
    }
    info.update({key: value for key, value in overrides.items() if value})
    return {**KEEPALIVE, **info}


def connect(db_name: str) -> Connection:
    """An autocommit connection that notices a silent network.

    It has settings of its own where the role or the database has others.

    :param db_name: name of the database
    :raise psycopg2.Error: it can't be reached
    """
    conn = psycopg2.connect(**_connection_info_for(db_name))
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            pid = conn.get_backend_pid()
            cursor.execute(SET_SESSION, {**names_and_values(SETTINGS), "pid": pid})
    except psycopg2.Error:
        conn.close()
        raise
    return conn


def names_and_values(wanted: dict[str, str]) -> dict[str, list[str]]:
    """The parameters of ``SET``.

    :param wanted: {setting: value}
    """
    return {"names": list(wanted), "values": list(wanted.values())}


class WatchedSession:
    """A session whose statements the watchdog watches, for as long as they take."""

    #: Connection and begin of a statement, in monotonic seconds.
    _waiting: tuple[Connection, float] | None = None

    @contextmanager
    def _cursor(self, conn: Connection, **options: Any) -> Iterator[Cursor]:
        """A cursor that the watchdog watches, for as long as it is used."""
        self._waiting = conn, time.monotonic()
        try:
            with conn.cursor(**options) as cursor:
                yield cursor
        finally:
            self._waiting = None

    def break_if_stuck(self) -> None:
        """Break the connection of a statement that takes too long; any thread may."""
        conn, since = self._waiting or (None, 0.0)
        if conn is None or time.monotonic() - since < STATEMENT_PATIENCE:
            return
        with suppress(OSError, psycopg2.Error):
            with socket.socket(fileno=os.dup(conn.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)
