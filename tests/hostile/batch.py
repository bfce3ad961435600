# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Runs many cells on one server at once, and judges each.

The jobs of a cell are enqueued in one transaction into a channel of their own with a
capacity of one: so a lease runs them one after the other, and nobody else's between
them. In the first phase nobody interrupts; then follow the cells with interruptions,
those that harm their process, and those for which the runner dies.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil

from setup.console import SetupError
from setup.odoo_log import LogRecord, stray
from tests.harness import journal
from tests.harness.database import FINAL
from tests.harness.server import Server
from tests.harness.waiting import wait_for

from .cells import AFTER, BEFORE, HOSTILE, Cell
from .classic import ClassicRunner
from .facts import JobFacts, collect
from .interrupter import Interrupter
from .judge import Verdict, judge
from .table import CLASSIC, FAILOVER, NONE, Behaviour, done

MODEL = "test.queue.job.hostile"
#: Cells enqueued by one call.
CHUNK = 50
#: When nothing has happened for so long, nothing will, in seconds.
STALL_SECONDS = 25.0
#: Between two looks at what is left, and for a phase at most.
LOOK_SECONDS, PHASE_SECONDS = 0.5, 900
#: What is due later than this doesn't run before the verdict, in seconds.
FAR_SECONDS = 30

UNSETTLED = f"""
SELECT count(*) FROM queue_job
 WHERE channel LIKE 'root.c%%.c%%' AND state <> ALL(%s)
   AND NOT (state = 'pending' AND coalesce(
            eta > now() AT TIME ZONE 'UTC' + interval '{FAR_SECONDS} s', false))
"""
CHANNELS = """
INSERT INTO queue_job_channel (name, complete_name, parent_id, capacity, paused,
                               removal_interval)
SELECT split_part(names.name, '.', 3), names.name, parent.id, 1, false, 30
  FROM unnest(%s::text[]) AS names(name)
  JOIN queue_job_channel parent
    ON parent.complete_name = regexp_replace(names.name, '[.][^.]+$', '')
"""
PARAMETERS = """
INSERT INTO ir_config_parameter (key, value) SELECT unnest(%s::text[]), 'old'
"""
PHASES = ("calm", "quiet", "interrupted", "failover", "wild", "forked")
CALM = Behaviour("calm", done(), "work")


def _phase_of(cell: Cell) -> str:
    if cell.behaviour.wild:  # a forked process may hold sessions that others had
        return "forked" if cell.behaviour.does == "fork" else "wild"
    if cell.interruption == NONE:
        return "quiet"
    return "failover" if cell.interruption == FAILOVER else "interrupted"


class Batch:
    """The cells of one server.

    :param server: with several job slots, see the fixtures
    """

    def __init__(
        self, server: Server, cells: Sequence[Cell], say: Callable[[str], None]
    ):
        self.server = server
        self.db = server.db
        self.cells = cells
        self.say = say
        self.journal_path = server.directory.parent / f"journal-{server.directory.name}"
        self.journal_path.write_text("")
        self.uuids: dict[str, list[str]] = {}  # of the jobs of each cell
        self.kills: list[tuple[int, float]] = []
        self.errors: list[Exception] = []
        self.nobodys_log: list[LogRecord] = []
        self.facts: dict[str, list[JobFacts]] = {}
        self.verdicts: dict[str, Verdict] = {}

    # -- running -------------------------------------------------------------------

    def run(self) -> None:
        """Run all cells, and judge them."""
        self._prepare()
        for name, cells in self._phases():
            if cells:
                started = time.monotonic()
                try:
                    self._run_phase(sorted(cells, key=lambda c: -c.behaviour.lasts))
                except SetupError as error:  # the server is gone: judge what there is
                    self.errors.append(error)
                seconds = time.monotonic() - started
                self.say(f"{name}: {len(cells)} cells in {seconds:.0f} s")
        self._judge()

    def _phases(self) -> list[tuple[str, list[Cell]]]:
        phases = {name: [] for name in PHASES}
        phases["calm"] += self._calm_cells()
        for cell in self.cells:
            phases[_phase_of(cell)].append(cell)
        return list(phases.items())

    def _calm_cells(self) -> Iterable[Cell]:
        """What neighbours look like when nobody is hostile, in a lease and without."""
        name = self.server.directory.name
        for number, position in enumerate(("lease_middle", CLASSIC), 1):
            yield Cell(name, position, "plain", CALM, NONE, -number)

    def _prepare(self) -> None:
        """The channels and the system parameters of the cells."""
        cells = [*self._calm_cells(), *self.cells]
        channels = self.server.client()
        root = self.db.value(
            "SELECT id FROM queue_job_channel WHERE complete_name = 'root'"
        )
        for name, paused in {"cells": False, "classic": True}.items():
            values = {"name": name, "parent_id": root, "paused": paused}
            channels.call("queue.job.channel", "create", [values])
        names = [cell.channel for cell in cells]
        self.db.rows(CHANNELS, names)
        self.db.rows(PARAMETERS, names)

    def _run_phase(self, cells: Sequence[Cell]) -> None:
        with Interrupter(self.server, self.journal_path, self._victims) as interrupter:
            self._enqueue(cells)
            classic = [
                self.uuids[cell.id] for cell in cells if cell.position == CLASSIC
            ]
            runner = ClassicRunner(self.server)
            thread = threading.Thread(target=runner.run, args=(classic,), daemon=True)
            thread.start()
            self._wait()
            thread.join(STALL_SECONDS)
        self.kills += interrupter.kills
        self.errors += interrupter.errors

    @property
    def _victims(self) -> dict[str, Cell]:
        """The jobs to interrupt; filled while the phase runs."""
        return self.__dict__.setdefault("_victims_by_uuid", {})

    def _enqueue(self, cells: Sequence[Cell]) -> None:
        client = self.server.client()
        for start in range(0, len(cells), CHUNK):
            chunk = cells[start : start + CHUNK]
            wanted = [
                {
                    "channel": cell.channel,
                    "jobs": [job for _role, job in cell.jobs()],
                }
                for cell in chunk
            ]
            answers = client.call(MODEL, "enqueue", wanted, str(self.journal_path))
            for cell, uuids in zip(chunk, answers, strict=True):
                self.uuids[cell.id] = uuids
                for (role, _job), uuid in zip(cell.jobs(), uuids, strict=True):
                    if role == HOSTILE and cell.interruption != NONE:
                        self._victims[uuid] = cell

    def _wait(self) -> None:
        """Until all is settled, or nothing happens any more."""
        seen, since, looked = None, time.monotonic(), 0.0

        def is_over() -> bool:
            nonlocal seen, since, looked
            now = time.monotonic()
            if now - looked < LOOK_SECONDS:
                return False
            left, looked = self.db.value(UNSETTLED, list(FINAL)), now
            state = left, self.journal_path.stat().st_size
            if state != seen:
                seen, since = state, now
            return not left or now > limit or now - since > STALL_SECONDS

        limit = since + PHASE_SECONDS
        wait_for(is_over, "the end of a phase", seconds=2 * PHASE_SECONDS)

    # -- the verdicts ----------------------------------------------------------------

    def _judge(self) -> None:
        roles = {}
        cells = [*self._calm_cells(), *self.cells]
        for cell in cells:
            self.uuids.setdefault(cell.id, [])
            names = [role for role, _job in cell.jobs()]
            roles |= zip(self.uuids[cell.id], names, strict=False)
        attempts = journal.read(self.journal_path)
        journal.bury(attempts, self.kills)
        records = self.server.records()
        facts, self.nobodys_log = collect(self.db, roles, attempts, records)
        for uuid, name in self._processes().items():
            if uuid in facts:
                facts[uuid].processes.append(name)
        self.facts = {
            cell.id: [facts[uuid] for uuid in self.uuids[cell.id]] for cell in cells
        }
        calm = self.calm
        for cell in self.cells:
            self.verdicts[cell.id] = judge(cell, self.facts[cell.id], calm)

    @property
    def calm(self) -> list[dict]:
        """What the jobs found that had no hostile neighbour."""
        found = [job.details for c in self._calm_cells() for job in self.facts[c.id]]
        return [details for details in found if details]

    def _processes(self) -> dict[str, str]:
        """The processes that bear the uuid of a job as their name."""
        found = {}
        for process in psutil.process_iter():
            try:
                line = process.cmdline()
            except psutil.Error:
                continue
            if len(line) == 2 and line[0] in self._victims:
                found[line[0]] = f"{process.pid} {line}"
        return found

    def stray_log(self) -> list[LogRecord]:
        """Alarming records that name no job and that no cell has announced."""
        patterns = {
            pattern
            for cell in self.cells
            for right in cell.rights
            for pattern in right.log
        }
        return stray(self.nobodys_log, [*patterns, *SERVER_LOG])

    @property
    def shared_sessions(self) -> tuple[int, int]:
        """How many neighbours after a hostile job had the session of those before it,
        and how many there were."""
        pairs = [
            (found[BEFORE], found[AFTER])
            for cell in self.cells
            if cell.position != CLASSIC
            for found in [
                {j.role: j.details["backend"] for j in self.facts[cell.id] if j.details}
            ]
            if found.keys() >= {BEFORE, AFTER}
        ]
        return sum(before == after for before, after in pairs), len(pairs)


#: What a server says when workers and sessions die.
SERVER_LOG = (
    r"connection of lease",
    r"nothing in flight",
    r"no worker takes",
    r"dead job|found dead",
    r"its session is ended",
    r"ends without its worker",
    r"Worker .* (unregistered|timeout|died)",
    r"database lost|has lost the lead|Leader|leader",
    r"terminating connection",
    r"odoo\.http: Exception during request handling",  # the classic request fails
    r"odoo\.http: raised by the method",  # by an error that Odoo shows to users
    r"odoo\.http: You cannot deactivate the user",  # another of them
)


def remove_strays(server: Server) -> None:
    """End what was forked and has left the server's tree of processes."""
    group = server.process.pid
    server.stop()
    for process in server._orphans():
        server._signal(process, 9)
    shutil.rmtree(Path(server.directory) / "data", ignore_errors=True)
    wait_for(lambda: not server._orphans(), f"session {group} empty")
