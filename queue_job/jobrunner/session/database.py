# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's sessions with one database.

Two connections: one holds the leader lock and nothing else, the other listens and
runs the statements of :mod:`.queries` in autocommit mode.

**The leader lock.** One runner leads a database: the one whose open transaction
holds the advisory lock ``PG_ADVISORY_LOCK_ID``. It is a transaction's lock because
that also holds behind a transaction-pooling proxy, where a session's lock would be
left on a shared connection. The transaction is READ COMMITTED and runs nothing
else, so it holds no snapshot and keeps no dead row from vacuum. When the runner
dies, PostgreSQL ends the session and another runner gets the lock.

**Settings.** A role or a database may end idle sessions, refuse to write and so on. The
sessions of the runner set what they need themselves, see ``SETTINGS``.

**Silence.** Both connections carry keepalive and ``tcp_user_timeout`` settings, so
that a network which drops packets without a word is an error after some seconds. A
proxy or a server that takes packets and says nothing more is found by the runner's
watchdog, which breaks the connection of a statement that takes too long.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any

import psycopg2
import psycopg2.extras
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from odoo.sql_db import connection_info_for

from ...sessions import prepared_statements
from ...storage.odd_rows import readable
from . import queries
from .config import RunnerConfig

_logger = logging.getLogger(__name__)

#: Key of the leader lock; the one the community's runner uses, so that the two
#: never lead the same database.
PG_ADVISORY_LOCK_ID = 2293787760715711918

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

#: The same for the transaction of the leader lock, which lasts as long as the runner.
LEADER_SETTINGS = {
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_user_timeout": "5000",
    "transaction_timeout": "0",
}

# Only what this version of PostgreSQL knows, and what isn't so yet.
_SET = """
SELECT count(set_config(name, wanted, {is_local}))
  FROM pg_settings JOIN unnest(%(names)s, %(values)s) AS own(name, wanted) USING (name)
 WHERE setting IS DISTINCT FROM wanted
"""
# Behind a transaction-pooling proxy the session is others' as well: it stays as it is.
SET_SESSION = _SET.format(is_local="false") + " AND pg_backend_pid() = %(pid)s"

LOCK_LEADER = f"""
SELECT ({_SET.format(is_local="true")}),
       pg_try_advisory_xact_lock({PG_ADVISORY_LOCK_ID})
"""


class MasterElectionLost(Exception):
    """Another runner leads this database."""


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
            cursor.execute(SET_SESSION, {**_settings(SETTINGS), "pid": pid})
    except psycopg2.Error:
        conn.close()
        raise
    return conn


def _settings(wanted: dict[str, str]) -> dict[str, list[str]]:
    return {"names": list(wanted), "values": list(wanted.values())}


class Database:
    """A database as the runner sees it.

    :param db_name: name of the database
    :raise MasterElectionLost: another runner leads it
    :raise psycopg2.Error: it can't be reached

    ``has_queue_job`` tells whether the addon is installed, ``is_current`` whether its
    tables are those of this code; otherwise there is neither a lock nor a LISTEN.
    """

    def __init__(self, db_name: str):
        self.db_name = db_name
        self.leader_conn = None
        self._waiting: tuple | None = None  # (connection, since) of a statement
        self._statements: prepared_statements.Statements | None = None
        self.conn = connect(db_name)
        try:
            self.has_queue_job = self._has_queue_job()
            self.is_current = self.has_queue_job and self.value(queries.IS_CURRENT)
            if self.is_current:
                self._acquire_leader_lock()
                self.execute("LISTEN queue_job")
                self._prepare_statements()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End both sessions; the leader lock goes with its own."""
        for conn in (self.leader_conn, self.conn):
            if conn is not None:
                with suppress(psycopg2.Error):
                    conn.close()

    def _prepare_statements(self):
        with self._cursor(self.conn) as cursor:
            if prepared_statements.settle_down(cursor, self.conn):
                self._statements = prepared_statements.Statements()

    def _has_queue_job(self) -> bool:
        return self.value(queries.HAS_QUEUE_JOB) and self.value(queries.INSTALLED)

    def _acquire_leader_lock(self) -> None:
        self.leader_conn = psycopg2.connect(**_connection_info_for(self.db_name))
        self.leader_conn.set_session(isolation_level="READ COMMITTED")
        with self.leader_conn.cursor() as cursor:
            cursor.execute(LOCK_LEADER, _settings(LEADER_SETTINGS))
            if not cursor.fetchone()[-1]:
                raise MasterElectionLost(f"could not acquire {self.db_name}")

    def confirm_leadership(self) -> None:
        """Ask the leader session whether it still lives.

        :raise psycopg2.Error: it doesn't, and with it went the lock
        """
        with self._cursor(self.leader_conn) as cursor:
            cursor.execute("SELECT 1")

    def break_if_stuck(self) -> None:
        """Break the connection of a statement that takes too long; any thread may."""
        conn, since = self._waiting or (None, 0.0)
        if conn is None or time.monotonic() - since < STATEMENT_PATIENCE:
            return
        with suppress(OSError, psycopg2.Error):
            with socket.socket(fileno=os.dup(conn.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)

    # -- statements ---------------------------------------------------------------

    @contextmanager
    def _cursor(self, conn, **options):
        """A cursor that the watchdog watches, for as long as it is used."""
        self._waiting = conn, time.monotonic()
        try:
            with conn.cursor(**options) as cursor:
                yield cursor
        finally:
            self._waiting = None

    def cursor(self) -> AbstractContextManager[Cursor]:
        """A cursor for the statements of other modules: ``with database.cursor()``."""
        return self._cursor(self.conn)

    def execute(self, query: str, params: dict | tuple | None = None) -> int:
        """Run one statement and return the number of rows it touched.

        :param query: with ``%s`` or ``%(name)s`` placeholders
        :param params: their values
        :raise psycopg2.Error: of the statement, or the connection was lost
        """
        with self._cursor(self.conn) as cursor:
            cursor.execute(query, params)
            return cursor.rowcount

    def rows(self, query: str, params: dict | tuple | None = None) -> list[dict]:
        """Run one statement and return its rows as dictionaries.

        The parameters are those of :meth:`execute`.
        """
        factory = psycopg2.extras.RealDictCursor
        with self._cursor(self.conn, cursor_factory=factory) as cursor:
            cursor.execute(query, params)
            return cursor.fetchall()

    def rows_again(self, query: str, params: dict) -> list[dict]:
        """The same for a statement that every dispatch round runs: it is planned once.

        A LIMIT in it must be a number, not a parameter, or PostgreSQL takes it for a
        tenth of the table.
        """
        if self._statements is None:
            return self.rows(query, params)
        factory = psycopg2.extras.RealDictCursor
        with self._cursor(self.conn, cursor_factory=factory) as cursor:
            self._statements.execute(cursor, query, params)
            return cursor.fetchall()

    def value(self, query: str, params: dict | tuple | None = None) -> Any:
        """Run one statement and return the first value of its first row, or None.

        The parameters are those of :meth:`execute`.
        """
        with self._cursor(self.conn) as cursor:
            cursor.execute(query, params)
            row = cursor.fetchone()
            return row[0] if row else None

    def ping(self, payload: str) -> None:
        """Notify this runner, from another session than its own.

        A session always receives its own notifications, also behind a
        transaction-pooling proxy, which gives both its LISTEN and its NOTIFY to the
        same connection by chance.

        :param payload: of the notification
        :raise psycopg2.Error: no further session is to be had
        """
        with closing(connect(self.db_name)) as conn, conn.cursor() as cursor:
            cursor.execute(queries.PING, {"payload": payload})

    @property
    def has_notifications(self) -> bool:
        """Whether notifications came together with the answer to a statement.

        They have been read from the socket, so no ``select`` tells of them.
        """
        return bool(self.conn.notifies)

    def notifications(self) -> set[str]:
        """The payloads that have come since the last call."""
        self.conn.poll()
        payloads = {notify.payload for notify in self.conn.notifies}
        self.conn.notifies.clear()
        return payloads

    # -- for deployment code and tests that know these names ------------------------

    def keep_alive(self) -> None:
        """Touch both sessions."""
        self.execute("SELECT 1")
        if self.leader_conn is not None:
            self.confirm_leadership()

    @contextmanager
    def select_jobs(self, where: str, args: tuple = ()) -> Iterator[Cursor]:
        """Yield a cursor over (channel, uuid, id, date_created, priority, eta, state).

        :param where: SQL condition on ``queue_job``; never from a user's input
        :param args: its parameters
        """
        with self.conn.cursor() as cursor:
            cursor.execute(
                "SELECT channel, uuid, id,"  # pylint: disable=sql-injection
                f" {readable('date_created')} AS date_created, priority,"
                " extract(epoch FROM eta), state FROM queue_job WHERE " + where,
                args,
            )
            yield cursor

    def set_job_enqueued(self, uuid: str) -> bool:
        """Mark one pending job as enqueued.

        :param uuid: of the job
        :return: False if it isn't pending any more
        """
        return bool(
            self.execute(
                "UPDATE queue_job SET state = 'enqueued', date_enqueued ="
                " date_trunc('seconds', now() AT TIME ZONE 'UTC')"
                " WHERE uuid = %s AND state = 'pending'",
                (uuid,),
            )
        )

    def _query_requeue_dead_jobs(self) -> str:
        """One statement that puts dead jobs back and returns their uuids."""
        return queries.REQUEUE_DEAD_NOW

    def requeue_dead_jobs(self) -> None:
        """Put dead jobs back now; the runner itself uses :mod:`..recovery.reaper`."""
        for row in self.rows(self._query_requeue_dead_jobs()):
            _logger.warning(
                "%s: re-queued dead job with uuid: %s", self.db_name, row["uuid"]
            )
