# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The numbers of `make counts`, on small trees and on this repository."""

import ast
from textwrap import dedent

import pytest

from setup import counts
from setup.console import SetupError


@pytest.fixture
def addon(tmp_path):
    """A function which writes modules of the addon and returns its directory."""
    (tmp_path / "queue_job_cron").mkdir()

    def write(modules):
        for name, source in modules.items():
            path = tmp_path / "queue_job" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source))
        return tmp_path / "queue_job"

    return write


def functions(source):
    tree = ast.parse(dedent(source))
    return [function.name for function in counts.public_functions(tree)]


def test_public_functions_are_those_that_others_may_call():
    found = functions(
        """
        def counted():
            def in_a_function(): ...
        def _private(): ...
        if True:
            async def under_a_condition(): ...
        class Public:
            def method(self): ...
            @property
            def value(self): ...
            @value.setter
            def value(self, value): ...
            def _compute_name(self): ...
            def __init__(self): ...
        class _Private:
            def method_of_a_private_class(self): ...
        """
    )
    assert found == ["counted", "under_a_condition", "method", "value"]


@pytest.mark.parametrize(
    "body, expected",
    [
        ("_name = 'a'", ["a"]),
        ("_name = 'a'; _inherit = ['mail.thread']", ["a"]),
        ("_inherit = 'a'", []),
        ("_name = 'a'; _inherit = 'a'", []),
        ("_name = 'a'; _inherit = ['a', 'b']", []),
        ("_name = 'a'; _auto = False", []),
    ],
)
def test_a_table_belongs_to_a_model_of_its_own(body, expected):
    tree = ast.parse(f"class Model(models.Model): {body}")
    assert list(counts.tables(tree)) == expected


def test_wizards_and_abstract_models_are_no_tables():
    for base in ("TransientModel", "AbstractModel"):
        tree = ast.parse(f"class Model(models.{base}): _name = 'a'")
        assert list(counts.tables(tree)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from ..first import a",
        "from ..first.a import function",
        "from odoo.addons.queue_job.first import a",
        "def function():\n    from ..first import a",
    ],
)
def test_two_folders_that_import_each_other_are_a_pair(addon, back):
    root = addon({"first/a": "from ..second import b", "second/b": back})
    assert counts.two_way_pairs(root) == ["first <-> second"]


@pytest.mark.parametrize(
    "back",
    [
        "if TYPE_CHECKING:\n    from ..first import a",
        "from . import c",
        "from odoo import first",
        "from first import a",
    ],
)
def test_what_is_no_import_of_the_other_folder_makes_no_pair(addon, back):
    modules = {"first/a": "from ..second import b", "second/b": back, "second/c": ""}
    assert counts.two_way_pairs(addon(modules)) == []


def test_a_module_at_the_root_is_a_folder_of_its_own(addon):
    root = addon(
        {"job": "from .storage import rows", "storage/rows": "from ..job import Job"}
    )
    assert counts.two_way_pairs(root) == ["job.py <-> storage"]


def test_the_files_of_a_folder_may_import_each_other(addon):
    root = addon({"storage/a": "from . import b", "storage/b": "from . import a"})
    assert counts.two_way_pairs(root) == []


@pytest.mark.parametrize(
    "source, expected",
    [
        ("", 0),
        ("# a comment\n\n\n", 0),
        ('"""The module."""\n\nNAME = 1  # a comment\n', 1),
        ('def f():\n    """First line.\n\n    More.\n    """\n    return 1\n', 2),
        ('class A:\n    """A."""\n', 1),
        ("run(\n    # why\n    1,\n)\n", 3),
        ('SQL = """\nSELECT 1\n\n"""\n', 4),  # a text is no docstring
    ],
)
def test_lines_of_code(source, expected):
    assert counts.code_lines(source) == expected


def test_all_numbers_of_a_small_tree(addon):
    root = addon(
        {
            "__init__": "",
            "job": 'def run():\n    """Run."""\n\ndef stop() -> None: ...\n',
            "models/job": "class Job(models.Model):\n    _name = 'job'\n",
            "tests/test_job": "def test_job(): ...\n",
            "migrations/pre": "def migrate(cr): ...\n",
        }
    ).parent
    found = counts.count(root)
    assert (found.root_files, found.lines, found.tables) == (2, 6, ["job"])
    assert found.code_lines == 4
    assert found.without_docstring == ["queue_job/job.py:4 stop"]
    assert found.without_annotation == ["queue_job/job.py:1 run"]
    assert "      1  tables\n         job\n" in counts.report(found, details=True)
    assert "job.py" not in counts.report(found)


def test_this_repository_can_be_counted(capsys):
    assert counts.show([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(counts.LABELS)


def test_a_commit_that_does_not_exist_is_an_error_in_one_line():
    with pytest.raises(SetupError, match="no-such-commit"):
        counts.count_commit("no-such-commit")
