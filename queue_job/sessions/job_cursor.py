# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The connection on which the jobs of a lease work: what it sends, and in how many
messages.

Each message to PostgreSQL costs as much as a small statement, so the end of a job, its
COMMIT, and the start of the next job are one message:

    EXECUTE done; COMMIT; EXECUTE start

- A void claim is an error of the first statement. Nothing is committed, and no other
  job is started.
- What follows COMMIT is a transaction of its own. If it fails, the job before it stays
  done: the settlement reads its row, and finds nothing left to settle.
- What the ORM flushes once the method has returned goes with them: its UPDATEs have no
  result that anybody reads, so they are kept until the next statement or COMMIT.
- The start is committed when the message ends, before the next job's snapshot is taken.
  The server is then outside of a transaction while psycopg2 takes itself to be in one,
  so BEGIN travels with the next statement, as its first line.

A job with hooks to run after COMMIT (they may take seconds) starts no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as PsycopgCursor

from . import prepared_statements
from .due_notices import DueNotices
from .leftovers import is_flush, leaves_something

#: As psycopg2 begins the transactions of Odoo's cursors. The line break keeps the
#: line in which PostgreSQL shows a mistake free of it.
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE;\n"

#: Attribute of a psycopg2 connection of Odoo's pool.
_ATTRIBUTE = "_queue_job_connection"

#: No statement: it aborts the transaction.
ABORT = "abort this transaction"

#: A job may limit its statements by a setting. The one that ends it is not its own.
UNLIMITED = b"SET LOCAL statement_timeout = 0"

#: A statement and its values.
Statement = tuple[str, list]

#: Bytes of statements that are kept at most.
KEPT_BYTES = 100_000


class JobCursor(PsycopgCursor):
    """A cursor that begins a transaction where one is due, and notices statements that
    leave something behind in the session.

    Its methods have the parameters of psycopg2.
    """

    def execute(self, query, vars=None) -> None:
        """Execute a statement, with BEGIN before it where that is due."""
        jobs = of(self.connection)
        if jobs is None:  # the connection is Odoo's again
            return super().execute(query, vars)
        text = query
        if isinstance(query, bytes):
            text = query.decode(errors="replace")
        elif not isinstance(query, str):
            text = query.as_string(self)
        if jobs.keeps_flushed and is_flush(text):
            return jobs.keep(self, query, vars)
        if leaves_something(text):
            jobs.left_something = True
        jobs.send_kept()
        if not jobs.begin_is_due:
            return super().execute(query, vars)
        if self.name is None:
            return jobs.begin_with(self, query, vars)
        jobs.begin()
        return super().execute(query, vars)

    def callproc(self, procname, parameters=None) -> Any:
        """Call a function, which may leave anything behind."""
        jobs = of(self.connection)
        if jobs is not None:
            jobs.left_something = True
        _begin(self)
        return super().callproc(procname, parameters or ())

    def executemany(self, query, vars_list) -> None:
        """Execute a statement for several values, after the BEGIN that is due."""
        _begin(self)
        return super().executemany(query, vars_list)

    def copy_expert(self, *args, **kwargs) -> None:
        """Copy by a COPY statement, after the BEGIN that is due."""
        _begin(self)
        return super().copy_expert(*args, **kwargs)

    def copy_from(self, *args, **kwargs) -> None:
        """Copy into a table, after the BEGIN that is due."""
        _begin(self)
        return super().copy_from(*args, **kwargs)

    def copy_to(self, *args, **kwargs) -> None:
        """Copy out of a table, after the BEGIN that is due."""
        _begin(self)
        return super().copy_to(*args, **kwargs)


class JobConnection:
    """How the jobs of a lease use one connection.

    :param connection: of psycopg2; it is Odoo's again after :meth:`detach`
    """

    def __init__(self, connection):
        self.connection = connection
        #: A statement may have left something in the session.
        self.left_something = False
        #: The server is outside of a transaction, and psycopg2 doesn't know.
        self.begin_is_due = False
        #: What the ORM flushes waits for the next statement.
        self.keeps_flushed = False
        self._kept: list[bytes] = []
        #: Returns the statements of which the last one starts the next job, None if no
        #: job is to start now.
        self.next_start: Callable[[], list[Statement] | None] | None = None
        #: The rows that a start returned which went with a COMMIT; None: none did.
        self.started: list[tuple] | None = None
        #: A start was sent, and may have been executed. No other is sent until it is
        #: known what came of this one.
        self.start_was_sent = False
        self.due_notices = DueNotices()
        self._mode = _mode_of(connection)
        self._last: Statement | None = None
        self._takes_last = self._starts_next = self._settles = False

    @property
    def has_its_mode(self) -> bool:
        """Whether psycopg2 still begins transactions as Odoo's cursors do."""
        return _mode_of(self.connection) == self._mode

    @property
    def is_clean(self) -> bool:
        """Whether the session is as the lease has opened it, between transactions."""
        connection = self.connection
        return (
            self.has_its_mode
            and not self.left_something
            and not connection.closed
            and connection.get_transaction_status() == TRANSACTION_STATUS_IDLE
        )

    def attach(self) -> None:
        """Take over how the connection begins and ends its transactions."""
        vars(self.connection).update(
            {
                _ATTRIBUTE: self,
                "commit": self._commit,
                "rollback": self._rollback,
                "cursor": self._cursor,
            }
        )
        self.connection.cursor_factory = JobCursor

    def detach(self) -> None:
        """Leave the connection as Odoo's pool knows it."""
        self.connection.cursor_factory = None
        for name in (_ATTRIBUTE, "commit", "rollback", "cursor"):
            vars(self.connection).pop(name, None)

    # -- BEGIN -------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the transaction that is due, and send what waits, by a message."""
        self.send_kept()
        if self.begin_is_due:
            if self._is_idle():
                with self.connection.cursor() as cursor:
                    PsycopgCursor.execute(cursor, BEGIN)
            self.begin_is_due = False

    def _cursor(self, *args, **kwargs) -> PsycopgCursor:
        """Return a cursor; one of another class does not begin a transaction itself."""
        cursor = type(self.connection).cursor(self.connection, *args, **kwargs)
        if not isinstance(cursor, JobCursor):
            self.begin()
        return cursor

    def begin_with(self, cursor, query, values) -> None:
        """Execute the first statement of a transaction, and BEGIN with it.

        :param cursor: of psycopg2
        :param query: text, bytes or `Composable`
        :param values: of the placeholders, None without any
        :raise psycopg2.Error: of the statement
        """
        if not self._is_idle():
            self.begin_is_due = False
            return PsycopgCursor.execute(cursor, query, values)
        try:
            result = PsycopgCursor.execute(cursor, _after_begin(query), values)
        except psycopg2.Error as error:
            if error.pgcode is None and self._is_idle():
                raise  # nothing was sent
            if self._is_idle():
                # A text that can't be parsed fails as a whole, BEGIN included. Nothing
                # may go on after an error, so the transaction begins and is aborted.
                self.begin()
                with suppress(psycopg2.Error):
                    PsycopgCursor.execute(cursor, ABORT)
            self.begin_is_due = False
            raise
        self.begin_is_due = False
        return result

    def _is_idle(self) -> bool:
        """Whether only psycopg2 believes that there is a transaction.

        A job that has changed the isolation level has made it believe the truth.
        """
        connection = self.connection
        return (
            connection.status == STATUS_BEGIN
            and connection.get_transaction_status() == TRANSACTION_STATUS_IDLE
        )

    # -- COMMIT ------------------------------------------------------------------------

    def _commit(self) -> None:
        self.begin()
        type(self.connection).commit(self.connection)

    def _rollback(self) -> None:
        self._kept.clear()
        self.due_notices.roll_back()
        if not (self.begin_is_due and self._is_idle()):  # else nothing was begun
            self.begin()
            type(self.connection).rollback(self.connection)

    def send(self, cursor, statements: list[bytes]) -> None:
        """Execute statements by one message.

        :param cursor: of psycopg2
        :param statements: with their values in place
        :raise psycopg2.Error: of one of the statements
        """
        message = b"; ".join(statements)
        if self.begin_is_due and self._is_idle():
            message = BEGIN.encode() + message
        try:
            PsycopgCursor.execute(cursor, message)
        finally:
            self.begin_is_due = self._is_idle()

    # -- what the ORM flushes ----------------------------------------------------------

    @contextmanager
    def keeping_flushed(self) -> Iterator[None]:
        """Let the UPDATEs of a flush in the block wait for what follows it."""
        self.keeps_flushed = self.has_its_mode and not self.left_something
        try:
            yield
        finally:
            self.keeps_flushed = False

    def keep(self, cursor, query, values) -> None:
        """Keep a statement until the next one, or until there are many of them.

        :param cursor: of psycopg2
        :param query: the statement
        :param values: of its placeholders
        """
        self._kept.append(cursor.mogrify(query, values))
        if sum(map(len, self._kept)) > KEPT_BYTES:
            self.send_kept()

    def send_kept(self) -> None:
        """Execute what was kept.

        :raise psycopg2.Error: of one of the statements
        """
        if self._kept:
            kept, self._kept = self._kept, []
            with type(self.connection).cursor(self.connection) as cursor:
                self.send(cursor, kept)

    # -- the statement that ends a job -------------------------------------------------

    def defer_last(self) -> None:
        """Let the statement that ends the job wait for its COMMIT."""
        self._takes_last, self._last = True, None
        self._starts_next = True

    def begin_settlement(self, *, goes_with_commit: bool) -> None:
        """Let the statements that settle an attempt wait for the next one or for the
        COMMIT, which starts the next job.

        :param goes_with_commit: the one that writes the row waits for the COMMIT
        """
        if goes_with_commit:
            self.defer_last()
        self._settles = self._starts_next = True

    def send_later(self, cr, query: str, params: list | Mapping) -> bool:
        """Keep a statement of a settlement for the next one.

        :param cr: the cursor of Odoo
        :param query: the statement, whose result nobody needs
        :param params: its values
        :return: False if the caller has to execute it at once: nothing is settled here
        """
        if self._settles:
            self.keep(cr._obj, *prepared_statements.prepare(cr, query, params))
        return self._settles

    def execute_kept(self, cr, query: str, params: list | Mapping) -> bool:
        """Execute what was kept and one statement by one message.

        :param cr: the cursor of Odoo, which gets the result of the statement
        :param query: the statement
        :param params: its values
        :return: False if nothing was kept, and nothing is executed
        :raise psycopg2.Error: of one of the statements
        """
        if not self._kept:
            return False
        statement = prepared_statements.prepare(cr, query, params)
        kept, self._kept = self._kept, []
        self.send(cr._obj, [*kept, cr._obj.mogrify(*statement)])
        return True

    def take_last(self, query: str, params: list) -> bool:
        """Keep a statement for the COMMIT, if it may wait for that.

        :param query: the statement that ends the job
        :param params: its values
        :return: False if the caller has to execute it at once
        """
        if self._takes_last:
            self._last = query, params
        return self._takes_last

    def forget_last(self) -> None:
        """Nothing waits for a COMMIT any more."""
        self._takes_last, self._last = False, None
        self._starts_next = self._settles = False

    def commit_last(self, cr) -> None:
        """Commit what a cursor of Odoo did and what waits for that; start the next job.

        :param cr: the cursor of Odoo
        :raise psycopg2.Error: of one of the statements or of the COMMIT
        """
        last, starts_next = self._last, self._starts_next
        self.forget_last()
        if cr.precommit:  # a hook might swallow the error of what was kept
            self.send_kept()
        if not (last or starts_next):
            type(cr).commit(cr)
            return
        attributes = vars(self.connection)
        attributes["commit"] = lambda: self._send_last(cr, last)
        try:
            type(cr).commit(cr)
        finally:
            attributes["commit"] = self._commit
        self.due_notices.commit()

    def _send_last(self, cr, last: Statement | None) -> None:
        if not self.has_its_mode:
            if last:
                PsycopgCursor.execute(cr._obj, *last)
            self._commit()
            return
        cursor, statements = cr._obj, [b"COMMIT"]
        if last:
            end = cursor.mogrify(*prepared_statements.prepare(cr, *last))
            statements.insert(0, end)
        if self.left_something:
            statements.insert(0, UNLIMITED)
        start = self._start_to_send(cr)
        kept, self._kept = self._kept, []
        if not start:
            self.send(cursor, [*kept, *statements])
            return
        self.start_was_sent = True
        try:
            self.send(cursor, [*kept, *statements, *start])
        except psycopg2.Error as error:
            if error.pgcode and not self.connection.closed:
                self.start_was_sent = False  # an error of the message undoes its end
            raise
        self.started = cursor.fetchall()

    def _start_to_send(self, cr) -> list[bytes]:
        if self.next_start is None or self.left_something or cr.postcommit:
            return []
        start = None if self.start_was_sent else self.next_start()
        if not start:
            return []
        *before, last = start
        statements = [*before, prepared_statements.prepare(cr, *last)]
        return [cr._obj.mogrify(*statement) for statement in statements]


def of(connection) -> JobConnection | None:
    """What the jobs of a lease know of their connection.

    :param connection: of psycopg2
    :return: None for one that is none of a lease
    """
    return vars(connection).get(_ATTRIBUTE)


def find(cr) -> JobConnection | None:
    """The same of the connection of an Odoo cursor.

    :param cr: the cursor of Odoo
    :return: None outside of a lease
    """
    return of(cr._cnx) if hasattr(cr, "_cnx") else None


def _begin(cursor) -> None:
    jobs = of(cursor.connection)
    if jobs is not None:
        jobs.begin()


def _mode_of(connection) -> tuple:
    return connection.autocommit, connection.isolation_level, connection.readonly


def _after_begin(query):
    if isinstance(query, bytes):
        return BEGIN.encode() + query
    if isinstance(query, str):
        return BEGIN + query
    return sql.Composed([sql.SQL(BEGIN), query])
