# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``python -m setup.dead_code``: what nothing uses (a hook of ``make lint``).

vulture reads the Python files. What it finds unused may be used from elsewhere: by
name in XML, JavaScript, CSV and JSON, or in a text of the Python code (a field in a
list of names, a method in a test's RPC call, a column in SQL). `PUBLIC` is what only
other addons or libraries use.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (
    *("queue_job", "queue_job_cron", "test_queue_job"),
    *("setup", "benchmarks", "tests"),
)
TEXTS = ("*.xml", "*.js", "*.csv", "*.json", "*.sql")
WORD = re.compile(r"[A-Za-z_]\w+")

#: Names which others call: Odoo's ORM, test runners, mocks, patterns of names.
CONVENTIONS = [
    *("_name", "_inherit", "_description", "_order", "_rec_name", "_table", "_auto"),
    *("_log_access", "_*_idx", "_*_uniq", "_*_index", "_compute_*", "_inverse_*"),
    *("_search_*", "test_*", "setUp*", "tearDown*", "pytest_*", "teardown"),
    *("return_value", "side_effect", "__getattr__", "*_hook", "*_job_options"),
    *("pytestmark", "_readonly", "ttype", "_do_*"),
]
#: Decorators which hand the function to somebody.
DECORATORS = [
    *("@api.*", "@http.route", "@pytest.fixture", "@rule", "@rule*", "@invariant*"),
    *("@initialize*", "@listen*", "@precondition*"),
]
#: name -> who uses it.
PUBLIC = {
    "PG_RETRY": "addons of others",
    "DEPENDS_MAX_TRIES_ON_CONCURRENCY_FAILURE": "addons of others",
    "job_record_with_same_identity_key": "addons of others",
    "requeue_dead_jobs": "addons of others that patch the runner",
    "process_notifications": "addons of others that patch the runner",
    "wait_notification": "addons of others that patch the runner",
    "set_job_enqueued": "addons of others that patch the runner",
    "keep_alive": "addons of others that patch the runner",
    "db_by_name": "addons of others that patch the runner",
    "remove_jobs": "addons of others that patch the runner",
    "_async_http_get": "addons of others that patch the runner",
    "_odoo_now": "addons of others that patch the runner",
    "convert_to_column": "Odoo's fields",
    "cursor_factory": "psycopg2's connections",
    "registry_invalidated": "Odoo's registry",
    "cluster_environment": "a fixture, for its effect",
    "ConnectionCls": "urllib3's pools",
    "do_POST": "http.server",
    "log_message": "http.server",
}


def main() -> int:
    finder = Vulture(ignore_names=CONVENTIONS, ignore_decorators=DECORATORS)
    finder.scavenge([str(ROOT / name) for name in SOURCES], exclude=["*/migrations/*"])
    named = set(PUBLIC).union(*map(_words, _texts()))
    found = [
        item
        for item in finder.get_unused_code()
        if item.name not in named and not _is_model(item)
    ]
    for item in found:
        place = f"{item.filename.relative_to(ROOT)}:{item.first_lineno}"
        sys.stdout.write(f"{place}: unused {item.typ} {item.name}\n")
    return 1 if found else 0


def _is_model(item) -> bool:
    """Odoo finds models, controllers and test cases by their base class."""
    return item.typ == "class"


def _texts() -> Iterator[str]:
    """The files in which code is named, and the texts of the Python files."""
    for name in SOURCES:
        for pattern in TEXTS:
            for path in (ROOT / name).rglob(pattern):
                yield path.read_text()
        for path in (ROOT / name).rglob("*.py"):
            yield from _strings(ast.parse(path.read_text()))


def _strings(tree: ast.AST) -> Iterator[str]:
    """All texts but the docstrings."""
    nodes = list(ast.walk(tree))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in alone:
            yield str(node.value)


def _words(text: str) -> set[str]:
    return set(WORD.findall(text))


if __name__ == "__main__":
    sys.exit(main())
