# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The virtual environment: finds a Python that Odoo 19 supports, installs Odoo's
requirements and those of the tests, and starts the program again inside it.

The stamp is the requirements themselves: a change of them, or of the Python
version, brings the environment up to date at the next start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from . import cache, debian
from .console import SetupError, read, run, say

SUPPORTED = ((3, 10), (3, 13))
REQUIREMENTS = ("requirements-odoo.txt", "requirements-test.txt")
PROBE = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"


def directory() -> Path:
    return cache.path("venv")


def python() -> Path:
    return directory() / "bin" / "python"


def enter() -> None:
    """Make the environment ready and go on inside it."""
    if not cache.is_complete(directory(), _recipe()):
        with cache.locked("venv"):
            if not cache.is_complete(directory(), _recipe()):
                _install()
    if Path(sys.prefix).resolve() != directory().resolve():
        command = [str(python()), "-m", "setup", *sys.argv[1:]]
        os.execve(command[0], command, _environment())


def _environment() -> dict[str, str]:
    """Byte code goes to the cache, not between the sources."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache.path("pycache"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _recipe() -> str:
    texts = [(Path(__file__).parent / name).read_text() for name in REQUIREMENTS]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def _install() -> None:
    """Bring the environment up to date; a new one is there whole or not at all."""
    if _works(python()):
        _install_requirements()
        return
    shutil.rmtree(directory(), ignore_errors=True)
    try:
        _create()
        _install_requirements()
    except BaseException:
        shutil.rmtree(directory(), ignore_errors=True)
        raise


def _create() -> None:
    interpreter = _find_python()
    say(f"Python: {interpreter}")
    log = cache.path("logs", "venv.log")
    run([interpreter, "-m", "venv", directory()], "Making the environment", log)


def _install_requirements() -> None:
    files = [f"-r{Path(__file__).parent / name}" for name in REQUIREMENTS]
    command = [python(), "-m", "pip", "install", "--no-input", "--retries=2", *files]
    log = cache.path("logs", "pip.log")
    environment = {**os.environ, "PIP_CACHE_DIR": str(cache.path("pip"))}
    run(command, "Installing the Python requirements", log, env=environment)
    cache.complete(directory(), _recipe())


def _find_python() -> str:
    """The running Python, or the newest supported one on PATH."""
    low, high = SUPPORTED
    names = [f"python3.{minor}" for minor in range(high[1], low[1] - 1, -1)]
    for name in (sys.executable, *names):
        if _works(name):
            return name
    running = "{}.{}".format(*sys.version_info[:2])
    if low <= sys.version_info[:2] <= high:
        # Debian keeps the venv module in a package of its own
        debian.install_packages(f"python{running}-venv")
        return sys.executable
    raise SetupError(
        f"Python {running} does not run Odoo 19, which needs 3.{low[1]} to "
        f"3.{high[1]}: make PYTHON=/path/to/python3.12"
    )


def _works(interpreter: str | Path) -> bool:
    """Whether ``interpreter`` exists, is supported and can make environments."""
    version = read([interpreter, "-c", PROBE], cwd="/")
    if not version:
        return False
    major, minor = version.split(".")
    return SUPPORTED[0] <= (int(major), int(minor)) <= SUPPORTED[1]
