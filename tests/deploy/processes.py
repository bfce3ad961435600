# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Programs that run as a guide starts them, and end with the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

STOP_SECONDS = 30


@contextmanager
def running(command: list, log: Path, **options: Any) -> Iterator[psutil.Popen]:
    """A program; at the end it is asked to stop, and what is left of it is killed."""
    with log.open("wb") as output:
        process = psutil.Popen(
            [str(part) for part in command], stdout=output, stderr=output, **options
        )
    try:
        yield process
    finally:
        tree = [process, *process.children(recursive=True)]
        process.terminate()
        _gone, alive = psutil.wait_procs(tree, timeout=STOP_SECONDS)
        for left in alive:
            left.kill()
        psutil.wait_procs(alive)
