# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The line in which a lease works: a sequential channel, or the jobs of a sequence key.

Nothing of it is claimed in advance, because how a job ends decides what may follow it.
So the next one is claimed and started by one statement, along with the COMMIT of the
job before it, where the lease goes on for certain:

    EXECUTE done; COMMIT; SET LOCAL ...; [lock of the key;] EXECUTE start

Why that keeps the order, and loses no job:

1. The start sees how the job has ended. What follows COMMIT in a message is a
   transaction of its own, READ COMMITTED, and each of its statements makes its snapshot
   when it begins: after that commit, and after the lock of the key. A failed or
   postponed job stops the line, as it does for a start from the control session; the
   statements are the same (`claims.NEXT_IN_ORDER`, `admission.NEXT_OF_KEY`).
2. Nobody else starts a job of the line meanwhile. In a channel the lease holds the only
   slot until it ends; for a key the lock is held until the start is committed.
3. No second start is sent before the answer to the first is known: the rules would not
   count a job that was started and that nobody has begun.
4. After a failover, or once the lease is suspect, the start finds no leader and starts
   nothing: it asks in its own snapshot.
5. A job that has started and is not begun is never forgotten. The worker knows it as
   soon as the message is answered. If the answer is lost and the worker lives, it gives
   back what its lease has started and not begun. If the worker or its session is gone,
   so is the lock of the lease, and the runner finds the job dead, as one whose worker
   has died right after the start.

Children of the job before may be the next of the line, but are released after the
COMMIT. So a job that has some starts no other.
"""

from __future__ import annotations

from ..claim.lease import Lease
from ..keys.rules import sequence_of
from ..sessions.job_cursor import Statement
from ..sessions.job_session import JobSession
from .control_session import ControlSession, read_started


class Line:
    """The line of one lease.

    :param control: the session that starts and returns jobs
    :param session: the session of the jobs, in which a COMMIT may start the next one
    :param lease: what the runner has granted
    """

    def __init__(self, control: ControlSession, session: JobSession, lease: Lease):
        self.control = control
        self.session = session
        self.lease = lease
        #: The last COMMIT has found that no job may follow.
        self.is_over = False
        self._begun: list[tuple[int, int]] = []

    def begin(self, values: dict) -> None:
        """Note that a started job is begun: it is not given back any more.

        :param values: its row
        """
        self._begun.append((values["id"], values["claim_token"]))
        self.is_over = False

    def next_start(self, values: dict, keys_left: list[dict]) -> list[Statement] | None:
        """What starts the next job along with the COMMIT of this one.

        :param values: row of the job that is about to end
        :param keys_left: rows of the jobs with a key that have ended since the last
            admission
        :return: the statements; None where the lease is in no line
        """
        if self.lease.in_order:
            if values["gate"]:  # those that wait for its key are admitted first
                return None
            return self.control.in_order_statements(self.lease.channel, values["id"])
        ended = sequence_of([*keys_left, values]) if values["gate"] else None
        if ended is None:
            return None
        return self.control.of_key_statements(ended, self.lease.channels)

    def take(self) -> dict | None:
        """Take the job that the last COMMIT has started.

        :return: its row, see :func:`.read_started`; None if there is none
        """
        if not self.session.has_started:
            self.give_back()
            return None
        rows = self.session.take_started()
        self.is_over = not rows
        return read_started(rows[0]) if rows else None

    def give_back(self) -> None:
        """Give back the next job, if a COMMIT may have started it: it is not begun."""
        if self.session.may_have_started:
            self.control.return_not_begun(self._begun)
            self.session.forget_started()
