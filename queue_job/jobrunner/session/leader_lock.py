# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The leader lock of a database, and the session that holds it or stands by for it.

One runner leads a database: the one whose open transaction holds the advisory lock
``PG_ADVISORY_LOCK_ID``. It is a transaction's lock because that also holds behind a
transaction-pooling proxy, where a session's lock would be left on a shared connection.
The transaction is READ COMMITTED and runs nothing else, so it holds no snapshot and
keeps no dead row from vacuum. When the runner dies, PostgreSQL ends the session and
another runner gets the lock.

A runner that does not lead stands by with one session, in which it tries to get the
lock at intervals. It does not wait for the lock: a statement that waits holds a
snapshot.
"""

from contextlib import suppress

import psycopg2

from .connection import SET, WatchedSession, connect, names_and_values

#: Key of the leader lock; the one the community's runner uses, so that the two
#: never lead the same database.
PG_ADVISORY_LOCK_ID = 2293787760715711918

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

LOCK_LEADER = f"""
SELECT ({SET.format(is_local="true")}),
       pg_try_advisory_xact_lock({PG_ADVISORY_LOCK_ID})
"""


class MasterElectionLost(Exception):
    """Another runner leads this database."""


class LeaderLock(WatchedSession):
    """A session that holds the leader lock of a database, or tries to get it.

    :param db_name: name of the database
    :raise psycopg2.Error: it can't be reached
    """

    def __init__(self, db_name: str):
        self.db_name = db_name
        self.conn = connect(db_name)
        self.conn.set_session(isolation_level="READ COMMITTED", autocommit=False)

    def acquire(self) -> None:
        """Try to get the lock; the session then stays in the transaction that holds it.

        :raise MasterElectionLost: another runner has it; this session idles
        :raise psycopg2.Error: the connection was lost
        """
        with self._cursor(self.conn) as cursor:
            cursor.execute(LOCK_LEADER, names_and_values(LEADER_SETTINGS))
            if cursor.fetchone()[-1]:
                return
            self.conn.rollback()
        raise MasterElectionLost(f"could not acquire {self.db_name}")

    def confirm(self) -> None:
        """Ask the session whether it still lives.

        :raise psycopg2.Error: it doesn't, and with it went the lock
        """
        with self._cursor(self.conn) as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """End the session, and with it the lock."""
        with suppress(psycopg2.Error):
            self.conn.close()
