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


#: Pages whose blocks are drawings.
PICTURES = ("architecture.md", "state_machine.md")

#: Labels which are not ours to choose: of a field of the community, of Odoo's mixin.
GIVEN = ("Task", "Font awesome icon e.g. fa-tasks")


def test_each_guide_says_when_it_was_tried():
    text = (DOCS / "tried.md").read_text()
    guides = [
        page
        for page in DOCS.rglob("*.md")
        if "\n```" in page.read_text() and page.name not in ("tried.md", *PICTURES)
    ]
    assert len(guides) > 10
    named = {(DOCS / path).resolve() for path, _anchor in LINK.findall(text)}
    tasks = DOCS / "tasks"
    assert [page for page in guides if page not in named and page.parent != tasks] == []


def foreign_words():
    section = (DOCS / "glossary.md").read_text().split("## Words of others")[1]
    return re.findall(r"^\| ([^|]+) \| ", section, re.M)[1:]


def prose():
    """(name, text) of all that people read, without code and addresses."""
    pages = [*ROOT.glob("*.rst"), *DOCS.rglob("*.md"), *ROOT.glob("*/readme/**/*.md")]
    for page in pages:
        if page.name not in ("glossary.md", "migration.md"):
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
            yield page.name, re.sub(r"`[^`\n]*`+|\]\([^)]*\)|\S+/\S*", "", text)
    for page in ROOT.glob("*/i18n/*.pot"):
        texts = re.findall(r'^(?:msgid )?"(.*)"$', page.read_text(), re.M)
        yield page.name, "\n".join(text for text in texts if text not in GIVEN)


def test_only_words_of_the_glossary():
    words = foreign_words()
    assert "task" in words
    pattern = re.compile(rf"\b(?:{'|'.join(words)})s?\b", re.I)
    found = {name: pattern.findall(text) for name, text in prose()}
    assert {name: said for name, said in found.items() if said} == {}


def test_a_hundred_promises():
    text = (DOCS / "promises.md").read_text()
    numbers = re.findall(r"^\| C(\d+) \| .+ \| .+ \|$", text, re.M)
    assert [int(number) for number in numbers] == list(range(1, 101))
