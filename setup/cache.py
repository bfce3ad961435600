# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The cache directory: where everything fetched or built is kept.

A part of the cache is either complete or absent: it carries a stamp, written
last, that names the recipe it was made by. ``fresh_directory`` builds beside the
final name and renames, so an interrupted download leaves nothing half-done.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
LOGS = BUILD / "logs"
STAMP = ".complete"


def root() -> Path:
    given = os.environ.get("QUEUE_JOB_CACHE")
    if given:
        return Path(given).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "odoo-job-queue"


def path(*parts: str) -> Path:
    """A path in the cache, whose directory exists."""
    result = root().joinpath(*parts)
    result.parent.mkdir(parents=True, exist_ok=True)
    return result


def is_complete(directory: Path, recipe: str = "") -> bool:
    stamp = directory / STAMP
    return stamp.is_file() and (not recipe or stamp.read_text() == recipe)


def complete(directory: Path, recipe: str = "") -> None:
    (directory / STAMP).write_text(recipe)


@contextmanager
def fresh_directory(target: Path, recipe: str = "") -> Iterator[Path]:
    """Build ``target`` under another name; it appears only when complete."""
    building = target.with_name(f"{target.name}.building-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        yield building
        complete(building, recipe)
        shutil.rmtree(target, ignore_errors=True)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time, among all that share the cache."""
    with path(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
