# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Any object becomes a text that PostgreSQL takes, of a length that people read."""

import doctest

import pytest
from markupsafe import Markup

from queue_job.core import texts


class Raises:
    """Whose text raises whatever the class says."""

    error: type[BaseException] = ValueError

    def __str__(self):
        raise self.error("no text")

    __repr__ = __bool__ = __str__


class Exits(Raises):
    error = SystemExit


class Silent:
    def __str__(self):
        return 12


class OddClass:
    @property
    def __class__(self):
        raise RuntimeError("no class")

    def __str__(self):
        return "odd"


class OddText(str):
    def __len__(self):
        raise RuntimeError("no length")

    encode = isascii = __str__ = __len__


def takes(text):
    """Whether PostgreSQL would take the text, and whether it is one."""
    return type(text) is str and "\0" not in text and text.encode() is not None


def test_examples():
    assert not doctest.testmod(texts).failed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (False, None),
        ("", ""),
        ("plain", "plain"),
        ("gr\u00fc\u00df \U0001f600", "gr\u00fc\u00df \U0001f600"),
        ("a\0b", "a\\x00b"),
        ("report-\udcff.pdf", "report-\\udcff.pdf"),
        # a pair of surrogates is no character either
        ("\ud83d\ude00 \u00fc \0", "\\ud83d\\ude00 \u00fc \\x00"),
        (b"bytes", "b'bytes'"),
        (12, "12"),
        (0, "0"),
        (["a\0"], "['a\\x00']"),
        (Markup("<b>\0</b>"), "<b>\\x00</b>"),
        pytest.param(OddText("sub"), "sub", id="text of a class"),
        pytest.param(OddClass(), "odd", id="no class"),
        (Raises(), "<unprintable Raises object: ValueError>"),
        (Exits(), "<unprintable Exits object: SystemExit>"),
        (Silent(), "<unprintable Silent object: TypeError>"),
        # Python writes no integer of that length
        pytest.param(10**5000, "<unprintable int object: ValueError>", id="long int"),
    ],
)
def test_storable(value, expected):
    text = texts.storable(value, 100)
    assert text == expected
    assert text is None or takes(text)


@pytest.mark.parametrize("longest", [60, 61, 200, 2_000, 100_000])
@pytest.mark.parametrize("length", [99_999, 100_001, 20_000_000])
def test_a_long_text_keeps_its_ends(longest, length):
    whole = "head" + "x" * (length - 8) + "tail"
    text = texts.storable(whole, longest)
    assert len(text) <= longest
    if length <= longest:
        assert text == whole
    else:
        assert text.startswith("head")
        assert text.endswith("tail")
        left = length - (text.count("x") - "characters".count("x") + 8)
        assert f" {left:,} characters left out " in text


def test_a_long_text_is_plain_and_clean():
    text = texts.storable(Markup("<p>\udcff\0</p>") * 5000, 500)
    assert takes(text)
    assert "&" not in text
    assert len(text) <= 500


def test_a_text_of_the_longest_is_kept():
    assert texts.cut("x" * 50, 50) == "x" * 50


def test_shown():
    assert texts.shown("a\udcff") == "'a\\udcff'"
    assert texts.shown(Raises()) == "<unprintable Raises object: ValueError>"
    assert len(texts.shown("x" * 10_000)) <= 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, True), ("", True), ([], True), (0, True), ([0], False), (Raises(), False)],
)
def test_is_empty(value, expected):
    assert texts.is_empty(value) is expected


def test_what_is_clean():
    assert texts.is_clean("gr\u00fc\u00df")
    assert not texts.is_clean("a\0")
    assert not texts.is_clean("\udcff")
