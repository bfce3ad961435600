# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the user sees: one line per step, progress on the long ones, one clear
line when something goes wrong.

``say`` prints a line; ``run`` runs a program quietly, shows how long it takes
and keeps its output in a log file; ``SetupError`` is any failure that a person
can do something about.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COMPLAINT = re.compile(r"^E:|^fatal:|^ERROR|^\w*(\.\w+)*(Error|Exception)\b|CRITICAL")
NO_NETWORK = re.compile(
    r"Temporary failure (in name resolution|resolving)|Could not resolve host"
    r"|NameResolutionError|Network is unreachable|ENOTFOUND|EAI_AGAIN"
)
PROGRESS_SECONDS = 10  # between two signs of life where there is no terminal


class SetupError(Exception):
    """The set-up cannot go on."""


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn failures into one line and an exit code; let clean-ups run on a signal."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        say("\nsetup: interrupted")
        sys.exit(130)


def _interrupt(number, frame):
    raise KeyboardInterrupt


@contextmanager
def step(title: str) -> Iterator[Progress]:
    """Show ``title`` with the time it takes."""
    progress = Progress(title)
    try:
        yield progress
    except BaseException:
        progress.end("failed")
        raise
    progress.end("done")


class Progress:
    """A line that lives: rewritten on a terminal, repeated elsewhere."""

    def __init__(self, title: str):
        self.title = title
        self.started = self.shown = time.monotonic()
        self.detail = ""
        self.live = sys.stdout.isatty()
        if not self.live:
            say(f"{title} ...")

    @property
    def seconds(self) -> int:
        return int(time.monotonic() - self.started)

    def tick(self, detail: str = "", every: float = PROGRESS_SECONDS) -> None:
        if self.live:
            width = os.get_terminal_size().columns - 1
            line = f"{self.title} ... {self.seconds} s  {detail}"[:width]
            print(f"\r\033[K{line}", end="", flush=True)
            return
        silent = time.monotonic() - self.shown
        if silent > PROGRESS_SECONDS or (silent > every and detail != self.detail):
            self.shown = time.monotonic()
            self.detail = detail
            say(f"  {self.seconds} s  {detail}"[:100])

    def end(self, outcome: str) -> None:
        start = "\r\033[K" if self.live else ""
        say(f"{start}{self.title}: {outcome} in {self.seconds} s")


def run(
    command: Sequence[str | Path],
    title: str,
    log: Path,
    *,
    check: bool = True,
    **options,
) -> int:
    """Run ``command`` with its output in ``log``; raise when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, step(title) as progress:
        process = start(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            while process.poll() is None:
                progress.tick(last_line(log))
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if check and process.returncode:
            raise SetupError(f"{title} failed: {complaint(log)} (see {log})")
    return process.returncode


def start(command: Sequence[str | Path], **options) -> subprocess.Popen:
    command = [str(part) for part in command]
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    except FileNotFoundError as error:
        raise SetupError(f"the program {command[0]} is missing") from error


def read(command: Sequence[str | Path], **options) -> str | None:
    """The output of a quick ``command``, or None when it fails."""
    command = [str(part) for part in command]
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    try:
        result = subprocess.run(command, check=False, **options)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def last_line(log: Path) -> str:
    """The last line of ``log`` that says something."""
    return next(iter(_lines_from_end(log)), "")


def complaint(log: Path) -> str:
    """The last line of ``log`` that looks like the reason of a failure."""
    lines = _lines_from_end(log)
    if any(map(NO_NETWORK.search, lines)):
        return "the network cannot be reached"
    return next(filter(COMPLAINT.search, lines), next(iter(lines), "no output"))


def _lines_from_end(log: Path, size: int = 32768) -> list[str]:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - size))
        text = stream.read().decode(errors="replace").replace("\r", "\n")
    return [line.strip() for line in reversed(text.split("\n")) if line.strip()]
