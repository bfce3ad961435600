# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner's sessions with one database.

Two connections: one holds the leader lock and nothing else (:mod:`.leader_lock`), the
other listens and runs the statements of :mod:`.queries` in autocommit mode.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any

import psycopg2
import psycopg2.extras
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from ...sessions import prepared_statements
from ...storage.odd_rows import readable
from . import queries
from .connection import WatchedSession, _connection_info_for, connect
from .leader_lock import PG_ADVISORY_LOCK_ID, LeaderLock, MasterElectionLost

__all__ = [
    "PG_ADVISORY_LOCK_ID",
    "Database",
    "MasterElectionLost",
    "_connection_info_for",
    "connect",
]

_logger = logging.getLogger(__name__)


class Database(WatchedSession):
    """A database as the runner sees it.

    :param db_name: name of the database
    :param lock: its leader lock, if this runner has it; closed with the database
    :raise MasterElectionLost: another runner leads it
    :raise psycopg2.Error: it can't be reached

    ``has_queue_job`` tells whether the addon is installed, ``is_current`` whether its
    tables are those of this code; otherwise there is neither a lock nor a LISTEN.
    """

    _statements: prepared_statements.Statements | None = None

    def __init__(self, db_name: str, lock: LeaderLock | None = None):
        self.db_name = db_name
        self.lock = lock
        self.conn = None
        try:
            self.conn = connect(db_name)
            self.has_queue_job = self._has_queue_job()
            self.is_current = self.has_queue_job and self.value(queries.IS_CURRENT)
            if self.is_current:
                self._acquire_leader_lock()
                self.execute("LISTEN queue_job")
                self._prepare_statements()
        except BaseException:
            self.close()
            raise

    @property
    def leader_conn(self) -> Connection | None:
        """The connection that holds the leader lock, if there is one."""
        return self.lock.conn if self.lock else None

    def _acquire_leader_lock(self) -> None:
        if self.lock is None:
            self.lock = LeaderLock(self.db_name)
            self.lock.acquire()

    def close(self) -> None:
        """End both sessions; the leader lock goes with its own."""
        for session in (self.lock, self.conn):
            if session is not None:
                with suppress(psycopg2.Error):
                    session.close()

    def _prepare_statements(self):
        with self._cursor(self.conn) as cursor:
            if prepared_statements.settle_down(cursor, self.conn):
                self._statements = prepared_statements.Statements()

    def _has_queue_job(self) -> bool:
        return self.value(queries.HAS_QUEUE_JOB) and self.value(queries.INSTALLED)

    def confirm_leadership(self) -> None:
        """Ask the leader session whether it still lives.

        :raise psycopg2.Error: it doesn't, and with it went the lock
        """
        self.lock.confirm()

    def break_if_stuck(self) -> None:  # pylint: disable=missing-return
        """Break the connection of a statement that takes too long; any thread may."""
        super().break_if_stuck()
        if self.lock is not None:
            self.lock.break_if_stuck()

    # -- statements ---------------------------------------------------------------

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
