# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make counts``: a few numbers that show the state of the code.

    python -m setup.counts            the working tree
    python -m setup.counts 94b9436    a commit, read from git

What is counted, in the addons of `ADDONS` and without tests and migrations:

- Python files at the root of `queue_job`;
- two-way pairs: two folders of `queue_job` that import each other. A module at the
  root is a folder of its own, and so is one of `PUBLIC_PATHS`. Imports inside
  functions count, those for type checkers don't;
- lines of Python;
- lines of code: of those, the lines without docstrings, comments and blank lines;
- tables: models with a table of their own, those of wizards left out;
- public functions without docstring, and without return annotation. A function is
  public unless its name, or that of its class, begins with an underscore (as that of
  each method that Odoo finds by a convention, such as `_compute_*`), or it stands in
  a function or sets a property.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tempfile
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from .console import SetupError, reporting_errors

ROOT = Path(__file__).resolve().parent.parent
ADDON = "queue_job"
ADDONS = (ADDON, "queue_job_cron", "queue_job_portal")
NOT_COUNTED = {"tests", "migrations"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Counts:
    """The numbers of one state of the code; the details are texts, one for each."""

    root_files: int
    two_way_pairs: list[str]
    lines: int
    code_lines: int
    tables: list[str]
    without_docstring: list[str]
    without_annotation: list[str]


LABELS = {
    "root_files": f"Python files at the root of {ADDON}",
    "two_way_pairs": "two-way pairs between folders",
    "lines": "lines of Python without tests",
    "code_lines": "lines of code (without docstrings, comments and blank lines)",
    "tables": "tables",
    "without_docstring": "public functions without docstring",
    "without_annotation": "public functions without return annotation",
}


def count(root: Path) -> Counts:
    """Return the numbers of a checkout.

    :param root: directory which holds the addons
    """
    trees = {path: ast.parse(path.read_text()) for path in _sources(root)}
    functions = [
        (f"{path.relative_to(root)}:{function.lineno} {function.name}", function)
        for path, tree in trees.items()
        for function in public_functions(tree)
    ]
    return Counts(
        root_files=len(list((root / ADDON).glob("*.py"))),
        two_way_pairs=two_way_pairs(root / ADDON),
        lines=sum(len(path.read_text().splitlines()) for path in trees),
        code_lines=sum(code_lines(path.read_text()) for path in trees),
        tables=sorted({name for tree in trees.values() for name in tables(tree)}),
        without_docstring=[n for n, f in functions if ast.get_docstring(f) is None],
        without_annotation=[n for n, f in functions if f.returns is None],
    )


def _sources(root: Path) -> Iterator[Path]:
    for addon in ADDONS:
        for path in sorted((root / addon).rglob("*.py")):
            if NOT_COUNTED.isdisjoint(path.relative_to(root).parts):
                yield path


# -- lines ---------------------------------------------------------------------------

#: Tokens that say nothing to Python, or only where a line begins or ends.
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Return how many lines are neither blank, nor comments, nor docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - set(_docstring_lines(ast.parse(source))))


def _docstring_lines(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        has_docstring = ast.Module | ast.ClassDef | Function
        if isinstance(node, has_docstring) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            yield from range(docstring.lineno, (docstring.end_lineno or 0) + 1)


# -- functions and tables ------------------------------------------------------------


def public_functions(node: ast.AST) -> Iterator[Function]:
    """Yield the functions of a module, or of a class, that others may call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            if not child.name.startswith("_") and not _is_setter(child):
                yield child
        elif not (isinstance(child, ast.ClassDef) and child.name.startswith("_")):
            yield from public_functions(child)


def _is_setter(function: Function) -> bool:
    """Whether it belongs to a property, which has its docstring where it is read."""
    return any(ast.unparse(d).endswith(".setter") for d in function.decorator_list)


def tables(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the models in a module that have a table of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and "models.Model" in map(
            ast.unparse, node.bases
        ):
            values = _assigned(node)
            is_extension = values.get("_name", "") in values.get("_inherit", "")
            if not is_extension and values.get("_auto") != "False":
                yield ast.literal_eval(values["_name"])


def _assigned(cls: ast.ClassDef) -> dict[str, str]:
    """Return the source of each value that the class gives to a name."""
    return {
        ast.unparse(target): ast.unparse(node.value)
        for node in cls.body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }


# -- imports -------------------------------------------------------------------------


def two_way_pairs(addon: Path) -> list[str]:
    """Return the pairs of folders of an addon that import each other."""
    edges = folder_imports(addon)
    return sorted(f"{a} <-> {b}" for a, b in edges if a < b and (b, a) in edges)


def folder_imports(addon: Path) -> set[tuple[str, str]]:
    """Return (importing folder, imported folder) for all imports between folders."""
    modules = {
        _module_name(path.relative_to(addon)): path
        for path in addon.rglob("*.py")
        if NOT_COUNTED.isdisjoint(path.relative_to(addon).parts)
    }
    edges = {
        (_folder(modules, name), _folder(modules, target))
        for name in modules
        for target in _imported(modules, name, addon.name)
    }
    return {(a, b) for a, b in edges if a != b}


def _module_name(path: Path) -> str:
    """Return the dotted name of a module inside of its addon, "" for the addon."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: A module that stands below its folder, because its path is public: the other folders
#: of its folder import it.
PUBLIC_PATHS = {"jobrunner.channels"}


def _folder(modules: dict[str, Path], name: str) -> str:
    if name in PUBLIC_PATHS:
        return name
    if modules[name].name == "__init__.py":
        return name or "__init__.py"
    return name.rpartition(".")[0] or f"{name}.py"


def _imported(modules: dict[str, Path], name: str, addon: str) -> Iterator[str]:
    """Yield the modules of the addon that a module imports."""
    package = name.split(".") if name else []
    if modules[name].name != "__init__.py":
        package = package[:-1]
    for node in _runtime_nodes(ast.parse(modules[name].read_text())):
        if isinstance(node, ast.ImportFrom):
            base = _base_of(node, package, addon)
            names = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
            found = [full if full in modules else base for full in names]
            yield from (target for target in found if target in modules)


def _base_of(node: ast.ImportFrom, package: list[str], addon: str) -> str:
    """Return the module that an import is from; "?" outside of the addon."""
    if node.level:
        above = package[: len(package) - node.level + 1]
        return ".".join([*above, *filter(None, [node.module])])
    prefix = f"odoo.addons.{addon}"
    if node.module == prefix or (node.module or "").startswith(f"{prefix}."):
        return (node.module or "")[len(prefix) + 1 :]
    return "?"


def _runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that only type checkers look at."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from _runtime_nodes(child)


# -- the command ---------------------------------------------------------------------


def count_commit(commit: str) -> Counts:
    """Return the numbers of a commit of this repository.

    :param commit: anything by which git knows it
    :raise SetupError: git knows no such commit, or it has other addons
    """
    command = ["git", "archive", "--format=zip", commit, *ADDONS]
    archive = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        raise SetupError(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory() as directory:
        zipfile.ZipFile(io.BytesIO(archive.stdout)).extractall(directory)
        return count(Path(directory))


def report(counts: Counts, *, details: bool = False) -> str:
    """Return the numbers as lines of text.

    :param details: add what was counted, where there are names
    """
    lines = []
    for field in fields(counts):
        value = getattr(counts, field.name)
        number = value if isinstance(value, int) else len(value)
        lines.append(f"{number:>7,}  {LABELS[field.name]}")
        if details and isinstance(value, list):
            lines += [f"{'':9}{name}" for name in value]
    return "\n".join(lines)


def show(arguments: list[str]) -> int:
    """Print the numbers of the working tree, or of a commit.

    :param arguments: the commit, if any, and `-v` for the details
    """
    commits = [argument for argument in arguments if not argument.startswith("-")]
    counts = count_commit(commits[0]) if commits else count(ROOT)
    sys.stdout.write(report(counts, details="-v" in arguments) + "\n")
    return 0


def main(_name: str) -> int:
    """Run ``make counts``."""
    return show(sys.argv[2:])


if __name__ == "__main__":
    with reporting_errors():
        sys.exit(show(sys.argv[1:]))
