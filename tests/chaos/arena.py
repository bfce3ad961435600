# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A fight: jobs, servers, what was done to them, and the verdict.

Each job takes a moment, writes one row under a unique constraint and notes its start
and end in a journal outside of the database (:mod:`.journal`). So the verdict knows

- *lost*: jobs that are not done, or done without their row;
- *doubled*: rows of jobs that are not done, and jobs that ran into the constraint;
- the most that ran at once, to be held against the capacity;
- the worst gap: the longest time without any start while there was work, and the
  longest time until an interrupted job ran again. The time in which
  PostgreSQL was down (:meth:`Arena.outage`) does not count.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from setup.console import SetupError
from setup.stack import Stack
from tests.harness import journal
from tests.harness.database import FINAL, Database
from tests.harness.rpc import PROBE
from tests.harness.server import Server
from tests.harness.waiting import wait_for

from .cluster import ThrowawayCluster

CAPACITY = 4
#: Seconds that a job takes, at least and at most.
LENGTHS = (0.05, 0.35)
PATIENCE_SECONDS = 90.0
#: Never in the log, whatever happens to the runner.
FORBIDDEN_LOG = "error in the runner"


@dataclass
class Verdict:
    scenario: str
    jobs: int
    lost: int
    doubled: int
    gap: float
    most: int
    seconds: float
    bound: float
    failed: int = 0
    attempts: int = 0

    HEAD = (
        f"{'scenario':46} {'jobs':>5} {'runs':>5} {'lost':>5} {'doubled':>8}"
        f" {'worst gap':>10} {'bound':>6} {'capacity kept':>14} {'in':>7}"
    )

    def __str__(self) -> str:
        kept = "yes" if self.most <= CAPACITY else f"NO: {self.most}"
        return (
            f"{self.scenario:46} {self.jobs:5} {self.attempts:5} {self.lost:5}"
            f" {self.doubled:8} {self.gap:8.2f} s {self.bound:4.0f} s {kept:>14}"
            f" {self.seconds:5.1f} s"
        )


@dataclass
class Arena:
    """One scenario on a database of its own."""

    stack: Stack
    cluster: ThrowawayCluster
    db: Database
    directory: Path
    jobs: int
    report: Callable[[Verdict], None]
    servers: list[Server] = field(default_factory=list)
    uuids: list[str] = field(default_factory=list)
    kills: list[tuple[int, float]] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)

    # -- actors --------------------------------------------------------------------

    def server(self, workers: int = 4, **options) -> Server:
        """Start a server whose runner is ready, if ``runner`` is not False."""
        options.setdefault("channels", f"root:{CAPACITY}")
        place = self.directory / f"server-{len(self.servers) + 1}"
        server = Server(
            self.stack, place, options.pop("db", self.db), workers=workers, **options
        )
        self.servers.append(server)
        return server.start()

    def enqueue(self, server: Server, count: int | None = None, **options) -> list[str]:
        """Delay the jobs, all in one transaction."""
        uuids = server.client().call(
            PROBE,
            "delay_marks",
            count or self.jobs,
            str(self.journal_path),
            *LENGTHS,
            options,
        )
        self.uuids += uuids
        return uuids

    @property
    def journal_path(self) -> Path:
        return self.directory / "journal"

    def attempts(self) -> list[journal.Attempt]:
        return journal.read(self.journal_path)

    # -- what is done to them --------------------------------------------------------

    def kill(self, *pids: int) -> None:
        """SIGKILL, as by the kernel's out-of-memory killer."""
        for pid in pids:
            self.kills.append((pid, time.monotonic()))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                self.kills.pop()

    def kill_server(self, server: Server) -> None:
        """A machine that loses its power."""
        self.kill(*[process.pid for process in server.processes()])
        server.kill()

    def kill_busy_worker(self, server: Server) -> None:
        busy = {each.pid for each in self.attempts() if each.end is None}
        pids = [pid for pid in server.http_pids() if pid in busy]
        if pids:
            self.kill(random.choice(pids))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """What happens inside is nobody's fault: it doesn't count as a gap."""
        begin = time.monotonic()
        yield
        self.outages.append((begin, time.monotonic()))

    @contextmanager
    def every(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Do something again and again while the block runs."""
        over = threading.Event()
        errors = []

        def repeat():
            try:
                while not over.wait(seconds):
                    act()
            except Exception as error:  # told to the test, which runs in another thread
                errors.append(error)

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not errors, errors

    # -- waiting -------------------------------------------------------------------

    def wait_done(self, share: float = 1.0, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a share of the jobs is settled, whatever PostgreSQL does."""
        wait_for(
            self._settled_share,
            f"{share:.0%} of {len(self.uuids)} jobs settled",
            until=lambda settled: settled >= share,
            seconds=seconds,
        )

    def _settled_share(self) -> float:
        try:
            states = self.db.states(self.uuids)
        except (psycopg2.Error, SetupError):
            self.db.close()
            return 0.0
        return sum(states.get(state, 0) for state in FINAL) / len(self.uuids)

    # -- the verdict -----------------------------------------------------------------

    def verdict(self, scenario: str, bound: float, *, failed: int = 0) -> Verdict:
        """Report what came of it, and fail if that isn't what was promised.

        :param bound: the worst gap that is allowed, in seconds
        :param failed: how many jobs fail because the scenario wants it
        """
        attempts = self.attempts()
        journal.bury(attempts, self.kills)
        verdict = Verdict(
            scenario,
            len(self.uuids),
            *self._lost_and_doubled(failed),
            gap=max(
                journal.worst_silence(attempts, self.outages),
                journal.worst_return(attempts, self.outages),
            ),
            most=journal.most_at_once(attempts),
            seconds=attempts[-1].end - attempts[0].start,
            bound=bound,
            attempts=len(attempts),
        )
        self.report(verdict)
        self._judge(verdict)
        return verdict

    def _lost_and_doubled(self, failed: int) -> tuple[int, int]:
        rows = self.db.column("SELECT mark FROM test_queue_job_probe")
        done = self.db.column("SELECT uuid FROM queue_job WHERE state = 'done'")
        twice = self.db.value(
            "SELECT count(*) FROM queue_job WHERE exc_info LIKE '%%mark_uniq%%'"
        )
        lost = len(set(self.uuids) - (set(done) & set(rows))) - failed
        return lost, len(rows) - len(set(rows)) + len(set(rows) - set(done)) + twice

    def _judge(self, verdict: Verdict) -> None:
        if verdict.lost:
            unfinished = self.db.rows(
                "SELECT uuid, state, retry, exc_name, exc_message FROM queue_job"
                " WHERE uuid = ANY(%s) AND state <> 'done' LIMIT 5",
                self.uuids,
            )
            raise AssertionError(f"{verdict.lost} lost, among them {unfinished}")
        assert verdict.doubled == 0, f"{verdict.doubled} doubled"
        assert verdict.most <= CAPACITY, f"{verdict.most} ran at once"
        assert verdict.gap < verdict.bound, f"a gap of {verdict.gap:.2f} s"
        logs = [str(s.log) for s in self.servers if FORBIDDEN_LOG in s.text()]
        assert not logs, f"{FORBIDDEN_LOG!r} stands in {logs}"
