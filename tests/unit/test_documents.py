# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The documents name files, tests and sections that exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
EVIDENCE = DOCS / "evidence"
REFERENCE = DOCS / "reference"
#: The files of the tutorial's addon.
OF_TUTORIAL = "parcel/"

TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
#: A file of ours in code: `claims.py`, `claim/claims.py`, `sql/gates.sql`, ...
FILE = re.compile(r"`([\w./-]*\w\.(?:py|js|sql|xml|patch))(?:::\w+)?`")
#: (path, anchor) of the links of Markdown and of reStructuredText.
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([\w-]+))?\)")
RST_LINK = re.compile(r"(?:`[^`<]+ <|^\.\. image:: )(?!\w+:)([^>#\s]+)", re.M)


def pages():
    """All pages that a reader of the repository opens."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("*.rst"), *DOCS.rglob("*.md")])


def name_of(page):
    """Several pages are called README.md, so that a name says where it is."""
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", pages(), ids=name_of)


def links(page):
    text = page.read_text()
    if page.suffix == ".rst":
        return [(path, "") for path in RST_LINK.findall(text)]
    return LINK.findall(text)


def anchors(page):
    """The anchors of the headings of a page, as forges make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page):
    for path, anchor in links(page):
        target = page.parent / path if path else page
        if not target.exists():
            yield path
        elif anchor and anchor not in anchors(target):
            yield f"{path}#{anchor}"


@each_page
def test_tests_exist(page):
    missing = [
        f"{path}::{name}"
        for path, name in TEST.findall(page.read_text())
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert not missing


@each_page
def test_links_lead_somewhere(page):
    assert list(broken_links(page)) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# Some `heading`\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](not-there.md) [c](there.md#some-heading) "
        "[d](there.md#none) [e](#none) ![f](no/picture.png) [g](https://example.com)"
    )
    found = list(broken_links(page))
    assert found == ["not-there.md", "there.md#none", "#none", "no/picture.png"]
    page = tmp_path / "page.rst"
    page.write_text("`a <there.md>`_ `b <gone.md>`_\n\n.. image:: no.png\n")
    assert list(broken_links(page)) == ["gone.md", "no.png"]


@pytest.fixture(scope="module")
def files():
    """The files of the repository, each with a slash in front."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [f"/{name}" for name in done.stdout.splitlines() if (ROOT / name).exists()]


@each_page
def test_named_files_exist(page, files):
    """A page may leave out the folders that its context makes clear."""
    missing = [
        name
        for name in FILE.findall(page.read_text())
        if not name.startswith(OF_TUTORIAL)
        and not any(path.endswith(f"/{name}") for path in files)
    ]
    assert missing == []


def test_the_index_names_every_page():
    named = {(DOCS / path).resolve() for path, _anchor in links(DOCS / "README.md")}
    folders = [DOCS, HOW_TO, DOCS / "decisions", REFERENCE]
    indexes = [folder / "README.md" for folder in folders]
    for index in indexes[1:]:
        assert index in named
        named |= {(index.parent / path).resolve() for path, _anchor in links(index)}
    assert [name_of(page) for page in DOCS.rglob("*.md") if page not in named] == [
        "docs/README.md"
    ]


def test_the_worked_example_applies(files):
    command = ["git", "apply", "--check", "docs/contributing/an_option.patch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


#: Pages whose blocks are drawings.
PICTURES = ("architecture.md", "state_machine.md")

#: Labels which are not ours to choose: of a field of the community, of Odoo's mixin.
GIVEN = ("Task", "Font awesome icon e.g. fa-tasks")


def test_each_guide_says_when_it_was_tried():
    tried = EVIDENCE / "tried.md"
    guides = [
        page
        for page in DOCS.rglob("*.md")
        if "\n```" in page.read_text() and page != tried and page.name not in PICTURES
    ]
    assert len(guides) > 10
    named = {(EVIDENCE / path).resolve() for path, _anchor in links(tried)}
    others = [page for page in guides if page.parent not in (HOW_TO, REFERENCE)]
    assert [page for page in others if page not in named] == []


def words_not_used(title: str) -> list[str]:
    """The first column of the table below a title of the glossary."""
    section = (DOCS / "glossary.md").read_text().split(f"## {title}\n")[1]
    section = section.split("\n## ")[0]
    return re.findall(r"^\| ([^|]+) \| ", section, re.M)[1:]


def foreign_words():
    return words_not_used("Words of others") + words_not_used("Words no longer used")


#: Pages that speak of other systems, in their words.
OF_OTHERS = ("docs/glossary.md", "docs/migration.md")


def prose():
    """(path, text) of all that people read, without code and addresses."""
    for page in [*pages(), *ROOT.glob("*/readme/**/*.md")]:
        if name_of(page) not in OF_OTHERS:
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
            yield name_of(page), re.sub(r"`[^`\n]*`+|\]\([^)]*\)|\S+/\S*", "", text)
    for page in ROOT.glob("*/i18n/*.pot"):
        texts = re.findall(r'^(?:msgid )?"(.*)"$', page.read_text(), re.M)
        yield name_of(page), "\n".join(text for text in texts if text not in GIVEN)


def test_only_words_of_the_glossary():
    words = foreign_words()
    assert "task" in words
    pattern = re.compile(rf"\b(?:{'|'.join(words)})s?\b", re.I)
    texts = list(prose())
    assert len(texts) == len(dict(texts))
    found = {name: pattern.findall(text) for name, text in texts}
    assert {name: said for name, said in found.items() if said} == {}


def test_the_code_has_the_words_of_the_field():
    words = words_not_used("Words no longer used")
    assert "doorbell" in words
    pattern = re.compile(rf"(?:\b|_)(?:{'|'.join(words)})(?:s?\b|_)", re.I)
    found = {
        name_of(path): said
        for path in (ROOT / "queue_job").rglob("*.py")
        if "migrations" not in path.parts
        for said in [pattern.findall(path.read_text())]
        if said
    }
    assert found == {}


def test_a_hundred_promises():
    text = (EVIDENCE / "promises.md").read_text()
    numbers = re.findall(r"^\| C(\d+) \| .+ \| .+ \|$", text, re.M)
    assert [int(number) for number in numbers] == list(range(1, 101))


def test_evidence_says_what_it_is():
    for page in EVIDENCE.glob("*.md"):
        assert "\nEvidence, not a manual: " in page.read_text()[:200], page.name
