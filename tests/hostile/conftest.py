# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The batches, one for each server: run when the first of their cells is asked for, and
only for the cells that are. The counts are printed at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from setup import cache
from tests.harness.fixtures import (
    database_maker,
    make_log_directory,
    server_maker,
    stack,
)

from .batch import Batch, remove_strays
from .table import SERVERS, THREADED, THREADS

__all__ = ["stack"]

#: Workers and job slots of each server: most jobs of this table sleep.
WORKERS, SLOTS = 8, 6
SECTIONS = {THREADS: {"queue_job": {"workers": "1", "threads": str(SLOTS)}}}
BATCHES: dict[str, Batch] = {}
LINES: list[str] = []


@pytest.fixture(scope="session")
def batches(request, stack) -> Iterator[dict[str, Batch]]:
    """server -> its batch, which has run."""
    wanted = [
        item.callspec.params["cell"]
        for item in request.session.items
        if "cell" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    directory = make_log_directory("hostile")
    for kind in (*SERVERS, THREADS):
        cells = [cell for cell in wanted if cell.server == kind]
        if cells:
            BATCHES[kind] = _run(request, stack, directory, kind, cells)
    yield BATCHES


def _run(request, stack, directory, kind, cells) -> Batch:
    workers = 0 if kind == THREADED else WORKERS
    with database_maker(stack) as make, server_maker(stack, directory, make()) as start:
        server = start(
            workers,
            place=kind,
            channels=f"root:{SLOTS}" + ":threads" * (kind == THREADS),
            options={"db_maxconn": "40"},
            sections=SECTIONS.get(kind),
        )
        server.expect_log(".*")  # the batch looks at the log itself
        server.wait_runner()
        batch = Batch(server, cells, lambda line: _say(request, f"{kind}: {line}"))
        try:
            batch.run()
        finally:
            remove_strays(server)
    return batch


def _say(request, line: str) -> None:
    """Show what is going on, for it takes minutes; and again at the end."""
    LINES.append(line)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"  {line}\n")
        sys.stdout.flush()


def pytest_terminal_summary(terminalreporter) -> None:
    if not BATCHES:
        return
    lines = [*LINES, HEAD]
    for kind, batch in BATCHES.items():
        verdicts = list(batch.verdicts.values())
        lines.append(_line(kind, verdicts))
        same, pairs = batch.shared_sessions
        lines.append(f"{kind}: {same} of {pairs} neighbours shared one session")
    terminalreporter.section("hostile")
    for line in lines:
        terminalreporter.line(line)
    (cache.LOGS / "hostile.txt").write_text("\n".join(lines) + "\n")


HEAD = (
    f"{'server':10} {'cells':>6} {'wrong':>6} {'jobs':>6} {'runs':>6} {'lost':>5}"
    f" {'committed twice':>16} {'overlapping':>12} {'false deaths':>13}"
)


def _line(kind, verdicts) -> str:
    def total(name):
        return sum(getattr(verdict, name) for verdict in verdicts)

    wrong = sum(bool(verdict.problems) for verdict in verdicts)
    return (
        f"{kind:10} {len(verdicts):6} {wrong:6} {total('jobs'):6} {total('runs'):6}"
        f" {total('lost'):5} {total('doubled'):16} {total('overlapping'):12}"
        f" {total('false_deaths'):13}"
    )
