# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The transactions of an attempt: what its method may do with its cursor.

The method may commit and roll back. Around that stand

- the *fence*: a commit first asks whether the attempt may still write;
- the *liveness lock*, which outlives both where it belongs to the session, and is taken
  again right after the COMMIT or ROLLBACK, before any hook, where it can't;
- the *end of the attempt's responsibility*: what a hook raises after COMMIT or around
  ROLLBACK is one line in the log. The work is committed, or undone, whatever the hook
  does, so its error says nothing about the attempt. (A hook that runs before COMMIT
  belongs to the work: its error is the attempt's.)

The method may not close its cursor: nothing could be committed any more.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from odoo.sql_db import Cursor
from odoo.tools import config
from odoo.tools.misc import Callbacks

from ..claim import claims
from ..exception import JobCancelled, JobFenced, JobTimeout
from . import job_session
from .job_session import facts, hold_transaction

_logger = logging.getLogger(__name__)

_MISSING = object()

#: Attribute of a cursor on which an attempt works.
_ATTEMPT = "_queue_job_attempt"

# Where the role or the database has other defaults. psycopg2 takes back the first with
# the mode, and the pool the others. A session of the worker waits while a job runs.
BE_USUAL = """
SET default_transaction_isolation TO 'read committed';
SET default_transaction_read_only TO off;
SELECT set_config(name, '0', false) FROM pg_settings
 WHERE name IN ('idle_session_timeout', 'lock_timeout')
"""

COMMIT_FORBIDDEN = (
    "Commit is forbidden in queue jobs. You can have the current job run on a"
    ' cursor of its own by enabling the "Allow Commit" option of its Job'
    " Function, or disable its protection against commits."
)
CLOSE_FORBIDDEN = (
    "A job can't close its cursor, which has to commit its work; open another one with"
    " env.registry.cursor() for what is to be closed."
)


@contextmanager
def autocommit(cr) -> Iterator[Cursor]:
    """Lend a cursor of Odoo's pool in autocommit mode: READ COMMITTED statements.

    :param cr: whose transaction is rolled back first
    """
    cr.rollback()
    try:
        begin_autocommit(cr)
        yield cr
    finally:
        if not (cr.closed or cr._cnx.closed):
            cr._cnx.autocommit = False


def begin_autocommit(cr) -> None:
    """Let the statements of a cursor be READ COMMITTED transactions of their own.

    :param cr: whose transaction is rolled back first
    """
    usual = facts(cr).usual
    cr.rollback()
    cr._cnx.autocommit = True
    if not usual:
        cr.execute(BE_USUAL)


def check_fence(cr, job) -> None:
    """Make sure that this attempt may still commit.

    :param cr: cursor of the attempt
    :param job: the started job
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


class IsolatedHooks(Callbacks):
    """Hooks whose errors are logged: what they belong to has happened already.

    :param where: database and job, for the log
    :param kind: what they are called
    :param first: called before them
    """

    __slots__ = ("_first", "_kind", "_where")

    def __init__(self, where: str, kind: str, first=None):
        super().__init__()
        self._where = where
        self._kind = kind
        self._first = first

    def run(self) -> None:
        """Run the hooks, and log what they raise."""
        if self._first is not None:
            self._first()
        while self._funcs:
            hook = self._funcs.popleft()
            try:
                hook()
            except BaseException as error:
                _logger.exception(
                    "%s: a %s hook raised %s; that changes nothing for the job",
                    self._where,
                    self._kind,
                    type(error).__name__,
                )
        self.clear()


class Guard:
    """The cursor of an attempt, from the call of its method to the last COMMIT.

    :param cr: the cursor
    :param job: the job
    :param forbid_commit: the method may not commit
    :param fenced: a commit asks whether the attempt may still write
    :param over: nothing follows the next COMMIT or ROLLBACK, so that the lock of the
        transaction isn't needed any more
    :param lock: `HOLD_LIVENESS`, or `HOLD_SETTLEMENT` to write down its end: whoever
        does that may be the one whose session holds the first
    """

    __slots__ = (
        "_before",
        "_pid",
        "cr",
        "fenced",
        "forbid_commit",
        "job",
        "lock",
        "over",
        "was_ended",
    )

    def __init__(
        self,
        cr,
        job,
        *,
        forbid_commit: bool = False,
        fenced: bool = True,
        over: bool = False,
        lock: str = claims.HOLD_LIVENESS,
    ):
        self.cr = cr
        self.job = job
        self.forbid_commit = forbid_commit
        self.fenced = fenced
        self.over = over
        self.lock = lock
        #: A transaction was ended by the method.
        self.was_ended = False
        self._pid = os.getpid()
        self._before: dict = {}

    def __enter__(self):
        replacements = {
            _ATTEMPT: self.job,
            "commit": self._refuse_commit if self.forbid_commit else self._commit,
            "rollback": self._rollback,
        }
        if isinstance(self.cr, Cursor):  # those of tests keep hooks for the test to run
            replacements.update(close=self._refuse_close, **self._hooks())
        attributes = vars(self.cr)
        self._before = {name: attributes.get(name, _MISSING) for name in replacements}
        attributes.update(replacements)
        return self

    def __exit__(self, *exception):
        attributes = vars(self.cr)
        job_session.forget_last(self.cr)
        for name, value in self._before.items():
            if value is _MISSING:
                attributes.pop(name, None)
            else:
                attributes[name] = value

    def _hooks(self) -> dict[str, IsolatedHooks]:
        where = f"{self.cr.dbname}: job {self.job.uuid}"
        return {
            "postcommit": IsolatedHooks(where, "post-commit", self._hold),
            "prerollback": IsolatedHooks(where, "pre-rollback"),
            "postrollback": IsolatedHooks(where, "post-rollback", self._hold),
        }

    # -- what the method may do --------------------------------------------------------

    def _commit(self) -> None:
        self.end_fork()
        if self.fenced:
            check_fence(self.cr, self.job)
        self.was_ended = True
        type(self.cr).commit(self.cr)

    def _rollback(self) -> None:
        self.was_ended = True
        type(self.cr).rollback(self.cr)

    def _hold(self) -> None:
        """Take the lock of the transaction again; one of the session is still held."""
        if not self.over:
            hold_transaction(self.cr, self.job.id, self.lock)

    def _refuse_commit(self, *args, **kwargs):
        raise RuntimeError(COMMIT_FORBIDDEN)

    def _refuse_close(self, *args, **kwargs):
        raise RuntimeError(CLOSE_FORBIDDEN)

    # -- what the worker does ----------------------------------------------------------

    def end_fork(self) -> None:
        """End a process that the method has forked and that came back from there.

        It shares the connection with its parent: the first statement of both would
        break it.
        """
        end_fork(self._pid)

    def commit_work(self) -> None:
        """Commit the work of the method and the end of the job.

        :raise JobFenced: the claim of the job is void
        """
        self.over = True
        with void_is_fenced(self.job):
            job_session.commit_last(self.cr)


@contextmanager
def void_is_fenced(job) -> Iterator[None]:
    """Tell by its own error that the claim of a job is void, see `claims.FENCED`.

    :param job: the job
    :raise JobFenced: the claim of the job is void
    """
    try:
        yield
    except psycopg2.errors.InvalidTextRepresentation as error:
        if claims.VOID not in str(error):
            raise
        raise JobFenced(f"Job {job.uuid} was given to another worker") from error


def end_fork(pid: int) -> None:
    """End this process unless it is the one that began the attempt.

    :param pid: of the process that began it
    """
    if os.getpid() != pid:
        os._exit(0)


def is_guarded(cr) -> bool:
    """Whether an attempt works on this cursor, so that a commit is safe there.

    :param cr: a cursor of Odoo
    """
    return _ATTEMPT in vars(cr)


@contextmanager
def replaced(target, name: str, value) -> Iterator[None]:
    """Replace an attribute of an instance for a while.

    :param target: the instance
    :param name: of the attribute
    :param value: its value in the block
    """
    before = vars(target).get(name, _MISSING)
    setattr(target, name, value)
    try:
        yield
    finally:
        if before is _MISSING:
            delattr(target, name)
        else:
            setattr(target, name, before)


@contextmanager
def undone_on_error(cr) -> Iterator[None]:
    """Undo the work of a job that fails inside a test, where nothing may roll back.

    Outside of tests the whole transaction is rolled back, see :func:`undo`.

    :param cr: cursor of the attempt
    """
    if config["test_enable"]:
        with cr.savepoint():
            yield
    else:
        yield


def undo(env, job) -> None:
    """Forget the work of a failed attempt, and the locks its transaction took.

    What a hook raises, or the loss of the session, changes nothing about that.

    :param env: in whose transaction the attempt worked
    :param job: its job
    """
    cr = env.cr
    if not config["test_enable"]:
        try:
            if _has_hooks(cr):
                with Guard(cr, job, over=True):
                    type(cr).rollback(cr)
            else:
                type(cr).rollback(cr)
        except psycopg2.Error:
            _logger.debug("the session of job %s is gone", job.uuid, exc_info=True)
    if cr.transaction is not env.transaction or config["test_enable"]:
        env.transaction.clear()  # the rollback has not
    env.registry.reset_changes()


def _has_hooks(cr) -> bool:
    return bool(cr.prerollback._funcs or cr.postrollback._funcs)
