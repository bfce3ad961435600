# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make wheels``: each addon as a wheel, and the package that installs them all.

``pip install --find-links build/wheels --no-deps odoo-addon-queue_job`` puts an addon
into a Python that has Odoo 19; Odoo finds it there without an entry in its addons path.
``--no-deps`` because the wheels want the distribution ``odoo``, which no index has.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from . import cache, python_env
from .console import run, say
from .database import OUR_MODULES, PORTAL_MODULE

WHEELS = cache.BUILD / "wheels"
SOURCES = (*OUR_MODULES, PORTAL_MODULE, "setup/_metapackage")


def build(directory: Path = WHEELS) -> list[Path]:
    """Build all wheels into ``directory``, anew."""
    shutil.rmtree(directory, ignore_errors=True)
    command = [python_env.python(), "-m", "pip", "wheel", "--no-deps", "--no-input"]
    sources = [cache.REPOSITORY / name for name in SOURCES if _exists(name)]
    run(
        [*command, "--wheel-dir", directory, *sources],
        "Building the wheels",
        cache.LOGS / "wheels.log",
        cwd=cache.REPOSITORY,
    )
    return sorted(directory.glob("*.whl"))


def _exists(name: str) -> bool:
    return (cache.REPOSITORY / name / "pyproject.toml").is_file()


def main(command: str) -> int:
    for wheel in build():
        say(f"  {wheel.relative_to(cache.REPOSITORY)}")
    return 0
