# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make test``: every check of the repository, and one last line that counts them.

======== ==================================================== =====================
part     what                                                 runs
======== ==================================================== =====================
lint     pre-commit's hooks over all files                    together with the next
unit     pure functions, by pytest                            together
odoo     the addons' tests, by Odoo's runner, fresh database  together
property random histories of claims on PostgreSQL, by pytest  together
e2e      real servers, by pytest                              alone, two at a time
alone    those of e2e that measure what others would add to   alone
chaos    real servers that are killed, cut off and so on      alone, for its clocks
hostile  jobs that do what no job should do, on real servers  alone, for its clocks
======== ==================================================== =====================

``PARTS="unit odoo"`` runs some of them, ``TAGS=/queue_job:TestDelay`` some of Odoo's
(as its ``--test-tags``). A WARNING or ERROR that Odoo logs during its tests counts as a
failure, unless ``tests/tolerated_log.txt`` lists it. Everything printed is kept in
``build/logs/``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from . import browser, cache, database, lint
from .console import Progress, SetupError, last_line, say, step
from .parts import (
    Alone,
    Chaos,
    E2e,
    Hostile,
    Lint,
    Odoo,
    OnServers,
    Part,
    Property,
    Result,
    Unit,
)
from .stack import Stack, open_stack

TOGETHER = ("lint", "unit", "odoo", "property")
ALONE = ("e2e", "alone", "chaos", "hostile")
LIMIT_SECONDS = 2700  # for the parts that run together, and for each of those alone
SHOWN_LINES = 60  # of the log of a part that failed


def main(command: str) -> int:
    started = time.monotonic()
    wanted = os.environ.get("PARTS", "").split() or [*TOGETHER, *ALONE]
    if unknown := set(wanted) - {*TOGETHER, *ALONE}:
        raise SetupError(f"there is no part {', '.join(sorted(unknown))}")
    cache.LOGS.mkdir(parents=True, exist_ok=True)
    total = _run(wanted)
    for process in psutil.Process().children(recursive=True):
        total.fail(f"left running: {process.pid} {process.name()}")
        say(f"  {total.problems[-1]}")
    for problem in total.problems:
        say(f"failed: {problem}")
    for test in total.unsteady:
        say(f"unsteady (failed, then passed): {test}")
    say(f"in {time.monotonic() - started:.0f} s; logs in {cache.LOGS}")
    say(str(total))
    return 1 if total.failed else 0


def _run(wanted: Sequence[str]) -> Result:
    total = Result()
    with open_stack() as stack:
        with _parts(stack, wanted) as parts:
            for names in (TOGETHER, *[(name,) for name in ALONE]):
                _run_together([part for part in parts if part.name in names], total)
    return total


@contextmanager
def _parts(stack: Stack, wanted: Sequence[str]) -> Iterator[list[Part]]:
    """The wanted parts, with what they need prepared."""
    if "lint" in wanted:
        lint.prepare()
    if "odoo" not in wanted:
        yield _plain_parts(stack, wanted)
        return
    say(f"Browser: {browser.find()}")
    with database.temporary(stack.templates.base(), "queue_job_tests") as name:
        yield [*_plain_parts(stack, wanted), Odoo(stack, name)]


def _plain_parts(stack: Stack, wanted: Sequence[str]) -> list[Part]:
    parts = (Lint, Unit, Property, E2e, Alone, Chaos, Hostile)
    kinds = {part.__name__.lower(): part for part in parts}
    return [kind(stack) for name, kind in kinds.items() if name in wanted]


def _run_together(parts: Sequence[Part], total: Result) -> None:
    """Run the parts side by side, report each, add up."""
    if not parts:
        return
    _run_all(parts, f"Running {', '.join(part.name for part in parts)}")
    for part in parts:
        _report(part, total)


def _run_all(parts: Sequence[Part], title: str) -> None:
    try:
        with step(title) as progress:
            for part in parts:
                part.start()
            _wait(parts, progress)
    finally:
        for part in parts:
            part.stop()


def _wait(parts: Sequence[Part], progress: Progress) -> None:
    """Until all have ended, or have had time enough."""
    while running := [part for part in parts if part.process.poll() is None]:
        slowest = running[-1]
        progress.tick(f"{slowest.name}: {last_line(slowest.log)}")
        if progress.seconds > LIMIT_SECONDS:
            say(f"  {slowest.name} hangs: stopped after {LIMIT_SECONDS} s")
            return
        time.sleep(0.2)


def _report(part: Part, total: Result) -> None:
    result = part.result()
    again = part.second_run(result) if isinstance(part, OnServers) else None
    if again is not None:
        _show(part, result)
        _run_all([again], f"Running what failed of {part.name} once more")
        part, result = again, again.result()
    total.add(result)
    _show(part, result)


def _show(part: Part, result: Result) -> None:
    say(f"  {part.name:8} {result}")
    for problem in result.problems:
        say(f"    {problem}")
    if result.failed:
        lines = part.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        sys.stdout.write("".join(f"    | {line}\n" for line in lines))
