# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Drain databases before a deployment: nothing starts any more, running jobs end.

A system parameter of the database says so, which holds for all of its servers and
outlasts their restart; the pauses of the channels stay what they are. From its commit
on no statement claims a job: `claim.claims.LEADS` asks the row of the runner.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import NamedTuple

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry

from ..claim.claims import DRAIN_RUNNERS, DRAINED_BY, NOTIFY, seconds_since
from .commands import OK, PROBLEM, Console

#: Seconds between two looks at what runs: nobody is told of the end of a job.
INTERVAL = 0.5

#: Looks after which nothing is left that was claimed in the moment of the commit.
LOOKS = 2

RUNNING = f"""
SELECT uuid, channel, state, worker_host, worker_pid,
       coalesce({seconds_since("coalesce(date_started, date_enqueued)")}, 0) AS seconds
  FROM queue_job WHERE state IN ('enqueued', 'started')
 ORDER BY date_enqueued, id
"""


class Drained(NamedTuple):
    """A database, and the jobs that still run in it."""

    registry: Registry
    running: list[dict]


def main(registries: list[Registry], options: Namespace) -> int:
    """Drain databases, or let them start jobs again.

    :param registries: of the databases
    :param options: of the command line: `resume`, or `wait` in seconds, and `json`
    :return: the exit code: 1 if a job still runs when the time is over
    """
    console = Console(as_json=options.json)
    for registry in registries:
        with _environment(registry) as env:
            set_drained(env, not options.resume)
    if options.resume:
        return _say_resumed(registries, console)
    for registry in registries:
        text = "drained: no job starts until odoo-bin queue_job drain --resume"
        console.say(f"{registry.db_name}: {text}")
    left = _wait(registries, options.wait or 0, console)
    return _say_running(left, console) if options.wait is not None else OK


def set_drained(env, drained: bool) -> None:
    """Let no job of a database start, or let them start again.

    :param env: of the superuser; it takes effect with the commit of its transaction
    :param drained: whether no job shall start
    """
    # before the snapshot of the transaction: a heartbeat would be a conflict, and the
    # row of a new runner would not be seen
    env.cr.execute("LOCK TABLE queue_job_runner IN SHARE ROW EXCLUSIVE MODE")
    now = datetime.now(timezone.utc).isoformat(sep=" ", timespec="seconds")
    env["ir.config_parameter"].set_param(DRAINED_BY, drained and now)
    env.flush_all()
    env.cr.execute(DRAIN_RUNNERS, {"drained": drained})
    env.cr.execute(NOTIFY)


def _say_resumed(registries, console) -> int:
    for registry in registries:
        console.say(f"{registry.db_name}: resumed: jobs start")
    names = [registry.db_name for registry in registries]
    console.data([{"database": name, "drained": False} for name in names])
    return OK


def _wait(registries: list[Registry], seconds: float, console) -> list[Drained]:
    """Wait until no job runs, or the time is over; say how many there are meanwhile.

    :param seconds: at most
    :return: what still runs in each database
    """
    deadline = time.monotonic() + seconds
    said: dict[str, int] = {}
    quiet = 0
    while True:
        left = [Drained(registry, _running(registry)) for registry in registries]
        _say_counts(left, said, console)
        quiet = 0 if any(each.running for each in left) else quiet + 1
        if quiet >= LOOKS or time.monotonic() >= deadline:
            return left
        time.sleep(min(INTERVAL, max(0.0, deadline - time.monotonic())))


def _say_counts(left: Iterable[Drained], said: dict[str, int], console) -> None:
    for registry, running in left:
        name = registry.db_name
        if said.get(name) != len(running):
            said[name] = len(running)
            console.say(f"{name}: {len(running)} job(s) running")


def _say_running(left: list[Drained], console) -> int:
    """Name what still runs, and return the exit code."""
    console.data(
        [
            {"database": registry.db_name, "drained": True, "running": running}
            for registry, running in left
        ]
    )
    for registry, running in left:
        for job in running:
            worker = f"{job['worker_host'] or '?'}:{job['worker_pid'] or '?'}"
            console.say(
                f"{registry.db_name}: still {job['state']} for {job['seconds']:.0f} s: "
                f"{job['uuid']} {job['channel']} {worker}"
            )
    return PROBLEM if any(each.running for each in left) else OK


def _running(registry: Registry) -> list[dict]:
    with _environment(registry) as env:
        env.cr.execute(RUNNING)
        return env.cr.dictfetchall()


@contextmanager
def _environment(registry: Registry):
    with registry.cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})
