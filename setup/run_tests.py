# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make test``: every check of the repository, and one last line that counts them.

======== ==================================================== =====================
part     what                                                 runs
======== ==================================================== =====================
lint     pre-commit's hooks over all files                    together with the next
unit     pure functions, by pytest                            together
odoo     the addons' tests, by Odoo's runner, fresh database  together
property random histories of claims on PostgreSQL, by pytest  together
e2e      real servers, by pytest                              alone, for its clocks
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
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from . import browser, cache, database, lint, odoo_log
from .console import Progress, SetupError, last_line, say, start, step
from .postgres import free_port
from .stack import Stack, open_stack
from .tools import pytest_options

TOGETHER = ("lint", "unit", "odoo", "property")
ALONE = ("e2e", "chaos", "hostile")
LIMIT_SECONDS = 2700  # for the parts that run together, and for each of those alone
STOP_SECONDS = 15
SHOWN_LINES = 60  # of the log of a part that failed


@dataclass
class Result:
    """What a part counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)

    def fail(self, problem: str) -> None:
        self.failed += 1
        self.problems.append(problem)

    def add(self, other: Result) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


class Part:
    """A program that checks something, and how to read what it found."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.name = type(self).__name__.lower()
        self.log = cache.LOGS / f"{self.name}.log"
        self.process: subprocess.Popen | None = None

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def read(self) -> Result:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("wb") as output:
            self.process = start(
                self.command(),
                cwd=cache.REPOSITORY,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End what still runs, with all below it: gently first, then by force."""
        if self.process is None or self.process.poll() is not None:
            return
        tree = psutil.Process(self.process.pid)
        below = tree.children(recursive=True)
        tree.terminate()
        _, alive = psutil.wait_procs([tree, *below], timeout=STOP_SECONDS)
        for process in alive:
            process.kill()
        self.process.wait()

    def result(self) -> Result:
        result = self.read()
        if self.process.returncode and not result.failed:
            reason = last_line(self.log)
            result.fail(f"ended with exit code {self.process.returncode}: {reason}")
        return result


class Lint(Part):
    def command(self):
        return lint.command()

    def environment(self):
        return lint.environment()

    def read(self) -> Result:
        found = lint.HOOK_RESULT.findall(self.log.read_text())
        return Result(found.count("Passed"), found.count("Failed"))


class Pytest(Part):
    """A directory of pytest tests; the counts come from its report."""

    @property
    def report(self) -> Path:
        return cache.LOGS / f"{self.name}.xml"

    def command(self):
        self.report.unlink(missing_ok=True)
        return [
            *(self.stack.python, "-m", "pytest", f"tests/{self.name}", "-q"),
            *pytest_options(),
            f"--junitxml={self.report}",
        ]

    def environment(self):
        storage = str(cache.BUILD / "hypothesis")
        return {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": storage}

    def read(self) -> Result:
        result = Result()
        if not self.report.exists():
            result.fail("pytest wrote no report")
            return result
        for suite in ElementTree.parse(self.report).iter("testsuite"):
            count = {key: int(suite.get(key, 0)) for key in COUNTED}
            bad = count["failures"] + count["errors"]
            result.add(
                Result(count["tests"] - bad - count["skipped"], bad, count["skipped"])
            )
        return result


COUNTED = {"tests", "failures", "errors", "skipped"}


class Unit(Pytest):
    pass


class Property(Pytest):
    pass


class E2e(Pytest):
    pass


class Chaos(Pytest):
    """A selection, with few jobs; ``make chaos`` runs all."""


class Hostile(Pytest):
    """A selection of the table; ``make chaos`` runs all of it."""


class Odoo(Part):
    """The addons' own tests in Odoo's runner, installed on a fresh database."""

    def __init__(self, stack: Stack, name: str):
        super().__init__(stack)
        self.database = name

    def command(self):
        modules = database.our_modules()
        tags = os.environ.get("TAGS") or ",".join(f"/{module}" for module in modules)
        return [
            *(self.stack.python, self.stack.source.launcher()),
            *("-d", self.database, "-i", ",".join(modules)),
            f"--addons-path={self.stack.source.addons_path}",
            f"--data-dir={cache.BUILD / 'data'}",
            f"--screenshots={cache.LOGS / 'screenshots'}",
            f"--test-tags={tags}",
            f"--http-port={free_port()}",
            f"--gevent-port={free_port()}",
            "--load=base,web,queue_job",
            *("--http-interface=127.0.0.1", "--max-cron-threads=0"),
            "--stop-after-init",
        ]

    def environment(self):
        python_path = str(self.stack.source.python_path())
        return {**os.environ, "PYTHONPATH": python_path, "ODOO_RC": os.devnull}

    def read(self) -> Result:
        text = self.log.read_text(errors="replace")
        counted = odoo_log.result(text)
        if counted is None:
            return Result(failed=1, problems=["Odoo's tests did not run to their end"])
        result = Result(counted.passed, counted.failed, counted.skipped)
        strays = odoo_log.stray(odoo_log.parse(text), ())
        result.problems += [str(record) for record in strays]
        if strays and not result.failed:
            result.failed = 1
        return result


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
    parts = (Lint, Unit, Property, E2e, Chaos, Hostile)
    kinds = {part.__name__.lower(): part for part in parts}
    return [kind(stack) for name, kind in kinds.items() if name in wanted]


def _run_together(parts: Sequence[Part], total: Result) -> None:
    """Run the parts side by side, report each, add up."""
    if not parts:
        return
    names = ", ".join(part.name for part in parts)
    try:
        with step(f"Running {names}") as progress:
            for part in parts:
                part.start()
            _wait(parts, progress)
    finally:
        for part in parts:
            part.stop()
    for part in parts:
        _report(part, total)


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
    total.add(result)
    say(f"  {part.name:8} {result}")
    for problem in result.problems:
        say(f"    {problem}")
    if result.failed:
        lines = part.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        sys.stdout.write("".join(f"    | {line}\n" for line in lines))
