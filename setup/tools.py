# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The small commands: ``bench``, ``chaos``, ``deploy-test``, ``pytest``, ``shell`` and
``clean``.

The first four run a program of the repository with Odoo and PostgreSQL at hand,
and pass the rest of the command line on to it. ``shell`` opens Odoo's own shell on
the database of the running ``make run``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from . import cache, python_env
from .console import SetupError
from .stack import open_stack

#: What kills, and what harms itself.
CHAOS = ("tests/chaos", "tests/hostile")


def main(command: str) -> int:
    if command == "clean":
        shutil.rmtree(cache.BUILD, ignore_errors=True)
        return 0
    if command == "shell":
        return _shell()
    if command == "chaos" and not (cache.REPOSITORY / "tests" / "chaos").is_dir():
        raise SetupError("there are no chaos tests yet (tests/chaos)")
    arguments = {
        "bench": ["benchmarks"],
        "chaos": ["pytest", *CHAOS, "--full", *pytest_options()],
        "deploy-test": ["pytest", "tests/deploy", *pytest_options()],
        "pytest": ["pytest", *pytest_options()],
    }
    with open_stack():
        return subprocess.run(
            [python_env.python(), "-m", *arguments[command], *sys.argv[2:]],
            cwd=cache.REPOSITORY,
            env=os.environ,
            check=False,
        ).returncode


def _shell() -> int:
    config = cache.BUILD / "run" / "odoo.conf"
    if not config.exists():
        raise SetupError("`make run` is not running")
    with open_stack() as stack:
        return subprocess.run(
            [stack.python, stack.source.launcher(), "shell", "-c", config, "--no-http"],
            env={**os.environ, "PYTHONPATH": str(stack.source.python_path())},
            check=False,
        ).returncode


def pytest_options() -> list[str]:
    return ["-o", f"cache_dir={cache.BUILD / 'pytest_cache'}"]
