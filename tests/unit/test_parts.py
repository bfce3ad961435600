# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ``make test`` reads from the reports of its parts."""

from types import SimpleNamespace

import pytest

from setup import cache, junit, lint
from setup.parts import SECOND_RUNS, E2e, Result


def report(path, **outcomes) -> junit.Report:
    """Write a report: name -> None for passed, "skipped", or a failure's message."""
    cases = []
    for name, outcome in outcomes.items():
        inner = f'<failure message="{outcome}">trace</failure>' if outcome else ""
        inner = "<skipped/>" if outcome == "skipped" else inner
        cases.append(f'<testcase classname="tests.e2e.test_x" name="{name}">{inner}')
    path.write_text(f"<suite>{'</testcase>'.join([*cases, ''])}</suite>")
    return junit.read(path)


@pytest.fixture
def part(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LOGS", tmp_path)
    return E2e(SimpleNamespace(python="python"))


def test_a_report_names_what_failed(tmp_path):
    found = report(
        tmp_path / "x.xml", good=None, bad="it broke&#10;more", odd="skipped"
    )
    assert found == junit.Report(1, 1, {"tests.e2e.test_x::bad": "it broke"})


def test_a_test_that_passes_on_its_second_run_is_unsteady(part):
    report(part.report, a=None, b="too late", c="wrong")
    again = part.second_run(part.read())
    report(again.report, b=None, c="wrong again")
    assert again.read() == Result(
        2,
        1,
        0,
        problems=["tests.e2e.test_x::c: wrong"],
        unsteady=["tests.e2e.test_x::b: too late"],
    )


def test_what_the_second_run_left_out_has_failed(part):
    report(part.report, a=None, b="too late")
    again = part.second_run(part.read())
    report(again.report)
    assert (again.read().failed, again.read().unsteady) == (1, [])


@pytest.mark.parametrize(("failed", "runs"), [(0, 0), (1, 1), (SECOND_RUNS + 1, 0)])
def test_many_failures_get_no_second_run(part, failed, runs):
    report(part.report, **{f"t{number}": "bad" for number in range(failed)})
    assert bool(part.second_run(part.read())) == bool(runs)


def test_a_failed_hook_is_named():
    log = "ruff....................Passed\neslint (js)......(no files)Failed\n"
    assert lint.FAILED_HOOK.findall(log) == ["eslint (js)"]
