# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The parts of ``make test``: how each is run, and how to read what it found."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from . import cache, database, junit, lint, odoo_log
from .console import last_line, start
from .postgres import free_port
from .stack import Stack
from .tools import pytest_options

STOP_SECONDS = 15
#: A test on real servers may fail because the machine was busy. So many of them get a
#: second run; where more fail, no busy machine is the reason.
SECOND_RUNS = 6


@dataclass
class Result:
    """What a part counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)

    def fail(self, problem: str) -> None:
        self.failed += 1
        self.problems.append(problem)

    def add(self, other: Result) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.problems += other.problems
        self.unsteady += other.unsteady

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
        bad = lint.FAILED_HOOK.findall(self.log.read_text())
        return Result(found.count("Passed"), found.count("Failed"), problems=bad)


class Pytest(Part):
    """A directory of pytest tests; the counts come from its report."""

    #: Below ``tests/``, where it is not called as the part is.
    folder = ""

    def __init__(self, stack: Stack):
        super().__init__(stack)
        self.report = cache.LOGS / f"{self.name}.xml"

    def command(self):
        self.report.unlink(missing_ok=True)
        return [
            *(self.stack.python, "-m", "pytest", f"tests/{self.folder or self.name}"),
            "-q",
            *pytest_options(),
            f"--junitxml={self.report}",
        ]

    def environment(self):
        storage = str(cache.BUILD / "hypothesis")
        return {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": storage}

    def read(self) -> Result:
        if not self.report.exists():
            return Result(failed=1, problems=["pytest wrote no report"])
        found = junit.read(self.report)
        problems = [f"{name}: {reason}" for name, reason in found.failures.items()]
        return Result(found.passed, len(problems), found.skipped, problems)


class OnServers(Pytest):
    """Tests on real servers, whose clocks a busy machine may upset."""

    def second_run(self, first: Result) -> SecondRun | None:
        """What runs the failed tests of ``first`` once more; None where too many."""
        if not self.report.exists() or not 0 < first.failed <= SECOND_RUNS:
            return None
        return SecondRun(self.stack, self, junit.read(self.report))


class SecondRun(Pytest):
    """The tests of a part that failed, once more.

    One that passes now is *unsteady*: it is named in the last lines of the run and does
    not fail it. It is a defect of the test, or a rare one of the code, and wants
    mending; a fault that is always there shows twice.
    """

    def __init__(self, stack: Stack, part: Pytest, first: junit.Report):
        super().__init__(stack)
        self.name, self.folder, self.first = part.name, part.folder, first
        self.log = cache.LOGS / f"{part.name}-again.log"
        self.report = cache.LOGS / f"{part.name}-again.xml"

    def command(self):
        return [*super().command(), "--last-failed", "--last-failed-no-failures=none"]

    def read(self) -> Result:
        if not self.report.exists():
            return Result(failed=1, problems=["pytest wrote no second report"])
        again = junit.read(self.report)
        missing = again.passed + len(again.failures) < len(self.first.failures)
        lasting = self.first.failures if missing else again.failures
        result = Result(self.first.passed, len(lasting), self.first.skipped)
        for name, reason in self.first.failures.items():
            if name in lasting:
                result.problems.append(f"{name}: {reason}")
            else:
                result.passed += 1
                result.unsteady.append(f"{name}: {reason}")
        return result


class Unit(Pytest):
    pass


class Property(Pytest):
    pass


class E2e(OnServers):
    """Two at a time: a server that starts, or sleeps, leaves room for another."""

    def command(self):
        two = ("--numprocesses=2", "--dist=worksteal")
        return [*super().command(), "-m", "not alone", *two]


class Alone(OnServers):
    """Those that measure what others would add to."""

    folder = "e2e"

    def command(self):
        return [*super().command(), "-m", "alone"]


class Chaos(OnServers):
    """A selection, with few jobs; ``make chaos`` runs all."""


class Hostile(OnServers):
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
