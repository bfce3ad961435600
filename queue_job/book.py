# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The book of a worker: claims, starts, returns and releases, beside the jobs.

It is a cursor in autocommit mode: each statement of :mod:`.claims` is a READ COMMITTED
transaction of its own, which can't meet a serialization error and holds no lock while
a job runs.
"""

import os
import socket

from . import claims, dependencies, repository

START = claims.START.format(
    columns=", ".join(f"j.{column}" for column in repository.LOAD_COLUMNS)
)

# Parsing and planning the statement takes longer than running it.
PREPARE_START = f"""
PREPARE queue_job_start (int, int, int, text) AS
{START % {"id": "$1", "token": "$2", "pid": "$3", "host": "$4"}}
"""
EXECUTE_START = "EXECUTE queue_job_start (%(id)s, %(token)s, %(pid)s, %(host)s)"


class Book:
    """What a lease writes about jobs that aren't its own work.

    :param cr: cursor in autocommit mode, see :func:`.transactions.autocommit`
    :param lease_id: the lease for which jobs are claimed
    """

    def __init__(self, cr, lease_id: int):
        self.cr = cr
        self.lease_id = lease_id
        self._start = START
        self._pid = os.getpid()
        self._host = socket.gethostname()

    def prepare(self) -> None:
        """Prepare the statement that is run for each job.

        Not behind a transaction-pooling proxy, where the next statement may go to
        another session: there the client doesn't know the real process id.
        """
        self.cr.execute("SELECT pg_backend_pid()")
        if self.cr.fetchone()[0] == self.cr._cnx.get_backend_pid():
            self.cr.execute(PREPARE_START)
            self._start = EXECUTE_START

    def start(self, job_id: int, token: int) -> dict | None:
        """Start a claimed job and return its row, None if the claim doesn't hold."""
        self.cr.execute(
            self._start,
            {"id": job_id, "token": token, "pid": self._pid, "host": self._host},
        )
        row = self.cr.fetchone()
        return row and dict(zip(repository.LOAD_COLUMNS, row, strict=True))

    def top_up(self, channel: str, limit: int) -> list[tuple[int, int]]:
        """Claim the next jobs of a channel: [(id, claim token)] in their order."""
        self.cr.execute(
            claims.TOP_UP,
            {"channel": channel, "limit": limit, "lease": self.lease_id},
        )
        return self.cr.fetchall()

    def state_of(self, job_id: int) -> tuple[str | None, int | None]:
        """State and claim token of a job that could not be started."""
        self.cr.execute(claims.WHY_NOT_STARTED, {"id": job_id})
        return self.cr.fetchone() or (None, None)

    def return_unstarted(self) -> None:
        """Give back what was claimed for the lease and not started."""
        self.cr.execute(claims.RETURN_UNSTARTED, {"leases": [self.lease_id]})

    def release_children(self, job_ids: list[int]) -> None:
        """Let the children of jobs that are over run, where their parents allow it."""
        dependencies.release_children(self.cr, job_ids)
