# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make pot``: the texts to translate, exported by Odoo itself from a database with
our addons, and the translations brought in line with them.

Texts that are gone leave the translations; new ones are empty there until somebody
translates them. ``tests/unit/test_translations.py`` counts those.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import polib

from . import cache, database
from .console import run, say
from .stack import Stack, open_stack

ADDONS = ("queue_job", "queue_job_cron", "queue_job_portal")
DATES = ("POT-Creation-Date", "PO-Revision-Date")


def main(command: str) -> int:
    with open_stack() as stack:
        with database.temporary(stack.templates.app(), "queue_job_pot") as name:
            _install(stack, name, database.PORTAL_MODULE)
            for addon in ADDONS:
                _export(stack, name, addon)
    for addon in ADDONS:
        for path in translations(addon):
            _merge(path, template(addon))
    return 0


def template(addon: str) -> Path:
    return cache.REPOSITORY / addon / "i18n" / f"{addon}.pot"


def translations(addon: str) -> list[Path]:
    return sorted(template(addon).parent.glob("*.po"))


def _install(stack: Stack, name: str, module: str) -> None:
    """Install a module that the template does not have."""
    command = [stack.python, stack.source.launcher(), "-d", name, "-i", module]
    options = (
        *(f"--addons-path={stack.source.addons_path}", "--stop-after-init"),
        *(f"--data-dir={cache.BUILD / 'data'}", "--no-http", "--max-cron-threads=0"),
    )
    run(
        [*command, *options],
        f"Installing {module}",
        cache.LOGS / "pot-install.log",
        env=stack.templates._env(),
    )


def _export(stack: Stack, name: str, addon: str) -> None:
    config = cache.BUILD / "pot.conf"
    config.parent.mkdir(exist_ok=True)
    config.write_text(
        "[options]\n"
        f"addons_path = {stack.source.addons_path}\n"
        f"data_dir = {cache.BUILD / 'data'}\n"
    )
    path = template(addon)
    path.parent.mkdir(exist_ok=True)
    run(
        [
            *(stack.python, stack.source.launcher(), "i18n", "export"),
            *("-c", config, "-d", name, "-o", cache.BUILD / f"{addon}.pot", addon),
        ],
        f"Exporting the texts of {addon}",
        cache.LOGS / "pot.log",
        env={**os.environ, "PYTHONPATH": str(stack.source.python_path())},
    )
    texts = polib.pofile(str(cache.BUILD / f"{addon}.pot"))
    for header in DATES:  # else each export would be a change
        texts.metadata.pop(header, None)
    texts.save(str(path))
    say(f"  {addon}: {len(texts)} texts")


def _merge(path: Path, pot: Path) -> None:
    translated = polib.pofile(str(path))
    translated.merge(polib.pofile(str(pot)))
    for entry in translated.obsolete_entries():
        translated.remove(entry)
    for entry in translated:
        if entry.msgstr == entry.msgid:  # the linter wants these empty
            entry.msgstr = ""
    translated.sort(key=lambda entry: entry.msgid)
    translated.save(str(path))
    missing = [entry.msgid for entry in translated if is_missing(entry)]
    say(f"  {path.relative_to(cache.REPOSITORY)}: {len(missing)} texts to translate")
    for text in missing:
        say(f"    {text!r}")


def is_missing(entry: polib.POEntry) -> bool:
    """Whether a text needs a translation; words and code may be the same in both."""
    if entry.fuzzy:
        return True
    words = re.sub(r"%\(\w+\)s|%s", "", entry.msgid).split()
    same = len(words) <= 2 or entry.msgid[0] in "{<"
    return not entry.msgstr and not same
