# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The browser for the tests of pages: found on PATH, or Debian's chromium."""

from __future__ import annotations

import shutil

from . import debian
from .console import SetupError

# the names that Odoo's own browser tests look for
NAMES = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser")


def find() -> str:
    """The browser's program, installed if there is none."""
    found = _on_path()
    if found is None:
        debian.install_packages("chromium")
        found = _on_path()
    if found is None:
        raise SetupError("no Chromium or Chrome on PATH, which the page tests need")
    return found


def _on_path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
