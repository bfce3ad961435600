# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make lint`` and ``make format``: pre-commit with this repository's hooks.

The hooks' own environments are kept in the cache. Node comes from the project's
virtual environment, so nothing has to be installed for the JavaScript linters.
"""

from __future__ import annotations

import os
import re
import subprocess

from . import cache, python_env
from .console import SetupError, complaint, read, run

HOOK_RESULT = re.compile(r"\.(?:\([^)]*\))?(Passed|Failed)$", re.MULTILINE)
FAILED_HOOK = re.compile(r"^(.+?)\.{2,}(?:\([^)]*\))?Failed$", re.MULTILINE)
FORMATTERS = ("ruff-fix", "ruff-format-fix", "prettier-fix")


def environment() -> dict[str, str]:
    binaries = python_env.python().parent
    return {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(cache.path("pre-commit")),
        "VIRTUALENV_OVERRIDE_APP_DATA": str(cache.path("virtualenv")),
        "npm_config_cache": str(cache.path("npm")),
        "npm_config_update_notifier": "false",
        "ESLINT_USE_FLAT_CONFIG": "true",
        "RUFF_CACHE_DIR": str(cache.path("ruff")),
        "PYLINTHOME": str(cache.path("pylint")),
    }


def prepare() -> None:
    """Install the hooks' environments, once."""
    if read(["git", "rev-parse", "--git-dir"], cwd=cache.REPOSITORY) is None:
        raise SetupError("the linters need a git checkout, for they look at its files")
    recipe = (cache.REPOSITORY / ".pre-commit-config.yaml").read_text()
    directory = cache.path("pre-commit")
    if cache.is_complete(directory, recipe):
        return
    log = cache.path("logs", "pre-commit.log")
    command = [*_pre_commit("install-hooks")]
    options = {"env": environment(), "cwd": cache.REPOSITORY}
    if run(command, "Installing the linters", log, check=False, **options):
        raise SetupError(f"the linters do not install: {complaint(log)} (see {log})")
    cache.complete(directory, recipe)


def _pre_commit(*arguments: str) -> list[str]:
    return [str(python_env.python()), "-m", "pre_commit", *arguments]


def command() -> list[str]:
    """All hooks over all files."""
    return _pre_commit("run", "--all-files", "--color=never")


def main(name: str) -> int:
    prepare()
    if name == "lint":
        return _show(command())
    for hook in FORMATTERS:
        run_hook(hook)
    return 0


def run_hook(hook: str) -> int:
    """Run one of the hooks that write."""
    return _show(_pre_commit("run", hook, "--all-files", "--hook-stage=manual"))


def _show(program: list[str]) -> int:
    options = {"env": environment(), "cwd": cache.REPOSITORY}
    return subprocess.run(program, check=False, **options).returncode
