# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make docs``: writes what is generated from other files.

========================== =====================================================
requirements.txt           the ``external_dependencies`` of the manifests
docs/reference/            the API, from the docstrings (``setup/reference.py``)
docs/configuration.md      its table, from ``queue_job/jobrunner/session/config.py``
<addon>/README.rst         the fragments in ``<addon>/readme`` (``setup/readme.py``)
========================== =====================================================

A unit test checks that they are current.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from . import cache, lint, readme, reference
from .console import say

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
CONFIGURATION = cache.REPOSITORY / "docs" / "configuration.md"


def requirements() -> str:
    """The text of ``requirements.txt``."""
    names = {
        name
        for addon in readme.ADDONS
        for name in readme.manifest(addon)
        .get("external_dependencies", {})
        .get("python", ())
    }
    lines = ["# generated from manifests external_dependencies", *sorted(names)]
    return "\n".join(lines) + "\n"


def settings() -> tuple:
    """The table of settings, read without Odoo."""
    names = ("odoo", "odoo.tools", "queue_job", "queue_job.jobrunner")
    stubs = {name: types.ModuleType(name) for name in names}
    stubs["odoo.tools"].config = {}
    for name in names[2:]:  # without what their `__init__` imports
        stubs[name].__path__ = [str(cache.REPOSITORY.joinpath(*name.split(".")))]
    with patch.dict(sys.modules, stubs):
        return importlib.import_module("queue_job.jobrunner.session.config").SETTINGS


def configuration() -> str:
    """The text of ``docs/configuration.md`` with a current table."""
    head, rest = CONFIGURATION.read_text().split(BEGIN)
    tail = rest.split(END)[1]
    return f"{head}{BEGIN}\n\n{settings_table()}\n{END}{tail}"


def settings_table() -> str:
    rows = [
        "| key | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for each in settings():
        default = f"`{each.default}`" if each.default is not None else ""
        if each.odoo_option:
            default = f"Odoo's `{each.odoo_option}`" + (default and f", else {default}")
        rows.append(f"| `{each.key}` | `{each.env}` | {default} | {each.help} |")
    return "\n".join(rows) + "\n"


def generated() -> Iterator[tuple[Path, str]]:
    """All generated files but the READMEs, with the text they should have."""
    yield cache.REPOSITORY / "requirements.txt", requirements()
    yield CONFIGURATION, configuration()
    yield from reference.pages()


def main(command: str) -> int:
    for path, text in generated():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            say(f"  written: {path.relative_to(cache.REPOSITORY)}")
    if not _readmes_are_current():
        lint.prepare()
        lint.run_hook("readme")  # fails where it has written something
    return 0 if _readmes_are_current() else 1


def _readmes_are_current() -> bool:
    return all(readme.is_current(addon) for addon in readme.ADDONS)
