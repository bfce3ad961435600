# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The database session in which jobs work, and what makes it that of one job alone.

A request of its own would give each job a clean session. The jobs of a lease share one,
so this module provides what separate requests would provide:

- **Liveness.** The session holds an advisory lock for as long as it works for an
  attempt: that of the lease, or that of the job. The lock belongs to the session and
  not to a transaction, so commits and rollbacks leave no gap, and the runner finds the
  session that does the work when it has to end the attempt.
- **Protection.** Settings that end a session or fail a statement while it does nothing
  wrong (see `PROTECTED`) are switched off. `statement_timeout` stays: it limits what
  the job itself asks for.
- **Cleanliness.** A statement that may leave something behind (a setting, a temporary
  table, a lock, a prepared statement ...) is noticed when it is executed. The session
  then goes back to Odoo's pool after the job, which discards everything, and the next
  job gets another one. Jobs that do nothing of the kind pay for a look at the text of
  their statements.

Behind a transaction-pooling proxy a session does not stay from one transaction to the
next. There the lock and the settings are those of the transaction and taken again at
the beginning of each one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cache
from typing import NamedTuple

import psycopg2

from odoo.sql_db import Cursor

from ..claim.claims import HOLD_JOB, HOLD_LEASE, HOLD_LIVENESS, LEAVE
from . import job_cursor, prepared_statements
from .job_cursor import JobConnection, Statement

_logger = logging.getLogger(__name__)

#: setting -> the version of PostgreSQL that knows it.
PROTECTED = {
    "idle_in_transaction_session_timeout": 0,
    "lock_timeout": 0,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}

#: Attribute of a psycopg2 connection of Odoo's pool.
_HELD = "_queue_job_held"

READ_FACTS = """
SELECT pg_backend_pid(), current_setting('default_transaction_isolation'),
       current_setting('default_transaction_read_only'),
       (SELECT count(*) FROM pg_settings
         WHERE name IN ('idle_session_timeout', 'lock_timeout') AND setting <> '0')
"""

# The triggers of what the transaction writes after this don't notify the runner.
SILENT = "SET LOCAL queue_job.bell = 'silent'"

# PostgreSQL may find out at the end of a statement that it was too slow, and say so at
# the next one. The pool lifts a limit that a job has set, and the next one would be
# that of somebody else. Lifted here, it is the COMMIT, or the pool's own.
LEAVE_UNLIMITED = f"SET statement_timeout = 0; {LEAVE}"

FIND_ENQUEUED = "SELECT id FROM queue_job WHERE uuid = %s AND state = 'enqueued'"

_facts: dict[str, Facts] = {}


def hold_session(cr, statement: str, key: int) -> None:
    """Let a session that lasts show life and be protected, until `leave_session`.

    The caller commits: a rollback would take the settings back.

    :param cr: cursor of the session
    :param statement: `HOLD_LEASE` or `HOLD_JOB`
    :param key: id of the lease, or of the job's row
    """
    cr.execute(_protecting(statement, cr._cnx.server_version), {"id": key})
    setattr(cr._cnx, _HELD, cr.fetchone()[0])


def leave_session(cr) -> None:
    """Give the lock back; the pool keeps the session, and resets its settings.

    :param cr: cursor of the session
    :raise psycopg2.Error: the session is gone, and its lock with it
    """
    if vars(cr._cnx).pop(_HELD, False) and not cr._cnx.closed:
        if not begins_anew(cr):
            cr._cnx.rollback()
        with cr._cnx.cursor() as plain:
            plain.execute(LEAVE_UNLIMITED)
        cr._cnx.commit()


def is_held(cr) -> bool:
    """Whether the session of a cursor shows life whatever its transactions do."""
    return vars(cr._cnx).get(_HELD, False)


def hold_transaction(cr, job_id: int | None, statement: str = HOLD_LIVENESS) -> None:
    """Let the present transaction show life and be protected, unless its session does.

    :param cr: cursor of the transaction
    :param job_id: id of the job's row, None for a job that is not stored
    :param statement: `HOLD_LIVENESS`, or `HOLD_SETTLEMENT` to write down its end
    """
    if job_id and not is_held(cr):
        version = cr._cnx.server_version
        cr.execute(_protecting(statement, version, local=True), {"id": job_id})


@cache
def _protecting(statement: str, server_version: int, *, local: bool = False) -> str:
    """Let a statement that takes a lock switch off the settings in `PROTECTED`."""
    settings = "".join(
        f", set_config('{name}', '0', {'true' if local else 'false'})"
        for name, since in PROTECTED.items()
        if server_version >= since
    )
    return f"{statement}{settings}"


def begins_anew(cr) -> bool:
    """Whether nothing was executed yet in the transaction of a cursor of a lease."""
    jobs = job_cursor.find(cr)
    return jobs is not None and jobs.begin_is_due


def flush_last(env) -> None:
    """Flush an environment whose method has returned; its UPDATEs may wait for COMMIT.

    :param env: of the job
    :raise psycopg2.Error: of one of the statements that were executed
    """
    jobs = job_cursor.find(env.cr)
    if jobs is None:
        env.flush_all()
        return
    with jobs.keeping_flushed():
        env.flush_all()


def send_kept(cr) -> None:
    """Execute what was kept of the last flush, rather than along with a statement of
    somebody else, which Odoo would log as the one that failed.

    :param cr: cursor of the job
    :raise psycopg2.Error: of one of the statements
    """
    jobs = job_cursor.find(cr)
    if jobs is not None:
        jobs.send_kept()


def may_settle(cr) -> bool:
    """Whether the session of an attempt, rolled back, may also write down its end.

    :param cr: cursor of the job
    """
    jobs = job_cursor.find(cr)
    return jobs is not None and not cr.closed and is_held(cr) and jobs.is_clean


def defer_last(cr) -> None:
    """Let the statement that ends a job wait for its COMMIT, if it may go with it."""
    jobs = job_cursor.find(cr)
    if jobs is not None and is_held(cr):
        jobs.defer_last()


def begin_settlement(cr, *, goes_with_commit: bool) -> None:
    """Let what ends an attempt be few messages, in a session that may settle.

    :param cr: cursor of the job
    :param goes_with_commit: the statement that writes the row goes with the COMMIT
    """
    jobs = job_cursor.find(cr)
    if jobs is not None:
        jobs.begin_settlement(goes_with_commit=goes_with_commit)


def take_last(cr, query: str, params: list) -> bool:
    """Let a statement go with the COMMIT of a cursor.

    :param cr: cursor of the job
    :param query: the statement that ends the job
    :param params: its values
    :return: False if it has to be executed at once
    """
    jobs = job_cursor.find(cr)
    return jobs is not None and jobs.take_last(query, params)


def send_later(cr, query: str, params: list | Mapping) -> bool:
    """Let a statement of a settlement go with the next one.

    :param cr: cursor of the job
    :param query: a statement of which nobody needs the result
    :param params: its values
    :return: False if it has to be executed at once
    """
    jobs = job_cursor.find(cr)
    return jobs is not None and jobs.send_later(cr, query, params)


def execute_now(cr, query: str, params: list | Mapping) -> None:
    """Execute a statement, by one message with those that were to go with the next.

    :param cr: a cursor, of a job or any other
    :param query: the statement
    :param params: its values
    :raise psycopg2.Error: of one of the statements
    """
    jobs = job_cursor.find(cr)
    if jobs is None or not jobs.execute_kept(cr, query, params):
        prepared_statements.execute(cr, query, params)


def notify_of_due(cr, due: datetime) -> None:
    """Let the runner be notified of a job that a settlement writes next, if it has to.

    :param cr: cursor of the job
    :param due: when the job is due, naive and in UTC
    """
    jobs = job_cursor.find(cr)
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    if jobs is not None and not jobs.due_notices.needs(due, now):
        jobs.keep(cr._obj, SILENT, None)


def forget_last(cr) -> None:
    """Nothing waits for the COMMIT of a cursor any more."""
    jobs = job_cursor.find(cr)
    if jobs is not None:
        jobs.forget_last()


def commit_last(cr) -> None:
    """Commit what a cursor did, and what waits for that.

    :param cr: cursor of the job
    :raise psycopg2.Error: of the statement or of the COMMIT
    """
    jobs = job_cursor.find(cr)
    (type(cr).commit if jobs is None else jobs.commit_last)(cr)


class Facts(NamedTuple):
    """What all sessions with a database have in common.

    :param lasts: a session stays the same between transactions
    :param usual: transactions are READ COMMITTED and may write, unless they say
        otherwise, and nothing ends a session that waits
    """

    lasts: bool
    usual: bool


def facts(cr) -> Facts:
    """What is known about the sessions of a database.

    It is asked once, by a statement that may begin a transaction. A transaction-pooling
    proxy gives its clients another process id than that of the session.

    :param cr: a cursor of the database
    """
    known = _facts.get(cr.dbname)
    if known is None:
        cr.execute(READ_FACTS)
        pid, *defaults = cr.fetchone()
        usual = defaults == ["read committed", "off", 0]
        known = _facts[cr.dbname] = Facts(pid == cr._cnx.get_backend_pid(), usual)
    return known


@contextmanager
def session_of_one(cr, job_uuid: str) -> Iterator[None]:
    """Let the session of a cursor show life for one enqueued job, in the block.

    From before its start, so that there is no gap. Where the lock isn't free, another
    worker runs the job, and it is not run here.

    :param cr: cursor of the session
    :param job_uuid: uuid of the job
    """
    if not isinstance(cr, Cursor) or not facts(cr).lasts:
        yield
        return
    cr.execute(FIND_ENQUEUED, (job_uuid,))
    for (job_id,) in cr.fetchall():
        hold_session(cr, HOLD_JOB, job_id)
    cr.commit()  # pylint: disable=invalid-commit
    try:
        yield
    finally:
        with suppress(psycopg2.Error):  # it is gone, and its lock with it
            leave_session(cr)


class JobSession:
    """The session of a lease: ready for one job after the other.

    :param registry: registry of the database
    :param lease_id: the lease whose lock shows life
    """

    def __init__(self, registry, lease_id: int):
        self.registry = registry
        self.lease_id = lease_id
        self.cr = None
        self._jobs: JobConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session that can work."""
        return self.cr is not None and not self.cr.closed

    def open(self) -> Cursor:
        """Return a cursor whose session is clean, protected and shows life.

        :raise psycopg2.Error: no session is to be had
        """
        if not self.is_open:
            self.cr = self.registry.cursor()
            self._attach()
            if facts(self.cr).lasts:
                self._hold()
        return self.cr

    def _attach(self) -> None:
        connection = self.cr._cnx
        vars(connection).pop(_HELD, None)  # of an earlier user of the connection
        self._jobs = JobConnection(connection)
        self._jobs.attach()
        self.cr._obj.close()
        self.cr._obj = connection.cursor()

    def _hold(self) -> None:
        connection = self.cr._cnx
        statement = _protecting(HOLD_LEASE, connection.server_version)
        hold = self.cr._obj.mogrify(statement, {"id": self.lease_id})
        self._jobs.send(self.cr._obj, [hold, b"COMMIT"])
        setattr(connection, _HELD, True)

    def start_next_by(self, next_start: Callable[[], list[Statement] | None]) -> None:
        """Let the COMMIT of the next job start the one after it.

        Not where transactions aren't as usual: the start has to be READ COMMITTED.

        :param next_start: returns the statements, of which the last one starts the job;
            None if nothing is to start by then
        """
        self._jobs.start_was_sent = False
        self._jobs.next_start = next_start if facts(self.cr).usual else None

    @property
    def may_have_started(self) -> bool:
        """Whether a start was sent with a COMMIT, and its answer was not taken."""
        return self._jobs is not None and self._jobs.start_was_sent

    @property
    def has_started(self) -> bool:
        """Whether the last COMMIT was to start a job, see :meth:`take_started`."""
        return self._jobs is not None and self._jobs.started is not None

    def take_started(self) -> list[tuple]:
        """Take the row of the job that the last COMMIT started.

        :return: no row if its claim was void
        """
        started = self._jobs.started
        self.forget_started()
        return started

    def forget_started(self) -> None:
        """Forget what a COMMIT has started or may have started."""
        self._jobs.started, self._jobs.start_was_sent = None, False

    def end_job(self) -> None:
        """Forget the transaction of a job, and its session if it left something there.

        :raise psycopg2.Error: the session was lost
        """
        cr = self.cr
        if cr is None:
            return
        if not cr.closed and not self._jobs.has_its_mode:
            # psycopg2 would neither begin nor end the transactions of the next job
            cr._cnx.close()
        if cr.closed:
            self.cr = None
            raise psycopg2.InterfaceError("the session of the job was lost")
        if self._jobs.begin_is_due:  # there is nothing to roll back
            cr.precommit.clear()
            cr.postcommit.clear()
            cr.cache.clear()
        else:
            cr.rollback()
        cr.transaction = None
        if self._jobs.left_something:
            self.close()

    def close(self) -> None:
        """Give the session back to the pool, which discards what is left in it."""
        cr, self.cr = self.cr, None
        if cr is None:
            return
        try:
            if not cr.closed:
                leave_session(cr)
        except psycopg2.Error:
            _logger.debug("the session is given up, with its lock", exc_info=True)
            cr._cnx.close()
        finally:
            self._jobs.detach()
            cr.close()
