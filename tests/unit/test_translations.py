# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The translations are complete, and keep what the code fills in."""

import re
from pathlib import Path
from xml.etree import ElementTree

import polib
import pytest

from setup.translations import is_missing

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("queue_job*/i18n/*.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|</?\w+")


def test_german_and_french():
    assert {path.stem for path in FILES} >= {"de", "fr"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_missing(path):
    template = polib.pofile(str(path.parent / f"{path.parent.parent.name}.pot"))
    translated = polib.pofile(str(path))
    assert {entry.msgid for entry in template} == {entry.msgid for entry in translated}
    assert [entry.msgid for entry in translated if is_missing(entry)] == []


def buttons_of_views():
    """The labels of the buttons of each view: they stand side by side."""
    for path in sorted(ROOT.glob("queue_job/*/*_views.xml")):
        for record in ElementTree.parse(path).iter("record"):
            buttons = record.iter("button")
            labels = {each.get("string") or each.get("title") for each in buttons}
            if len(labels - {None}) > 1:
                yield pytest.param(labels - {None}, id=record.get("id"))


@pytest.mark.parametrize("labels", list(buttons_of_views()))
@pytest.mark.parametrize("language", ["de", "fr"])
def test_buttons_side_by_side_say_different_things(language, labels):
    """A requeue runs the job again, another one enqueues a new job."""
    path = ROOT / "queue_job" / "i18n" / f"{language}.po"
    texts = {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))}
    translated = sorted(texts[label].casefold() for label in labels)
    assert translated == sorted(set(translated))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_placeholders_are_kept(path):
    different = [
        entry.msgid
        for entry in polib.pofile(str(path))
        if entry.msgstr
        and sorted(PLACEHOLDER.findall(entry.msgid))
        != sorted(PLACEHOLDER.findall(entry.msgstr))
    ]
    assert different == []
