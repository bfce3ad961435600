# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A finalization: a lease in which a worker settles the jobs whose workers have died.

The runner has claimed them for the lease, all for one cause. Each is settled by the
path of any other failure, in a transaction of its own and fenced by the token of its
claim. One whose end can't be written, or that another worker has meanwhile, holds up no
other; and what isn't settled when the lease is over is found dead again.
"""

from __future__ import annotations

import logging
import time

from ..claim.lease import LeaseRefused
from ..core.retry import Cause
from ..exception import JobFenced
from ..settle.finalization import Told, finalize, read_told
from ..settle.settlement import DatabaseLost
from ..storage import row_mapper
from . import attempt
from .lease_run import LeaseRun

_logger = logging.getLogger(__name__)

READ_DEAD = f"""
SELECT {row_mapper.select_list()} FROM queue_job
 WHERE state = 'started' AND lease_id = %s ORDER BY id
"""


class FinalizeRun(LeaseRun):
    """A lease of kind `FINALIZE`, served by one worker."""

    _may_wait = False

    def _serve(self) -> None:
        """Settle one job after the other, for as long as the lease lasts."""
        rows = self._read_dead()
        told = read_told(self.control.cr, [values["id"] for values in rows])
        for values in rows:
            self._finalize(values, told.get(values["id"], Told()))
            self._release_children()
            if self._lost or time.monotonic() >= self._until:
                break
            self._prepare_statements()
        self._admit()
        self.control.notify_others([])

    def _read_dead(self) -> list[dict]:
        """The rows of the jobs.

        :raise LeaseRefused: the claim that the request names was used up
        """
        cr = self.control.cr
        cr.execute(READ_DEAD, [self.lease.id])
        rows = [
            dict(zip(row_mapper.LOAD_COLUMNS, row, strict=True))
            for row in cr.fetchall()
        ]
        claim = (self.lease.job_id, self.lease.claim_token)
        if claim not in ((row["id"], row["claim_token"]) for row in rows):
            raise LeaseRefused("its claim was already used")
        return rows

    def _finalize(self, values: dict, told: Told) -> None:
        job = self._load(self._new_env(), values)
        is_settled = job is None or self._settle(job, told)
        if is_settled and values["gate"]:
            self._keys_left.append(values)
        self._end_job()

    def _settle(self, job, told: Told) -> bool:
        """Settle one job.

        :return: False if that could not be done
        """
        cause = Cause(self.lease.cause)
        try:
            attempt.alone(
                lambda _env, job: finalize(job, cause, told), job._env, job, self._state
            )
        except (JobFenced, DatabaseLost) as error:
            _logger.warning(
                "%s: job %s is not settled: %s", job._env.cr.dbname, job.uuid, error
            )
            return False
        except Exception:  # it is found dead again; the others are settled
            _logger.exception("%s: job %s is not settled", job._env.cr.dbname, job.uuid)
            return False
        if job.should_check_dependents():
            self._ended.append(job.id)
        return True
