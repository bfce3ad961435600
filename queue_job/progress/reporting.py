# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The running jobs of this process, and what they report while they run.

A worker brackets each job in `running(job)`; in between, `report` finds the `Run` by
the key `job_uuid` of the context. A report leaves the process over a connection of the
run's own, in autocommit: the job's transaction is not visible before its end, and the
bus sends at commit. The connection is opened by the first report and given back with
the end of the job. Nothing is ever written to the job's own row.

Each report that goes out also asks whether somebody wants the job to stop: then it
raises `JobCancelled` or `JobTimeout`, in the job, at a place which the job has chosen.

While Odoo runs tests there is one cursor only: reports use that of the job.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.tools import config

from ..claim import claims
from ..exception import JobCancelled, JobTimeout
from .bus_connection import BusConnection, autocommit
from .progress import Progress, Throttle

_logger = logging.getLogger(__name__)

#: Type of the bus message to the job's user.
MESSAGE_TYPE = "queue_job.progress.progress"

#: Seconds between two looks for what was said to a job that reports nothing.
LISTEN_SECONDS = 0.2

#: One statement says how far the job is, and asks whether it is to stop.
REPORT = """
WITH reported AS (
    INSERT INTO queue_job_progress
           (job_id, active, value, valuemin, valuemax, percent, message, status, stage,
            date)
    VALUES (%(job_id)s, TRUE, %(value)s, %(valuemin)s, %(valuemax)s, %(percent)s,
            %(message)s, %(status)s, %(stage)s, clock_timestamp() AT TIME ZONE 'UTC')
        ON CONFLICT (job_id) WHERE key IS NULL DO UPDATE
       SET value = excluded.value, valuemin = excluded.valuemin,
           valuemax = excluded.valuemax, percent = excluded.percent,
           message = excluded.message, status = excluded.status,
           stage = excluded.stage, date = excluded.date
)
SELECT s.kind, s.message FROM queue_job_signal s
 WHERE s.job_id = %(job_id)s AND s.claim_token = %(token)s
 ORDER BY s.id LIMIT 1
"""

_runs: dict[tuple[str, str], Run] = {}
#: The run of each thread, for code that has no environment.
_of_thread = threading.local()


class Run:
    """One attempt of one job in this process."""

    def __init__(self, job) -> None:
        self.job = job
        self.progress = Progress()
        self.began = time.monotonic()
        self._throttle = Throttle()
        self._held_back = False
        self._heard = self.began
        self._stack = contextlib.ExitStack()
        self._env: api.Environment | None = None
        self._bus: BusConnection | None = None

    # -- reports -------------------------------------------------------------------

    def report(self, **values: Any) -> None:
        """Take a report, and send it unless there were too many of late."""
        self.progress.update(**values)
        if self._throttle.allows(time.monotonic()):
            self._held_back = False
            self._obey(self._send())
        else:
            self._held_back = True

    def check(self) -> None:
        """Raise what somebody has asked of the job; asked a few times a second."""
        if time.monotonic() - self._heard >= LISTEN_SECONDS:
            self._obey(self._ask())

    def close(self) -> None:
        """Send what was held back, and give the connection back."""
        try:
            if self._held_back:
                self._send()
        finally:
            self._env = None
            with contextlib.suppress(psycopg2.Error):
                self._stack.close()

    def _send(self) -> tuple[str, str] | None:
        """Store and send the progress; return what was said to the job."""
        values = self.progress.values()
        self._heard = time.monotonic()
        try:
            env = self._environment()
            env.cr.execute(REPORT, {**values, **self._ids()})
            said = env.cr.fetchone()
            user = env["res.users"].browse(self.job.user_id)
            user._bus_send(MESSAGE_TYPE, {"uuid": self.job.uuid, **values})
            self._commit(env)
        except Exception as error:
            self._give_up(error)
            return None
        return said

    def _ask(self) -> tuple[str, str] | None:
        self._heard = time.monotonic()
        try:
            env = self._environment()
            ids = self._ids()
            env.cr.execute(claims.READ_SIGNAL, {**ids, "id": ids["job_id"]})
            said = env.cr.fetchone()
        except Exception as error:
            self._give_up(error)
            return None
        return said and said[:2]

    def _ids(self) -> dict[str, int | None]:
        return {"job_id": self.job.id, "token": self.job.claim_token}

    def _obey(self, said: tuple[str, str] | None) -> None:
        if said is None:
            return
        kind, message = said
        if kind == "timeout":
            raise JobTimeout(message or "", limit_seconds=self.job.timeout)
        raise JobCancelled(message or "Cancelled while it was running")

    # -- the connection ------------------------------------------------------------

    def _environment(self) -> api.Environment:
        if config["test_enable"]:
            return self.job.env(user=SUPERUSER_ID, su=True)
        if self._env is None:
            cr = self._stack.enter_context(
                contextlib.closing(self.job.env.registry.cursor())
            )
            self._stack.enter_context(autocommit(cr))
            self._bus = BusConnection()
            self._stack.callback(self._bus.close)
            self._env = api.Environment(cr, SUPERUSER_ID, {})
        return self._env

    def _commit(self, env: api.Environment) -> None:
        if not config["test_enable"]:
            self._bus.commit(env.cr)

    def _give_up(self, error: Exception) -> None:
        """A report that is lost must not make the job fail."""
        if config["test_enable"]:
            raise error
        _logger.warning("job %s: a report was lost: %s", self.job.uuid, error)
        self._env = None
        stack, self._stack = self._stack, contextlib.ExitStack()
        with contextlib.suppress(psycopg2.Error):
            stack.close()


# -- what the worker and the jobs call ------------------------------------------


@contextlib.contextmanager
def running(job) -> Iterator[Run]:
    """Note that this process runs the job, until the end of the block."""
    key = (job.env.cr.dbname, job.uuid)
    run = _runs[key] = Run(job)
    outer, _of_thread.run = getattr(_of_thread, "run", None), run
    try:
        yield run
    finally:
        _of_thread.run = outer
        _runs.pop(key, None)
        try:
            run.close()
        except Exception:
            _logger.warning("job %s: its last report was lost", job.uuid, exc_info=True)


def current_run(env) -> Run | None:
    """Return the run of the job in which this environment is used, if any."""
    uuid = env.context.get("job_uuid")
    return _runs.get((env.cr.dbname, uuid)) if uuid else None


def report(env: api.Environment | None, **values: Any) -> None:
    """Report progress from inside a job; nothing happens anywhere else.

    :param env: that of the job, None for the job that this thread runs
    """
    run = getattr(_of_thread, "run", None) if env is None else current_run(env)
    if run is not None:
        run.report(**values)
