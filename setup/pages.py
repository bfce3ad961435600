# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Pages of the web client in a browser without a window, for a user who is logged in.

    with open_browser() as browser:
        page = browser.page(client)
        page.goto(f"{client.url}/odoo/job-queue")

Playwright drives the system's browser. It is installed into the environment by the
first who asks for it: most commands do without.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import browser, cache, python_env
from .client import Client
from .console import run

REQUIREMENTS = Path(__file__).with_name("requirements-browser.txt")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 900}


class Browser:
    """One browser; each page is a user of his own."""

    def __init__(self, program):
        self._program = program

    def page(self, client: Client, *, size=WIDE, **options: Any):
        """A page with the session of ``client``."""
        context = self._program.new_context(viewport=size, locale="en-US", **options)
        session = client.session.cookies["session_id"]
        cookie = {"name": "session_id", "value": session, "url": client.url}
        context.add_cookies([cookie])
        page = context.new_page()
        page.set_default_timeout(180_000)  # the first page waits for its assets
        return page


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser, end it."""
    program = browser.find()
    _install()
    api = importlib.import_module("playwright.sync_api")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield Browser(started)
        finally:
            started.close()


def _install() -> None:
    if importlib.util.find_spec("playwright"):
        return
    with cache.locked("venv"):
        command = [python_env.python(), "-m", "pip", "install", "--no-input"]
        run(
            [*command, f"-r{REQUIREMENTS}"],
            "Installing Playwright",
            cache.path("logs", "pip-browser.log"),
            env={**os.environ, "PIP_CACHE_DIR": str(cache.path("pip"))},
        )
    importlib.invalidate_caches()
