# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The documents name tests and sections that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\(([\w/.]*)(?:#([\w-]+))?\)")


def pages():
    return sorted(DOCS.glob("*.md"))


def anchors(page):
    """The anchors of the headings of a page, as they are made by forges."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_tests_exist(page):
    missing = [
        f"{path}::{name}"
        for path, name in TEST.findall(page.read_text())
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert not missing


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_a_hundred_promises():
    text = (DOCS / "promises.md").read_text()
    numbers = re.findall(r"^\| C(\d+) \| .+ \| .+ \|$", text, re.M)
    assert [int(number) for number in numbers] == list(range(1, 101))
