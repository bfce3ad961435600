# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The book of a worker: claims, starts, returns and releases, beside the jobs.

It is a cursor in autocommit mode: each statement of :mod:`.claims` is a READ COMMITTED
transaction of its own, which can't meet a serialization error and holds no lock while
a job runs.
"""

import os
import socket

from . import claims, dependencies, events, prepared, rows

START = claims.START.format(columns=rows.select_list("j."))
START_NEXT = claims.START_NEXT.format(columns=rows.select_list("j."))


class Book:
    """What a lease writes about jobs that aren't its own work.

    :param cr: cursor in autocommit mode, see :func:`.transactions.autocommit`
    :param lease_id: the lease for which jobs are claimed
    :param runner: the leadership that granted the lease
    """

    def __init__(self, cr, lease_id: int, runner: str | None = None):
        self.cr = cr
        self.lease_id = lease_id
        self.runner = runner
        self._pid = os.getpid()
        self._host = socket.gethostname()

    def start(self, job_id: int, token: int) -> dict | None:
        """Start a claimed job and return its row, None if the claim doesn't hold."""
        prepared.execute(self.cr, START, [self._pid, self._host, job_id, token])
        return self._started()

    def start_next(self, channel: str) -> dict | None:
        """Claim and start the next job of a channel at once, None without one."""
        prepared.execute(
            self.cr,
            START_NEXT,
            [channel, self.runner, self._pid, self._host, self.lease_id],
        )
        return self._started()

    def _started(self) -> dict | None:
        row = self.cr.fetchone()
        return row and dict(zip(rows.LOAD_COLUMNS, row, strict=True))

    def others_wait(self, channel: str, issued: float) -> bool:
        """Whether another channel has jobs that could run, or channels have changed.

        :param issued: Unix time of the lease's issue
        """
        self.cr.execute(claims.OTHERS_WAIT, {"channel": channel, "issued": issued})
        return self.cr.fetchone()[0]

    def top_up(self, channel: str, limit: int) -> list[tuple[int, int]]:
        """Claim the next jobs of a channel: [(id, claim token)] in their order."""
        self.cr.execute(
            claims.TOP_UP,
            {
                "channel": channel,
                "limit": limit,
                "lease": self.lease_id,
                "runner": self.runner,
            },
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
        rows_written = dependencies.released_rows(self.cr, job_ids)
        doomed = [id_ for id_, state, _result in rows_written if state == "cancelled"]
        if doomed:
            events.tell_ids(self.cr, events.CANCELLED, doomed, self.cr.dbname)
