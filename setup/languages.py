# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The languages of the demo: English, a translated one, and one from right to left.

For a language that is written from right to left, Odoo turns its style sheets around by
the program ``rtlcss``, which it looks for on PATH. It is a package of npm, installed
into the cache by the Node of the project's environment.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import cache, python_env
from .console import SetupError, run, say

TRANSLATED = ("fr_FR",)
RIGHT_TO_LEFT = ("ar_001",)
PACKAGE = "rtlcss@^4.3"


def prepare() -> tuple[tuple[str, ...], str]:
    """Make the languages ready that this machine can show.

    :return: their codes, and the PATH for the server
    """
    node = python_env.python().parent
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        rtlcss = _rtlcss(path)
    except SetupError as error:
        say(f"There is no language from right to left: {error}")
        return TRANSLATED, path
    return TRANSLATED + RIGHT_TO_LEFT, f"{rtlcss}{os.pathsep}{path}"


def _rtlcss(path: str) -> Path:
    """The directory of the program, installed if need be."""
    target = cache.path("rtlcss")
    with cache.locked("rtlcss"):
        if not cache.is_complete(target, PACKAGE):
            with cache.fresh_directory(target, PACKAGE) as building:
                _install(building, path)
    return target / "node_modules" / ".bin"


def _install(directory: Path, path: str) -> None:
    npm = python_env.python().with_name("npm")
    options = ["--no-audit", "--no-fund", "--fetch-retries=1", "--prefix", directory]
    run(
        [npm, "install", *options, PACKAGE],
        "Installing rtlcss",
        cache.path("logs", "npm-rtlcss.log"),
        cwd=directory,
        env={**os.environ, "PATH": path, "npm_config_cache": str(cache.path("npm"))},
    )
