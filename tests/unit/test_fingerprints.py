# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which failures are of one kind."""

import time

import pytest

from queue_job.core.fingerprints import LONGEST, fingerprint, wording

UUIDS = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "abcdefab-abcd-abcd-abcd-abcdefabcdef"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (None, ""),
        ("", ""),
        ("Nothing differs here", "Nothing differs here"),
        # numbers and ids
        ("Order 42 is locked", "Order … is locked"),
        ("Order SO0042 is locked", "Order … is locked"),
        ("Invoice INV/2026/0001 is locked", "Invoice INV/… is locked"),
        ("1,234.50 € are missing", "… € are missing"),
        ("-3 is below +7", "… is below …"),
        ("<Shop object at 0x7f3a12bc>", "<Shop object at …>"),
        ("100 % of 7.5% used", "… % of …% used"),
        # records and lists, however many
        ("res.partner(5,) is gone", "res.partner(…) is gone"),
        ("res.partner(5, 6, 7) is gone", "res.partner(…) is gone"),
        ("ids [1, 2, 3]", "ids […]"),
        ("{'name': 'a', 'count': 3}", "{…}"),
        # dates
        ("since 2026-01-31T10:20:30.123+02:00", "since …"),
        ("since 2026-01-31 10:20:30", "since …"),
        ("on 31/01/2026, again", "on …, again"),
        ("in 2:30:00 hours", "in … hours"),
        # quotes
        ("'Ann Smith' may not read", "… may not read"),
        ('"Ann Smith" may not read', "… may not read"),
        ("`Ann` “Ann” ‘Ann’ «Ann» „Ann“", "…"),
        ("It's what I can't do", "It's what I can't do"),
        ("the users' rights of 'Ann'", "the users' rights of …"),
        ("read 'two\nlines' of it", "read … of it"),
        ("value '" + "x" * 5000, "value …"),
        # addresses, paths, hashes
        ("https://shop.example/api?order=a&b=c refused", "… refused"),
        ("mail to ann.smith+x@shop.example bounced", "mail to … bounced"),
        ("no file /srv/data/in/orders.csv", "no file …"),
        (r"no file C:\data\orders.csv", "no file …"),
        ("read and/or write", "read and/or write"),
        *((f"job {uuid} is gone", "job … is gone") for uuid in UUIDS),
        ("key da39a3ee5e6b4b0d3255bfef95601890afd80709", "key …"),
        # space
        ("  two\n   lines\t", "two lines"),
        # what the queue itself cut
        (
            "a [... 987 characters left out ...] b",
            "a [... … characters left out ...] b",
        ),
    ],
)
def test_wording(message, expected):
    assert wording(message) == expected


def test_a_wording_is_bounded():
    assert len(wording("word " * 10_000)) <= LONGEST
    assert wording("word " * 10_000) == wording("word " * 9_000)


@pytest.mark.parametrize(
    "text",
    ["a" * 10_000, "a." * 5_000, "'a" * 5_000, "/a" * 5_000, "1a" * 5_000, "a@" * 5000]
    + [
        "'" * 10_000,
        "a+" * 5_000,
        "-" * 10_000,
        "« " * 5_000,
        "a:/" * 3_000,
        "…" * 9999,
    ]
    + ["abcdefab-" * 1_000, "….," * 3_000, "…," * 4_000 + "x", " " * 10_000],
)
def test_no_text_takes_long(text):
    before = time.perf_counter()
    wording(text)
    assert time.perf_counter() - before < 0.05


def test_a_fingerprint_is_of_function_exception_and_wording():
    base = fingerprint("<a>.b", "ValueError", "Order 1 is locked")
    assert base == fingerprint("<a>.b", "ValueError", "Order 2 is locked")
    assert len(base) == 16
    others = {
        fingerprint("<a>.c", "ValueError", "Order 1 is locked"),
        fingerprint("<a>.b", "KeyError", "Order 1 is locked"),
        fingerprint("<a>.b", "ValueError", "Order 1 is open"),
        fingerprint("<a>.b", None, None),
        fingerprint("<a>.bV", "alueError", "Order 1 is locked"),
    }
    assert len(others | {base}) == 6


def test_any_text_has_a_fingerprint():
    assert fingerprint("<a>.b", "E", "\udcff \0 é").isalnum()


def test_it_stays_what_it_is():
    """A change of the rules empties the fingerprints that are stored: a migration."""
    assert fingerprint("<a>.b", "ValueError", "Order 1 is locked") == "1f05bb8fa7a91cad"
