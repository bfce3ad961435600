# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark's table, and what it knows of the inside of the addon."""

import ast
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest

from benchmarks import cost_table, report, scenarios
from benchmarks.cost_table import JobCost
from benchmarks.scenario import Scenario
from benchmarks.sides import OURS, REFERENCE
from benchmarks.stages import STAGES
from benchmarks.targets import LESS, Metric, at_least, at_most

ADDON = Path(__file__).parents[2] / "queue_job"
TIMED = [path for stage in STAGES for path in stage.functions]


def lines(metric, figures):
    """The lines of one metric; figures are [(scenario, side, value)]."""
    results = report.Results()
    for scenario, side, value in figures:
        results.add(scenario, side, {metric.key: value})
    scenario = Scenario("here", "Here", lambda: None, (metric,))
    return report.rows([scenario], results)


def test_a_share_is_of_the_same_side():
    metric = Metric(
        "rate", "rate", "%", targets=(at_least(50),), share_of=("noop", "rate")
    )
    figures = [
        ("noop", OURS, 1000),
        ("noop", REFERENCE, 100),
        ("here", OURS, 490),
        ("here", REFERENCE, 80),
    ]
    ((*_names, reference, ours, ratio, _target, reached),) = lines(metric, figures)
    assert (reference, ours, ratio, reached) == ("80.0 %", "49.0 %", "0.6x", "NO")


def test_a_share_of_what_was_not_measured_has_no_line():
    metric = Metric("rate", "rate", "%", share_of=("noop", "rate"))
    assert lines(metric, [("here", OURS, 490)]) == []


def test_each_round_counts():
    figures = [("here", OURS, value) for value in (5.0, 9.0, 5.0)]
    shown = {}
    for each_round in (False, True):
        metric = Metric("p99", "p99", "ms", LESS, (at_most(6),), each_round=each_round)
        ((*_names, _reference, ours, _ratio, _target, reached),) = lines(
            metric, figures
        )
        shown[each_round] = ours, reached
    assert shown == {False: ("5.00 ms", "yes"), True: ("9.00 ms", "NO")}


@pytest.mark.parametrize(
    "scenario",
    [each for every in scenarios.FAMILIES.values() for each in every],
    ids=lambda scenario: scenario.name,
)
def test_each_figure_has_a_line(scenario):
    """With every target judged, but for those that need other figures of the run."""
    results = report.Results()
    for side in (OURS, REFERENCE):
        results.add("drain_noop", side, {"rate": 100.0})
        figures = {metric.key: 50.0 for metric in scenario.metrics}
        results.add(scenario.name, side, figures)
    found = report.rows([scenario], results)
    assert len(found) == len(scenario.metrics)


def test_names_are_unique():
    names = [each.name for every in scenarios.FAMILIES.values() for each in every]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "path", [path for path in TIMED if not path.startswith("odoo.")]
)
def test_what_is_timed_is_there(path):
    """Who renames one of them tells the benchmark."""
    module, _colon, name = path.partition(":")
    tree = ast.parse((ADDON / f"{module.replace('.', '/')}.py").read_text())
    *classes, name = name.split(".")
    body = tree.body
    for each in classes:
        (found,) = [
            node
            for node in body
            if isinstance(node, ast.ClassDef) and node.name == each
        ]
        body = found.body
    assert name in _names(body)


def _names(body) -> set[str]:
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def test_a_function_is_timed_once():
    assert len(TIMED) == len(set(TIMED))


def test_the_table_of_costs():
    stages = {"rest": 0.001, STAGES[0].title: 0.02}
    plain = {"cpu": 0.05, "postgres": 0.04}
    statements = [
        ("PREPARE queue_job_1 AS UPDATE\n  queue_job", 100, 0.03),
        ("CREATE EXTENSION seldom", 0, 0.0),
    ]
    text = cost_table.table({"noop": JobCost(100, plain, statements, stages)})
    assert f"| {STAGES[0].title} | 200 |" in text
    assert "| outside of all stages | 10 |  |" in text
    assert "| **all of Python, without watches** | 500 |" in text
    assert "| `UPDATE queue_job` | 1.00 | 300 |" in text
    assert "| parsing, planning, messages, other processes | | 100 |" in text
    assert "seldom" not in text


def test_the_table_of_the_readme():
    lines = [
        ("drain: no-op", "jobs run", "1/s", "20/s", "20.0x", "16x", "yes"),
        ("", "of the floor", "-", "80 %", "", "", ""),
    ]
    text = report.rst_table(lines)
    assert docutils.core.publish_doctree(text).findall(docutils.nodes.table)
    assert "drain: no-op: of the floor -" in text
    rows = [line for line in text.splitlines() if not line.startswith("=")]
    assert len(rows) == 3
