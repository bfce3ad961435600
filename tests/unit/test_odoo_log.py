# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What counts in Odoo's log: alarming records and test results."""

import pytest

from setup import odoo_log

LOG = """\
2026-01-02 03:04:05,678 42 INFO db odoo.modules.loading: all is well
2026-01-02 03:04:05,678 42 ERROR db odoo.http: it broke
Traceback (most recent call last):
ValueError: no
2026-01-02 03:04:05,678 42 WARNING ? odoo.tools.config: odd option
not a record
2026-01-02 03:04:05,678 42 INFO db odoo.tests.result: 1 failed, 2 error(s) of 30 tests
"""


def test_a_record_has_the_lines_that_follow_it():
    records = odoo_log.parse(LOG)
    assert [record.level for record in records] == ["INFO", "ERROR", "WARNING", "INFO"]
    assert str(records[1]) == "ERROR odoo.http: it broke ... ValueError: no"


@pytest.mark.parametrize(
    ("expected", "left"),
    [
        ((), ["ERROR", "WARNING"]),
        (("it broke",), ["WARNING"]),
        (("ValueError: no",), ["WARNING"]),  # a pattern may match the traceback
        (("^WARNING odoo.tools", "^ERROR odoo.http"), []),
        (("all is well",), ["ERROR", "WARNING"]),
    ],
)
def test_what_nobody_expects_is_stray(expected, left):
    strays = odoo_log.stray(odoo_log.parse(LOG), expected)
    assert [record.level for record in strays] == left


def test_the_tolerated_list_gives_a_reason_for_each_pattern():
    lines = [line for line in odoo_log.TOLERATED.read_text().splitlines() if line]
    patterns = [n for n, line in enumerate(lines) if not line.startswith("#")]
    assert all(lines[number - 1].startswith("#") for number in patterns)
    assert odoo_log.tolerated() == [lines[number] for number in patterns]


def test_results_are_counted():
    assert odoo_log.result(LOG) == odoo_log.Result(passed=27, failed=3, skipped=0)


def test_a_run_without_a_result_is_told_apart():
    assert odoo_log.result("2026-01-02 03:04:05,678 42 INFO db x: y") is None
