# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Recover the jobs whose worker has died: run them again, or finalize their failure.

One WARNING line for each job.
"""

import logging

from ...core import events
from ...core.retry import Cause, Retry, decide
from ...monitoring.statistics import COUNT_DEAD
from ..dispatch.lease_registry import LeaseRegistry
from ..session import queries
from ..session.database import Database

_logger = logging.getLogger(__name__)


class DeadJobs:
    """The dead jobs of one database.

    :param database: the runner's session
    :param leases: grants the leases in which workers finalize failures
    """

    def __init__(self, database: Database, leases: LeaseRegistry):
        self.database = database
        self.leases = leases

    def recover(self, row: dict) -> None:
        """Recover one job; a dead attempt counts like any other.

        :param row: of the dead job, a row of ``queries.IN_FLIGHT``
        """
        cause = Cause(row["signal"] or "dead")
        decision = decide(cause, row["retry"] + 1, row["max_retries"])
        if isinstance(decision, Retry):
            recovered = self._retry(row)
        else:
            recovered = self._finalize(row, cause)
        if recovered and cause is Cause.DEAD:
            self.database.execute(COUNT_DEAD, {"id": row["id"]})

    def _retry(self, row) -> bool:
        worker = f"{row['worker_host'] or '?'}:{row['worker_pid'] or '?'}"
        message = f"The worker {worker} died while it ran the job"
        number = self.database.value(
            queries.RETRY_DEAD,
            {
                "id": row["id"],
                "token": row["claim_token"],
                "date_started": row["date_started"],
                "host": row["worker_host"],
                "pid": row["worker_pid"],
                "message": message,
            },
        )
        if number is not None:
            _logger.warning(
                "%s: re-queued dead job with uuid: %s (attempt %s, worker %s)",
                self.database.db_name,
                row["uuid"],
                number,
                worker,
            )
            with self.database.cursor() as cursor:
                for name in (events.DEAD, events.RETRIED):
                    events.tell_ids(
                        cursor, name, [row["id"]], self.database.db_name, message
                    )
        return number is not None

    def _finalize(self, row, cause) -> bool:
        """Let a worker settle the failure, with its hooks and messages."""
        lease_id = self.leases.new_id()
        token = self.database.value(
            queries.CLAIM_TO_FINALIZE,
            {"id": row["id"], "token": row["claim_token"], "lease": lease_id},
        )
        if token is not None:
            _logger.warning(
                "%s: job %s ends without its worker: %s",
                self.database.db_name,
                row["uuid"],
                cause.value,
            )
            self.leases.grant_finalization(row, lease_id, token, cause.value)
        return token is not None
