# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Watches the journal, and interrupts the first attempt of the jobs that are to be
interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from queue_job.claim.claims import HELD, SHOWS_LIFE
from tests.harness import journal
from tests.harness.database import Database
from tests.harness.server import RUNNER, Server

from .cells import Cell
from .table import CANCEL, ENDED, FAILOVER, KILLED

#: From the start of a job until it is interrupted; between two looks.
MOMENT, LOOK_SECONDS = 0.3, 0.1
#: Interruptions at the same time.
AT_ONCE = 16

END_SESSION = f"""
SELECT pg_terminate_backend(held.pid)
  FROM queue_job j JOIN ({HELD}) AS held ON {SHOWS_LIFE} WHERE j.uuid = %s
"""
# In a threaded server the runner has no process of its own: it loses the lead.
DEPOSE_LEADER = """
SELECT pg_terminate_backend(pid) FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (classid::bigint << 32) | objid::bigint = 2293787760715711918
"""


class Interrupter(threading.Thread):
    """Interrupts while the block runs.

    :param cells: uuid of a job -> its cell
    """

    def __init__(self, server: Server, journal_path, cells: Mapping[str, Cell]):
        super().__init__(daemon=True)
        self.server = server
        self.journal_path = journal_path
        self.cells = cells
        #: (process id, moment) of those that were killed.
        self.kills: list[tuple[int, float]] = []
        self.errors: list[Exception] = []
        self._database = Database(server.db.name)
        self._client = server.client()
        self._over = threading.Event()
        self._met: set[str] = set()
        #: A call that has to wait for a worker must not hold up the next one.
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def __enter__(self) -> Interrupter:
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self._over.set()
        self.join()
        self._pool.shutdown()
        self._database.close()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            attempts = journal.read(self.journal_path) if self.cells else ()
            for attempt in attempts:
                due = time.monotonic() - attempt.start > MOMENT
                if attempt.uuid in self.cells and attempt.uuid not in self._met and due:
                    self._met.add(attempt.uuid)
                    self._pool.submit(self._meet, attempt)

    def _meet(self, attempt: journal.Attempt) -> None:
        if attempt.end is not None:
            return
        try:
            self._interrupt(self.cells[attempt.uuid].interruption, attempt)
        except Exception as error:  # told to the test, which runs in another thread
            self.errors.append(error)

    def _interrupt(self, interruption: str, attempt: journal.Attempt) -> None:
        if interruption == CANCEL:
            job_id = self._database.job(attempt.uuid, "id")
            self._client.call("queue.job", "button_cancelled", [job_id])
        elif interruption == KILLED:
            self.kills.append((attempt.pid, time.monotonic()))
            with suppress(ProcessLookupError):
                self.server.kill_pid(attempt.pid)
        elif interruption == ENDED:
            self._database.rows(END_SESSION, attempt.uuid)
        elif interruption == FAILOVER:
            self._fail_over()

    def _fail_over(self) -> None:
        if not self.server.workers:
            self._database.rows(DEPOSE_LEADER)
        for pid in self.server.worker_pids(RUNNER):
            with suppress(ProcessLookupError):  # it died a moment ago, for another cell
                self.server.kill_pid(pid)
