# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Recover the jobs whose worker has died: run them again, or finalize their failure.

One WARNING line for each job.
"""

import logging
from collections import defaultdict

from ...core import events
from ...core.retry import Cause, Retry, decide
from ...monitoring.statistics import COUNT_DEAD
from ..dispatch.lease_registry import LeaseRegistry
from ..session import queries
from ..session.database import Database
from .batches import Row, batches

_logger = logging.getLogger(__name__)


class DeadJobs:
    """The dead jobs of one database.

    :param database: the runner's session
    :param leases: grants the leases in which workers finalize failures
    """

    def __init__(self, database: Database, leases: LeaseRegistry):
        self.database = database
        self.leases = leases
        #: Leases that were to finalize several jobs, while some are still in flight.
        self._tried: set[int] = set()

    def recover(self, dead: list[Row], in_flight: list[Row]) -> None:
        """Recover dead jobs; a dead attempt counts like any other.

        :param dead: rows of ``queries.IN_FLIGHT``
        :param in_flight: all those rows
        """
        self._tried &= {row["lease_id"] for row in in_flight}
        to_finalize = defaultdict(list)
        counted = []
        for row in dead:
            cause = Cause(row["signal"] or "dead")
            decision = decide(cause, row["retry"] + 1, row["max_retries"])
            if not isinstance(decision, Retry):
                to_finalize[cause].append(row)
            elif self._retry(row):
                counted.append(row["id"])
        for cause, rows in to_finalize.items():
            for batch in batches(rows, self._tried):
                taken = self._finalize(batch, cause)
                counted += taken if cause is Cause.DEAD else []
        if counted:
            self.database.execute(COUNT_DEAD, {"ids": counted})

    def _retry(self, row: Row) -> bool:
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

    def _finalize(self, rows: list[Row], cause: Cause) -> list[int]:
        """Let a worker settle the failures, with their hooks and messages.

        :return: the ids of the jobs that were taken over for that
        """
        lease_id = self.leases.new_id()
        claims = {
            "ids": [row["id"] for row in rows],
            "tokens": [row["claim_token"] for row in rows],
            "lease": lease_id,
        }
        tokens = {
            row["id"]: row["claim_token"]
            for row in self.database.rows(queries.CLAIM_TO_FINALIZE, claims)
        }
        taken = [row for row in rows if row["id"] in tokens]
        for row in taken:
            _logger.warning(
                "%s: job %s ends without its worker: %s",
                self.database.db_name,
                row["uuid"],
                cause.value,
            )
        if len(taken) > 1:
            self._tried.add(lease_id)
        if taken:
            token = tokens[taken[0]["id"]]
            self.leases.grant_finalization(taken[0], lease_id, token, cause.value)
        return [*tokens]
