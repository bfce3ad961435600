# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is generated is current; what is quoted is what the code says."""

import ast
import re

import pytest

from setup import cache, docs, readme


@pytest.mark.parametrize("path, text", list(docs.generated()))
def test_generated_files_are_current(path, text):
    assert path.read_text() == text, f"run `make docs`: {path.name}"


@pytest.mark.parametrize("addon", readme.ADDONS)
def test_readmes_are_current(addon):
    assert readme.is_current(addon), "run `make docs`"


def test_each_setting_is_explained():
    table = docs.settings_table()
    for setting in docs.settings():
        assert f"`{setting.env}`" in table
        assert setting.help.endswith(".")


def test_troubleshooting_quotes_what_is_logged():
    text = (cache.REPOSITORY / "docs" / "troubleshooting.md").read_text()
    logged = " ".join(" ".join(constants.split()) for constants in _texts())
    symptoms = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    pieces = [
        piece.strip(" :,;?%s")
        for symptom in symptoms
        for quoted in re.findall(r"`([^`]+)`", symptom)
        for piece in re.split(r"\.\.\.|\bNAME\b|\bADDRESS\b|\[queue_job\]", quoted)
    ]
    pieces = [piece for piece in pieces if len(piece) > 7]
    assert len(pieces) > 15
    assert [piece for piece in pieces if piece not in logged] == []


def _texts():
    """All string constants of the addon; implicit concatenations are one."""
    for path in (cache.REPOSITORY / "queue_job").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
