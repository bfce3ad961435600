# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The transactions of a job: its fence, its liveness lock, and how it is undone.

While a job's method runs, its transaction holds the advisory lock
``(claims.LIVENESS_LOCK, row id)``. A commit or rollback inside the job gives the lock
back, so both are wrapped: the lock is taken again at once, and a commit first asks
whether this attempt may still write.

A lease that runs several jobs on a session of its own holds ``(claims.LEASE_LOCK, lease
id)`` in that session instead, from its second job to its end.
"""

import logging
from contextlib import contextmanager

import psycopg2

from odoo.tools import config

from . import claims
from .exception import JobCancelled, JobFenced, JobTimeout

_logger = logging.getLogger(__name__)


@contextmanager
def autocommit(cr):
    """Lend a cursor of Odoo's pool in autocommit mode: READ COMMITTED statements."""
    cr.rollback()
    connection = cr._cnx
    connection.autocommit = True
    try:
        yield cr
    finally:
        if not connection.closed:
            connection.autocommit = False


#: Attribute of a cursor whose session holds the lock of a lease: the id of the lease.
_LEASE = "_queue_job_lease"


def hold_liveness(cr, job_id: int | None) -> None:
    """Take the liveness lock of a job in the cursor's transaction, if it needs one."""
    if job_id and _LEASE not in vars(cr):
        cr.execute(claims.HOLD_LIVENESS, {"id": job_id})


def hold_lease(cr, lease_id: int) -> None:
    """Let the cursor's session show life for all jobs of a lease.

    Between two jobs, and only where the session stays the same from transaction to
    transaction. The lock outlives the rollback; the next job needs a new snapshot.
    """
    cr.execute(claims.HOLD_LEASE, {"lease": lease_id})
    cr.rollback()
    setattr(cr, _LEASE, lease_id)


def leave_lease(cr) -> None:
    """Give the lock of the lease back: the pool keeps the session."""
    lease_id = vars(cr).pop(_LEASE, None)
    if lease_id is not None:
        cr.rollback()
        cr.execute(claims.LEAVE_LEASE, {"lease": lease_id})


def check_fence(cr, job) -> None:
    """Make sure that this attempt may still commit.

    :raise JobFenced: the job was given to another worker
    :raise JobCancelled: a user has asked to cancel it
    :raise JobTimeout: its time is over
    """
    if job.claim_token is None:
        return
    cr.execute(claims.MAY_COMMIT, {"id": job.id, "token": job.claim_token})
    row = cr.fetchone()
    if row is None:
        raise JobFenced(f"Job {job.uuid} was given to another worker")
    if row[0] == "cancel":
        raise JobCancelled("Cancelled while it was running")
    if row[0] == "timeout":
        raise JobTimeout(limit_seconds=job.timeout)


@contextmanager
def commits_guarded(cr, job):
    """Let the job commit and roll back, without losing its fence and its lock."""
    commit, rollback = cr.commit, cr.rollback

    def guarded_commit():
        check_fence(cr, job)
        commit()
        hold_liveness(cr, job.id)

    def guarded_rollback():
        rollback()
        hold_liveness(cr, job.id)

    with replaced(cr, "commit", guarded_commit):
        with replaced(cr, "rollback", guarded_rollback):
            yield


@contextmanager
def replaced(target, name, value):
    """Replace an attribute of an instance for a while."""
    missing = object()
    before = vars(target).get(name, missing)
    setattr(target, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(target, name)
        else:
            setattr(target, name, before)


@contextmanager
def undone_on_error(cr):
    """Undo the work of a job that fails inside a test, where nothing may roll back.

    Outside of tests the whole transaction is rolled back, see :func:`undo`.
    """
    if config["test_enable"]:
        with cr.savepoint():
            yield
    else:
        yield


def undo(env) -> None:
    """Forget the work of a failed attempt, and the locks it took."""
    if not config["test_enable"]:
        try:
            env.cr.rollback()
        except psycopg2.Error:
            _logger.debug("the session of the job is gone", exc_info=True)
    env.transaction.clear()
    env.registry.reset_changes()
