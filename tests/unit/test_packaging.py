# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Each addon is a package that others can install, and looks like one."""

import ast
import re
import struct
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDONS = sorted(path.parent for path in ROOT.glob("*/__manifest__.py"))
PUBLISHED = {"queue_job", "queue_job_cron", "queue_job_portal"}


def manifest(addon):
    return ast.literal_eval((addon / "__manifest__.py").read_text())


def test_these_are_all():
    assert {addon.name for addon in ADDONS} == PUBLISHED | {"test_queue_job"}


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_an_addon_is_a_package(addon):
    about = manifest(addon)
    assert re.fullmatch(r"19\.0\.\d+\.\d+\.\d+", about["version"])
    assert about["license"] == "LGPL-3"
    assert 'build-backend = "whool.buildapi"' in (addon / "pyproject.toml").read_text()
    assert (addon / "README.rst").is_file()


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_an_icon(addon):
    head = (addon / "static/description/icon.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", head[16:])
    assert width == height >= 100


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_it_depends_on_odoo_and_on_each_other_only(addon):
    ours = {path.name for path in ADDONS}
    others = set(manifest(addon)["depends"]) - ours
    assert others <= {
        "base",
        "base_setup",
        "base_sparse_field",
        "mail",
        "portal",
        "web",
    }
    lines = (ROOT / "oca_dependencies.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_metapackage_names_what_is_published():
    text = (ROOT / "setup/_metapackage/pyproject.toml").read_text()
    named = re.findall(r'"odoo-addon-(\w+)==19\.0\.\*"', text)
    assert set(named) == PUBLISHED


#: What the tests of an addon may import: Odoo and what its own tests import.
OF_ODOO = {"odoo", "freezegun", "lxml", "markupsafe", "psycopg2", "werkzeug"}


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_the_tests_load_where_only_the_requirements_are_installed(addon):
    allowed = OF_ODOO | set(sys.stdlib_module_names)
    allowed |= set((ROOT / "requirements.txt").read_text().split())
    found = {
        f"{path.name}: {name}"
        for path in (addon / "tests").glob("*.py")
        for node in ast.parse(path.read_text()).body
        for name in imported(node)
        if name not in allowed
    }
    assert not found


def imported(node):
    """Return the packages that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {node.module.partition(".")[0]}
    return set()
