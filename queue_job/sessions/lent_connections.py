# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The connections that leases lend to each other while their jobs wait.

In a threaded job worker (:mod:`..worker.shared_process`) a lease needs its control
session for a moment before and after a job. In between, the connection is here for any
other lease of the database. It keeps its mode and its prepared statements, which the
pool of Odoo would discard. A few are enough, because few leases are active at a time;
the pool gets the others. None is idle once all leases of the database have ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.pool import PoolError

from odoo.sql_db import connection_info_for

from . import prepared_statements
from .transactions import begin_autocommit

#: Connections to one database that wait here for a lease.
MOST = 4

#: Seconds between tries to get another one, when the server has none left.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)

_lock = threading.Lock()
_idle: dict[str, list] = {}  # database -> connections with their prepared statements
_lenders: dict[str, int] = {}  # database -> leases whose jobs wait


@contextmanager
def lent(cr) -> Iterator[None]:
    """Lend the connection of a cursor to others, and go on with any after that.

    :param cr: of :func:`~.transactions.autocommit`; not to be used in the block. If
        there is no connection for it after the block, it is closed.
    :raise psycopg2.Error: there is none to be had
    """
    cr._obj.close()
    cr._closed = True
    if not _lend(cr.dbname, (cr._cnx, prepared_statements.detach(cr))):
        _give_back(cr._Cursor__pool, cr._cnx)
    try:
        yield
    finally:
        _take(cr)


def _lend(database: str, entry: tuple) -> bool:
    """Whether there was room for a connection."""
    with _lock:
        _lenders[database] = _lenders.get(database, 0) + 1
        idle = _idle.setdefault(database, [])
        has_room = len(idle) < MOST
        if has_room:
            idle.append(entry)
        return has_room


def _give_back(pool, connection) -> None:
    if not connection.closed:
        connection.autocommit = False
        pool.give_back(connection)


def _take(cr) -> None:
    pool = cr._Cursor__pool
    entry, surplus = _taken(cr.dbname)
    for connection, _statements in surplus:
        _give_back(pool, connection)
    if entry is None:
        entry = _borrow(pool, cr.dbname), None
    is_new = not entry[0].autocommit
    cr._cnx = entry[0]
    cr._obj = cr._cnx.cursor()
    cr._closed = False
    prepared_statements.attach(cr, entry[1])
    if is_new:
        begin_autocommit(cr)


def _borrow(pool, database: str):
    """Borrow a connection; a server that has none left may have one in a moment.

    The work of the lease is done by then, and its end has to be written.

    :raise psycopg2.Error, PoolError: there is none after some seconds either
    """
    info = connection_info_for(database)[1]
    for pause in PAUSES:
        try:
            return pool.borrow(info)
        except (psycopg2.OperationalError, PoolError):
            time.sleep(pause)
    return pool.borrow(info)


def _taken(database: str) -> tuple[tuple | None, list]:
    """Take a connection, and those that no lease will come for."""
    entry, surplus = None, []
    with _lock:
        idle = _idle[database]
        _lenders[database] -= 1
        while idle and entry is None:
            entry = idle.pop()
            if entry[0].closed:
                entry = None
        while len(idle) > _lenders[database]:
            surplus.append(idle.pop())
    return entry, surplus
