# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""All that a real Odoo needs, opened together: source, Python, PostgreSQL,
template databases. The demo, the tests and the benchmarks begin with it.

    with open_stack() as stack:
        with database.temporary(stack.templates.app()) as name:
            with stack.server(name, directory) as server:
                ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import odoo_source, postgres, python_env
from .console import say
from .database import Templates
from .odoo_server import OdooServer
from .odoo_source import OdooSource


@dataclass(frozen=True)
class Stack:
    source: OdooSource
    python: Path
    templates: Templates

    def server(self, database: str, directory: Path, **options) -> OdooServer:
        return OdooServer(self.source, self.python, directory, database, **options)


@contextmanager
def open_stack() -> Iterator[Stack]:
    """Find, fetch and start what is needed; stop what was started."""
    source = odoo_source.find()
    say(f"Odoo: {source.origin}")
    with postgres.server() as address:
        say(f"PostgreSQL: {address}")
        python = python_env.python()
        yield Stack(source, python, Templates(source, python))


def main(command: str) -> None:
    """``prepare``: everything that later commands would have to wait for."""
    with open_stack() as stack:
        stack.templates.app()
    say("Ready.")
