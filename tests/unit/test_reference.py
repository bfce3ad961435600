# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The API reference is complete: each public name, each parameter, has its words."""

import ast

import pytest

from setup import cache, reference

PUBLIC_NAMES = cache.REPOSITORY / "queue_job" / "tests" / "test_public_names.py"
#: Modules whose names other code imports, but which are no API for addons: the engine,
#: and models whose fields and views are extended.
ENGINE = ("jobrunner", "controllers", "wizards", "models.", "post_init_hook")


def public_names():
    """The names that `test_public_names` promises, as paths."""
    tree = ast.parse(PUBLIC_NAMES.read_text())
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "NAMES"
    )
    for module, text in names.items():
        for name in text.split():
            if module and not name.startswith("_"):
                yield f"{module}.{name}"


def own_object(path):
    """The class or function of a path, None for a module, a value and what is not
    ours."""
    try:
        found = reference.resolved(reference.addon()[path])
    except (KeyError, reference.griffe.AliasResolutionError):
        return None
    return found if found.is_function or found.is_class else None


def documented():
    pages = reference.PAGES
    return {entry.found.path for page in pages for entry in reference.entries(page)}


@pytest.mark.parametrize("page", reference.PAGES)
def test_nothing_is_left_unsaid(page):
    gaps = [gap for each in reference.entries(page) for gap in reference.gaps(each)]
    assert gaps == []


def test_public_names_are_on_a_page():
    paths = [path for path in public_names() if not path.startswith(ENGINE)]
    found = {path: own_object(path) for path in paths}
    missing = [
        path for path, each in found.items() if each and each.path not in documented()
    ]
    assert missing == []
    assert len([each for each in found.values() if each]) > 20


def test_public_names_of_the_engine_have_docstrings():
    """A class of a model has that of its module."""
    found = {own_object(path) for path in public_names() if path.startswith(ENGINE)}
    silent = [
        each.path
        for each in found - {None}
        if not (each.has_docstring or (each.is_class and each.module.has_docstring))
    ]
    assert silent == []


def test_a_gap_is_found(tmp_path):
    source = 'def f(a, b):\n    """Add.\n\n    :param a: a number\n    """\n'
    (tmp_path / "probe.py").write_text(f"{source}\ndef g(): pass\n")
    module = reference.griffe.load("probe", search_paths=[str(tmp_path)])
    f, g = (reference.Entry("probe", module[name]) for name in "fg")
    assert list(reference.gaps(f)) == ["probe.f does not explain b"]
    assert list(reference.gaps(g)) == ["probe.g has no docstring"]
