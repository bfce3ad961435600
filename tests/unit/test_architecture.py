# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The rules of the house that a program can check."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from queue_job.core.states import EDGES
from setup.counts import PUBLIC_PATHS

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "queue_job"

#: Modules that import nothing of Odoo, so that they are tested without it.
PURE = [
    "core/states",
    "core/mass_changes",
    "core/undo",
    "core/plain_words",
    "exception",
    "core/graph",
    "core/option_values",
    "core/options",
    "progress/progress",
    "settle/retry_on",
    "core/retry",
    "core/delays",
    "core/names",
    "core/former_names",
    "core/obsolete",
    "declarations/channels",
    "declarations/exceptions",
    "core/texts",
    "core/errors",
    "core/failure_kinds",
    "core/fingerprints",
    "core/events",
    "core/tracing",
    "core/waits",
    "core/identity",
    "core/labels",
    "storage/dependencies",
    "keys/rules",
    "keys/admission",
    "claim/claims",
    "storage/odd_rows",
    "jobrunner/schedule/priority_queue",
    "jobrunner/schedule/channel_config",
    "jobrunner/schedule/channel_options",
    "jobrunner/schedule/channel_queue",
    "jobrunner/schedule/lease_terms",
    "jobrunner/schedule/loose_channels",
    "jobrunner/schedule/maxima",
    "jobrunner/schedule/rate",
    "jobrunner/dispatch/recent_starts",
    "jobrunner/schedule/channel",
    "jobrunner/channels",
    "jobrunner/schedule/slots",
    "jobrunner/schedule/worker_pools",
    "claim/lease",
    "enqueue/celery_names",
    "jobrunner/recovery/batches",
    "jobrunner/recovery/liveness",
    "sessions/due_notices",
    "monitoring/failure_advice",
    "monitoring/function_trend",
    "monitoring/kind_queries",
    "monitoring/series",
    "monitoring/statistics",
    "monitoring/waiting_causes",
    "monitoring/waiting_line",
    "monitoring/waiting_reason",
    "jobrunner/session/queries",
    "jobrunner/session/worker_limit",
    "jobrunner/session/served_databases",
    "jobrunner/dispatch/refusals",
]

#: Imports that must wait until their module is needed, because Odoo may lack it.
LATE_IMPORTS = {"bus_connection.py", "queue_job_wait.py"}

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 50


def sources():
    for addon in ("queue_job", "queue_job_cron", "queue_job_portal", "test_queue_job"):
        for path in (ROOT / addon).rglob("*.py"):
            if "tests" not in path.parts and "migrations" not in path.parts:
                yield path


def imported(path):
    """The top-level names of the absolute imports of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_nothing_of_odoo(module):
    assert "odoo" not in set(imported(ADDON / f"{module}.py"))


def test_the_types_of_pure_modules_are_checked():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    files = re.compile(hooks["mypy"]["files"])
    assert [m for m in PURE if not files.search(f"queue_job/{m}.py")] == []


# -- the folders -----------------------------------------------------------------------


def documented_tree() -> dict[str, list[str]]:
    """{folder or file: its modules}, in the order of `docs/architecture.md`."""
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `([\w/]+?)(?:/|\.py)` \| [^|]+ \|([^|]*)\|$", text, re.M)
    return {name: modules.split() for name, modules in rows}


def modules_of_the_addon():
    """(path, module as a list of names) of each module but those of tests."""
    for path in sorted(ADDON.rglob("*.py")):
        names = path.relative_to(ADDON).with_suffix("").parts
        if not {"tests", "migrations", "__manifest__"}.intersection(names):
            yield path, list(names)


def place_of(names: list[str]) -> str:
    """The line of the table to which a module belongs."""
    folder = "/".join(names[:-1])
    alone = "/".join(names)
    is_public = ".".join(names) in PUBLIC_PATHS
    return alone if is_public else folder or names[0]


def relative_imports(path, names):
    """The modules of the addon that a module imports, as lists of names."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level
            and id(node) not in for_types
        ):
            package = names[: len(names) - node.level]
            module = package + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield resolved([*module, alias.name])


def resolved(names: list[str]) -> list[str]:
    """The module in which a name is looked up: the name itself, or its module."""
    while names and not ADDON.joinpath(*names).with_suffix(".py").is_file():
        if ADDON.joinpath(*names, "__init__.py").is_file():
            return [*names, "__init__"]
        names = names[:-1]
    return names or ["__init__"]


def test_the_documented_tree_is_that_of_the_code():
    documented = documented_tree()
    actual: dict[str, list[str]] = {}
    for _path, names in modules_of_the_addon():
        place = place_of(names)
        if place != "__init__" and place != "post_init_hook":
            actual.setdefault(place, [])
            if "/".join(names) == place:
                continue
            if len(names) > 1 and not names[-1].startswith("__"):
                actual[place].append(names[-1])
    for each in ("models", "wizards"):  # a file for each model
        actual[each] = []
    assert {name: sorted(found) for name, found in actual.items()} == {
        name: sorted(found) for name, found in documented.items()
    }


def test_each_folder_imports_only_from_those_above_it():
    order = list(documented_tree())
    wrong = [
        f"{'/'.join(names)} imports {'/'.join(target)}"
        for path, names in modules_of_the_addon()
        if names != ["__init__"]
        for target in relative_imports(path, names)
        if order.index(place_of(target)) > order.index(place_of(names))
    ]
    assert not wrong


def test_no_import_is_hidden_in_a_function():
    hidden = [
        f"{'/'.join(names)}: {ast.unparse(node)}"
        for path, names in modules_of_the_addon()
        if path.name not in LATE_IMPORTS
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom | ast.Import)
    ]
    assert not hidden


# -- files -----------------------------------------------------------------------------


def test_only_one_file_patches_the_server():
    patching = [
        path.name
        for path in sources()
        if re.search(r"^\s*server\.\w+Server\.\w+ = ", path.read_text(), re.M)
    ]
    assert patching == ["server_hooks.py"]


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def body_lines(function):
    """Lines of a function without its docstring."""
    first = function.body[0]
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        first = function.body[1]
    return function.end_lineno - first.lineno + 1


def test_functions_fit_on_a_screen():
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": body_lines(node)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and body_lines(node) > MAX_FUNCTION_LINES
    }
    assert not long


def test_the_documented_states_are_those_of_the_code():
    text = (ROOT / "docs/state_machine.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (.+) \|$", text, re.M)
    assert [tuple(row) for row in rows if row[0] != "from"] == list(EDGES)
    arrows = re.findall(r"^    (\w+) --> (\w+):", text, re.M)
    assert arrows == [(old, new) for old, new, _event in EDGES]
