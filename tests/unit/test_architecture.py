# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The rules of the house that a program can check."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from queue_job.core.states import EDGES

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "queue_job"

#: Modules that import nothing of Odoo, so that they are tested without it.
PURE = [
    "core/states",
    "exception",
    "core/graph",
    "core/options",
    "progress/progress",
    "settle/retry_on",
    "core/retry",
    "core/delays",
    "core/texts",
    "core/errors",
    "core/events",
    "core/tracing",
    "core/identity",
    "storage/dependencies",
    "keys/rules",
    "keys/admission",
    "claim/claims",
    "storage/odd_rows",
    "jobrunner/schedule/priority_queue",
    "jobrunner/schedule/channel_config",
    "jobrunner/schedule/channel_queue",
    "jobrunner/schedule/rate",
    "jobrunner/schedule/recent_starts",
    "jobrunner/schedule/channel",
    "jobrunner/schedule/channel_manager",
    "jobrunner/schedule/slots",
    "claim/lease",
    "jobrunner/recovery/liveness",
    "monitoring/statistics",
    "jobrunner/session/queries",
    "jobrunner/session/worker_limit",
    "jobrunner/session/served_databases",
    "jobrunner/dispatch/refusals",
]

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 50


def sources():
    for addon in ("queue_job", "queue_job_cron", "test_queue_job"):
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
