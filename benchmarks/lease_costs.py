# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One lease in this process, without a server: what its jobs cost in CPU.

It is imported by `driver`, in a process of our side, and looks into the addon: what
each of `stages.STAGES` spends is measured by wrapping its functions.
"""

import functools
import importlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from stages import STAGES

# a lease that goes on until there are no jobs left
_LONG = 600.0
_TRIALS = 20_000


class Stopwatch:
    """CPU of this thread by stage; a stage inside of another stops that one's watch."""

    def __init__(self) -> None:
        self._spent: dict[str, int] = defaultdict(int)  # nanoseconds
        self._entered: Counter[str] = Counter()
        self._left_for: Counter[str] = Counter()  # by the stage around them
        self._running = ["rest"]
        self._since = time.thread_time_ns()

    def _switch(self) -> None:
        now = time.thread_time_ns()
        self._spent[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, function: Callable) -> Callable:
        """The function, whose time is that of the stage."""

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            self._switch()
            self._left_for[self._running[-1]] += 1
            self._entered[stage] += 1
            self._running.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        return wrapper

    def seconds(self) -> dict[str, float]:
        """The time of each stage, without what the watch itself has taken there."""
        self._switch()
        inside, around = _price()
        return {
            stage: 1e-9
            * (spent - inside * self._entered[stage] - around * self._left_for[stage])
            for stage, spent in self._spent.items()
        }


@functools.cache
def _price() -> tuple[float, float]:
    """What a stage costs itself and the one around it, in nanoseconds."""
    watch = Stopwatch()
    nothing = watch.timed("inside", lambda: None)
    for _ in range(_TRIALS):
        nothing()
    watch._switch()
    return watch._spent["inside"] / _TRIALS, watch._spent["rest"] / _TRIALS


def find(path: str) -> tuple[object, str]:
    """What owns a function of `STAGES`, and the function's name there."""
    module, _colon, name = path.partition(":")
    if not module.startswith("odoo."):
        module = f"odoo.addons.queue_job.{module}"
    owner: object = importlib.import_module(module)
    *classes, name = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    return owner, name


@contextmanager
def watching(watch: Stopwatch) -> Iterator[None]:
    """Let the functions of all stages be timed, in the block."""
    with ExitStack() as stack:
        for stage in STAGES:
            for path in stage.functions:
                owner, name = find(path)
                original = getattr(owner, name)
                stack.callback(setattr, owner, name, original)
                setattr(owner, name, watch.timed(stage.title, original))
        yield


def run_lease(registry, job_id: int, runner: str, *, by_stage: bool) -> dict:
    """Run all jobs of the root channel in one lease.

    :param job_id: the job that was claimed for the lease, by claim 1
    :param runner: uuid of the runner that leads
    :param by_stage: time the stages, which takes time itself
    """
    from odoo.addons.queue_job.claim.lease import Lease
    from odoo.addons.queue_job.controllers.main import RunJobController
    from odoo.addons.queue_job.sessions.transactions import autocommit
    from odoo.addons.queue_job.worker.control_session import ControlSession
    from odoo.addons.queue_job.worker.lease_run import LeaseRun

    lease = Lease(
        id=77,
        database=registry.db_name,
        job_id=job_id,
        claim_token=1,
        channel="root",
        channels=["root"],
        seconds=_LONG,
        longest=_LONG,
        issued=time.time(),
        runner=runner,
    )
    watch = Stopwatch()
    with registry.cursor() as cr, autocommit(cr):
        control = ControlSession(cr, lease.id, runner)
        with watching(watch) if by_stage else ExitStack():
            run = LeaseRun(registry, control, lease, RunJobController._runjob)
            start, cpu = time.perf_counter(), time.process_time()
            outcomes = run.run()["outcomes"]
            cpu = time.process_time() - cpu
            seconds = time.perf_counter() - start
    return {
        "jobs": len(outcomes),
        "states": sorted({outcome["state"] for outcome in outcomes}),
        "seconds": seconds,
        "cpu": cpu,
        "stages": watch.seconds(),
    }
