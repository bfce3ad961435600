# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``python -m setup.dead_code``: what nothing uses (a hook of ``make lint``).

vulture reads the Python files, twice: the addons without their tests, since code that
only its tests use is dead, then everything, for what is unused in tests and tools. What
it finds unused may be used from elsewhere: by name in XML, JavaScript, CSV, JSON and
SQL, or in a text of the Python code (a field in a list of names, a method in a test's
RPC call). `PUBLIC` is what only other addons, users or libraries use.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from vulture import Vulture
from vulture.core import Item

ROOT = Path(__file__).resolve().parent.parent
ADDONS = ("queue_job", "queue_job_cron", "queue_job_portal")
SOURCES = (*ADDONS, "test_queue_job", "setup", "benchmarks", "tests")
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
#: Base classes by which Odoo and test runners find their subclasses.
FOUND_BY_BASE = re.compile(r"^models\.|Controller$|CustomerPortal$|Case$")
#: Decorators which hand the function to somebody.
DECORATORS = [
    *("@api.*", "@http.route", "@pytest.fixture", "@rule", "@rule*", "@invariant*"),
    *("@initialize*", "@listen*", "@precondition*"),
]
#: name -> who uses it.
PUBLIC = {
    "_closed": "the cursors of Odoo",
    "_maxconn": "the connection pool of Odoo",
    "PG_RETRY": "addons of others",
    "NOT_DONE": "addons of others, from `jobrunner.channels`",
    "NothingToDoJob": "addons of others",
    "RetryableError": "addons of others, as the first presentations call it",
    "delay_many": "users",
    "action_pause_all": "users over RPC; the buttons ask first",
    "on_failed": "users",
    "on_end": "users",
    "parents_results": "users, on a `Job`",
    "set_enqueued": "addons of others",
    "_prevent_commit": "addons of others",
    "_patch_job_auto_delay": "addons of others",
    "_test_on_fail": "users, to try a job function",
    "has_free_capacity": "addons of others",
    "remove_db": "addons of others",
    "select_jobs": "addons of others that patch the runner",
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
    "convert_to_export": "Odoo's fields",
    "process_work": "Odoo's server",
    "kw": "Odoo's routes",
    "cursor_factory": "psycopg2's connections",
    "registry_invalidated": "Odoo's registry",
    "_now": "Odoo's cursors",
    "cluster_environment": "a fixture, for its effect",
    "ConnectionCls": "urllib3's pools",
    "do_POST": "http.server",
    "log_message": "http.server",
}


def main() -> int:
    """Print what is unused; return 1 if there is something."""
    found = [*_unused_in_addons(), *_unused_elsewhere()]
    for item in found:
        place = f"{item.filename.relative_to(ROOT)}:{item.first_lineno}"
        sys.stdout.write(f"{place}: unused {item.typ} {item.name}\n")
    return 1 if found else 0


def _unused_in_addons() -> list[Item]:
    """Return what the addons themselves don't use."""
    return _unused([path for path in _files(ADDONS) if not _is_test(path)])


def _unused_elsewhere() -> list[Item]:
    """Return what is used nowhere, but for what the addons define."""
    return [
        item
        for item in _unused(_files(SOURCES))
        if _is_test(item.filename)
        or item.filename.relative_to(ROOT).parts[0] not in ADDONS
    ]


def _unused(files: Iterable[Path]) -> list[Item]:
    """Return what is defined in these Python files, and used in none of the files."""
    paths = list(files)
    finder = Vulture(ignore_names=CONVENTIONS, ignore_decorators=DECORATORS)
    finder.scavenge([str(path) for path in paths if path.suffix == ".py"])
    named = set(PUBLIC).union(*map(_words, _texts(paths)))
    return [
        item
        for item in finder.get_unused_code()
        if item.name not in named and not _is_found_by_base(item)
    ]


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        for pattern in ("*.py", *TEXTS):
            for path in (ROOT / name).rglob(pattern):
                if "migrations" not in path.parts:
                    yield path


def _is_test(path: Path) -> bool:
    return "tests" in path.relative_to(ROOT).parts


def _is_found_by_base(item: Item) -> bool:
    """Whether it is a class which somebody finds by its base class."""
    return item.typ == "class" and any(
        FOUND_BY_BASE.search(base) for base in _bases(item.filename).get(item.name, ())
    )


@cache
def _bases(path: Path) -> dict[str, list[str]]:
    """Return {name of a class: the source of its base classes}."""
    return {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def _texts(files: Iterable[Path]) -> Iterator[str]:
    """The files in which code is named, and the texts of the Python files."""
    for path in files:
        if path.suffix == ".py":
            yield from _strings(ast.parse(path.read_text()))
        else:
            yield path.read_text()


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
