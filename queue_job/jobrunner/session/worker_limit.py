# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long a worker may be busy with one request, and what follows for its jobs.

The server kills a worker which exceeds its ``limit_time_real``; the job would only be
found dead, and run again. So the runner ends the job a little earlier, as failed by a
timeout, and lets no lease last into that margin.
"""

from typing import NamedTuple

#: Seconds before the worker is killed at which a job is ended.
MARGIN = 5.0


class WorkerLimit(NamedTuple):
    """The time limit of the workers to which the leases go.

    :param seconds: after which a busy worker is killed; 0 for no limit
    :param setting: what sets it, for messages
    """

    seconds: float = 0
    setting: str = "the server's limit_time_real"

    @property
    def job_seconds(self) -> float:
        """How long a job may take; 0 for no limit."""
        return max(self.seconds - MARGIN, self.seconds * 0.8, 0)

    def lease_seconds(self, wanted: float) -> float:
        """How long a lease may go on starting jobs, if it wants so many seconds.

        The last of them has the time of a job, and has to be ended before the limit.
        """
        if not self.job_seconds:
            return wanted
        return min(wanted, (self.seconds - self.job_seconds) / 2)


NO_LIMIT = WorkerLimit()
