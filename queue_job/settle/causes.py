# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The causes of attempts that did not end well, by the error that ended them."""

from __future__ import annotations

import psycopg2

from ..core import errors
from ..core.retry import Cause
from ..exception import JobInterrupted

#: Sessions that PostgreSQL has ended (admin shutdown, crash shutdown) or lost.
LOST_SESSION_PGCODES = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006"})

QUERY_CANCELED = "57014"

#: Also where code raises them by itself, without the code of PostgreSQL.
CONFLICTS = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.LockNotAvailable,
)


def tells_of_a_lost_session(exc: BaseException | None) -> bool:
    """Whether PostgreSQL has ended a session, or the connection to it is gone.

    :param exc: an error, whose causes are asked as well
    """
    for each in errors.chain(exc):
        kind = type(each)  # isinstance would ask `__class__`, which may raise
        if not issubclass(kind, psycopg2.Error):
            continue
        if each.pgcode in LOST_SESSION_PGCODES:
            return True
        lost = psycopg2.OperationalError | psycopg2.InterfaceError
        if each.pgcode is None and issubclass(kind, lost):
            return True
    return False


def cause_of(exc: BaseException, *, lost: bool = False) -> Cause:
    """Why an attempt did not end well.

    :param exc: the error that ended it
    :param lost: the session in which it worked was ended
    """
    kind = type(exc)  # isinstance would ask `__class__`, which may raise
    if issubclass(kind, JobInterrupted) and exc.reason:
        return Cause.TIMEOUT
    if lost:
        return Cause.DEAD
    if issubclass(kind, CONFLICTS):
        return Cause.CONFLICT
    if issubclass(kind, psycopg2.Error):
        if exc.pgcode == QUERY_CANCELED and "user request" in str(exc):
            return Cause.CONFLICT  # meant for the job that had this session before
        return errors.classify(exc, exc.pgcode)
    return errors.classify(exc)


def was_interrupted(exc: BaseException) -> bool:
    """Whether PostgreSQL, or the loss of its session, raised the error.

    :param exc: the error that ended the attempt
    """
    ends = psycopg2.errors.QueryCanceled | psycopg2.InterfaceError | JobInterrupted
    return any(issubclass(type(each), ends) for each in errors.chain(exc))
