# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The translations are complete, and keep what the code fills in."""

import re
from pathlib import Path

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


@pytest.mark.parametrize("language", ["de", "fr"])
def test_buttons_side_by_side_say_different_things(language):
    """A requeue runs the job again, the other one enqueues a new job."""
    path = ROOT / "queue_job" / "i18n" / f"{language}.po"
    texts = {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))}
    requeue = {texts[name] for name in ("Requeue", "Requeue Job", "Requeue all")}
    assert texts["Enqueue Again"] not in requeue


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
