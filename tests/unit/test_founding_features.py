# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Each feature of the founding documents names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/evidence/founding-features.md").read_text()
STATIC = (ROOT / "queue_job/static/tests/wait_action.test.js").read_text()
ROWS = re.findall(r"^\| ([AB]\d+) \|(.*)\|$", PAGE, re.MULTILINE)

WITHOUT_TEST = {"A22", "A30", "A33"}


def test_every_row_is_there():
    expected = [f"A{n}" for n in range(1, 37)] + [f"B{n}" for n in range(1, 19)]
    assert [name for name, _text in ROWS] == expected


@pytest.mark.parametrize(("name", "text"), ROWS, ids=[name for name, _text in ROWS])
def test_what_shows_it_exists(name, text):
    shown = re.findall(r"`([^`]+)`", text.rsplit("|", 1)[-1])
    shown = [each for each in shown if "/" in each or "::" in each]
    assert shown or name in WITHOUT_TEST
    for each in shown:
        path, _, test = each.partition("::")
        if path == "static":
            assert f'test("{test}"' in STATIC
        else:
            assert f"def {test}" in (ROOT / path).read_text() or not test
