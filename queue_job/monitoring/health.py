# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why jobs do not run: from facts to problems, the worst first.

`health_problems` is a pure function. The facts are gathered, and the problems put into
words, by the model `queue.job.dashboard`; the web client shows them as a banner.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

#: Seconds after which a runner that gave no sign is taken for dead.
RUNNER_SILENCE = 15

#: Seconds that jobs may wait before somebody should know.
LONG_WAIT = 600

DANGER, WARNING = "danger", "warning"

#: What a runner may note: why it holds all jobs back (`jobrunner.leadership`), or
#: why its leases are not run (`jobrunner.dispatch.refusals`).
NOTES = {
    "copy": DANGER,
    "secret": DANGER,
    "drained": DANGER,
    "modules": WARNING,
    "unreachable": DANGER,
    "refused": DANGER,
    "password": DANGER,
    "redirected": DANGER,
    "missing": DANGER,
    "error": DANGER,
    "broken": WARNING,
}


class Facts(NamedTuple):
    """What is known of the queue of one database."""

    ready: int = 0
    """jobs that could run now"""
    oldest_wait: float = 0
    """seconds since the oldest of them could run"""
    oldest_channel: str = ""
    """its channel"""
    runner_age: float | None = None
    """seconds since the last sign of a runner; None: there never was one"""
    runner_note: str = ""
    """what keeps its jobs from running: a key of `NOTES`, and maybe ": reason" """
    runner_listening: bool = True
    """notifications arrive at the runner"""
    server_wide: bool = True
    """this server loads the addon at its start"""
    enabled: bool = True
    """the configuration lets a runner start"""
    config_error: str = ""
    """what is wrong with the configuration"""
    root_paused: bool = False
    paused: tuple[str, ...] = ()
    """other paused channels in which jobs wait"""
    trigger: bool = True
    """a new job notifies the runner"""
    capacity: int | None = 1
    """jobs that may run at once, None for no limit"""
    workers: int = 0
    """HTTP workers of this server, 0 when it is threaded"""
    job_workers: int = 0
    """jobs that the job workers of this server run at once; 0 without any"""


class Problem(NamedTuple):
    """One problem: a code which has a text, its weight, and the values of the text."""

    code: str
    level: str
    values: dict[str, Any] = {}


def health_problems(facts: Facts) -> list[Problem]:
    """Return what keeps jobs from running, or slows them down, the worst first."""
    problems = [
        *_runner_problems(facts),
        *_hold_problems(facts),
        *_capacity_problems(facts),
    ]
    if not any(problem.level == DANGER for problem in problems):
        problems += _wait_problems(facts)
    return sorted(problems, key=lambda problem: problem.level != DANGER)


def is_alive(runner_age: float | None) -> bool:
    """Whether a runner gave a sign of life lately."""
    return runner_age is not None and runner_age <= RUNNER_SILENCE


def _runner_problems(facts: Facts) -> list[Problem]:
    """Nobody schedules jobs: the first reason that explains it."""
    if is_alive(facts.runner_age):
        return []
    if facts.config_error:
        return [Problem("config_error", DANGER, {"error": facts.config_error})]
    if not facts.enabled:
        return [Problem("disabled", DANGER)]
    if not facts.server_wide:
        return [Problem("not_server_wide", DANGER)]
    if facts.runner_age is None:
        return [Problem("no_runner", DANGER)]
    return [Problem("runner_lost", DANGER, {"seconds": round(facts.runner_age)})]


def _hold_problems(facts: Facts) -> list[Problem]:
    """A runner lives, but its jobs are held back, or nobody runs them."""
    problems = []
    note, _colon, reason = facts.runner_note.partition(": ")
    if is_alive(facts.runner_age) and note in NOTES:
        problems.append(Problem(note, NOTES[note], {"reason": reason}))
    if facts.root_paused:
        problems.append(Problem("paused", DANGER))
    elif facts.paused:
        names = ", ".join(facts.paused)
        problems.append(Problem("channels_paused", WARNING, {"channels": names}))
    return problems


def _capacity_problems(facts: Facts) -> list[Problem]:
    problems = []
    if not facts.trigger:
        problems.append(Problem("no_trigger", WARNING))
    elif is_alive(facts.runner_age) and not facts.runner_listening:
        problems.append(Problem("deaf", WARNING))
    return problems + _worker_problems(facts)


def _worker_problems(facts: Facts) -> list[Problem]:
    """More jobs may start than workers can run; the users' share of them."""
    capacity = inf if facts.capacity is None else facts.capacity
    if facts.job_workers:
        code, workers, most = "few_job_workers", facts.job_workers, facts.job_workers
    else:
        code, workers, most = "few_workers", facts.workers, facts.workers - 1
    if not workers or capacity <= most:
        return []
    shown = "∞" if facts.capacity is None else facts.capacity
    return [Problem(code, WARNING, {"capacity": shown, "workers": workers})]


def _wait_problems(facts: Facts) -> list[Problem]:
    if not facts.ready or facts.oldest_wait < LONG_WAIT:
        return []
    values = {
        "minutes": int(facts.oldest_wait // 60),
        "channel": facts.oldest_channel or "root",
    }
    return [Problem("long_wait", WARNING, values)]
