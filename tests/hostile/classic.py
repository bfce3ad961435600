# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner of old: it sets a job to enqueued and asks a worker to run it by
``GET /queue_job/runjob``. Our own runner leaves these jobs alone, for their channel is
paused; it looks after those that die, as it always does. It also returns one that waits
for its request for more than a second: it may then be asked for twice."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.harness.database import FINAL, Database
from tests.harness.server import Server
from tests.harness.waiting import POLL_SECONDS

#: Requests at the same time.
REQUESTS = 3
#: For the jobs of one cell, in seconds; what is never due is left alone.
PATIENCE_SECONDS = 60.0
FAR_SECONDS = 30.0

TAKE = """
UPDATE queue_job SET state = 'enqueued', date_enqueued = now() AT TIME ZONE 'UTC'
 WHERE uuid = %s AND state = 'pending'
   AND (eta IS NULL OR eta <= now() AT TIME ZONE 'UTC') RETURNING id
"""
# Those that a job has enqueued in its own channel run after it.
ALL_OF_CHANNEL = """
SELECT uuid FROM queue_job
 WHERE channel IN (SELECT channel FROM queue_job WHERE uuid = ANY(%s))
 ORDER BY id
"""
LOOK = """
SELECT state, coalesce(extract(epoch FROM eta - now() AT TIME ZONE 'UTC'), 0)::float
  FROM queue_job WHERE uuid = %s
"""


class ClassicRunner:
    """Runs the jobs of cells, one after the other; several cells at a time."""

    def __init__(self, server: Server):
        self.server = server

    def run(self, cells: Iterable[Sequence[str]]) -> None:
        """Return when the jobs of all cells are settled, or will never be.

        :param cells: the uuids of the jobs of each
        """
        with ThreadPoolExecutor(REQUESTS) as pool:
            list(pool.map(self._run_cell, cells))

    def _run_cell(self, uuids: Sequence[str]) -> None:
        database = Database(self.server.db.name)
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            left = list(uuids)
            while left and time.monotonic() < deadline:
                # a job that has to wait for its next attempt lets the others pass
                all_of_them = database.rows(ALL_OF_CHANNEL, list(uuids))
                left = [u for (u,) in all_of_them if not self._is_over(database, u)]
                for uuid in left:
                    if database.rows(TAKE, uuid):
                        self._request(uuid)
                time.sleep(POLL_SECONDS)
        finally:
            database.close()

    @staticmethod
    def _is_over(database: Database, uuid: str) -> bool:
        rows = database.rows(LOOK, uuid)
        return not rows or rows[0][0] in FINAL or rows[0][1] > FAR_SECONDS

    def _request(self, uuid: str) -> None:
        try:
            requests.get(
                f"{self.server.url}/queue_job/runjob",
                params={"job_uuid": uuid},
                headers={"X-Odoo-Database": self.server.database},
                timeout=PATIENCE_SECONDS,
            )
        except requests.RequestException:
            pass  # its worker is gone
