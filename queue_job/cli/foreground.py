# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run jobs in this process: for the command line, and for a debugger.

The jobs go through the code of the workers, fenced and locked as there, so that a
runner which is at work beside takes none of them twice. Channels and their capacity
play no part: one job after the other. Jobs of a channel pass the gate of their key; who
names a job has it run now, whatever its date and its key.
"""

from __future__ import annotations

import pdb
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from odoo import SUPERUSER_ID, api

from ..claim.claims import UTC_NOW, next_token
from ..controllers.main import RunJobController
from ..jobrunner.session.queries import AFFAIRS, PROMOTE
from ..keys import admission
from ..sessions.job_session import session_of_one
from ..sessions.transactions import autocommit
from ..worker import attempt
from ..worker.process_state import ProcessState

#: What is said of a job that could not be taken.
NOT_RUN = "not run"

#: Jobs are taken one by one, so that the others stay where everybody finds them.
TAKE = f"""
UPDATE queue_job
   SET state = 'enqueued', date_enqueued = {UTC_NOW}, date_started = NULL,
       worker_pid = NULL, lease_id = NULL, claim_token = {next_token("claim_token")}
 WHERE id = (
       SELECT id FROM queue_job
        WHERE state = 'pending' AND %(condition)s
        ORDER BY priority, date_created, id LIMIT 1
          FOR NO KEY UPDATE SKIP LOCKED)
RETURNING uuid
"""
TAKE_ONE = TAKE % {"condition": "uuid = %s"}
TAKE_NEXT = TAKE % {
    "condition": f"channel = %s AND (eta IS NULL OR eta <= {UTC_NOW})"
    " AND (gate IS NULL OR gate_state = 'open')"
}


def run_jobs(
    registry,
    *,
    uuids: list[str] | None = None,
    channel: str | None = None,
    limit: int | None = None,
    debug: bool = False,
) -> Iterator[tuple[str, str]]:
    """Run pending jobs; yield the uuid and the state of each.

    :param uuids: these, whatever their date; or else
    :param channel: all of this channel that are due
    :param debug: open a debugger where a job raises an exception
    """
    if uuids:
        for uuid in uuids[:limit]:
            taken = _take(registry, TAKE_ONE, uuid)
            yield uuid, run_job(registry, uuid, debug=debug) if taken else NOT_RUN
        return
    count = 0
    while (limit is None or count < limit) and (uuid := _take_next(registry, channel)):
        count += 1
        yield uuid, run_job(registry, uuid, debug=debug)


def run_job(registry, uuid: str, *, debug: bool = False) -> str:
    """Run a job that was taken; return its state after that."""
    with _environment(registry) as env:
        with session_of_one(env.cr, uuid):
            job = RunJobController._acquire_job(env, uuid)
            if job is None:
                return NOT_RUN
            try:
                attempt.alone(RunJobController._runjob, env, job, ProcessState())
            except Exception:  # settled and logged
                if debug:
                    pdb.post_mortem(sys.exc_info()[2])
        return job.state


def _take_next(registry, channel: str) -> str | None:
    """Take the next job of a channel, after what has a key has passed the gate."""
    with registry.cursor() as cr:
        cr.execute(AFFAIRS)
        _obstacle, seconds, keys_to_judge = cr.fetchone()
        if keys_to_judge or (seconds is not None and seconds <= 0):
            with autocommit(cr):
                cr.execute(PROMOTE)
                admission.admit_marked(cr)
    return _take(registry, TAKE_NEXT, channel)


def _take(registry, query: str, value: str) -> str | None:
    with registry.cursor() as cr:
        cr.execute(query, (value,))
        row = cr.fetchone()
        return row[0] if row else None


@contextmanager
def _environment(registry) -> Iterator[api.Environment]:
    with registry.cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})
