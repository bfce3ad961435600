# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The verdict over hostile jobs notices what it is there for."""

from collections import Counter

import pytest

from tests.harness.journal import Attempt
from tests.hostile.cells import AFTER, HOSTILE, all_cells
from tests.hostile.facts import JobFacts
from tests.hostile.judge import judge

CELL = next(cell for cell in all_cells() if cell.behaviour.name == "one_effect")
ROW = {
    **{
        "state": "done",
        "exc_name": "",
        "exc_message": "",
        "result": "",
        "exc_info": "",
    },
    **{"retry": 1, "length": 0, "outcomes": []},
}


def job(role, *times, effects=1, **row):
    attempts = [Attempt(role, number, *time) for number, time in enumerate(times)]
    return JobFacts(role, role, {**ROW, **row}, Counter(work=effects), None, attempts)


GOOD, NEXT = job(HOSTILE, (0, 1)), job(AFTER, (1, 2))


@pytest.mark.parametrize(
    "jobs, count",
    [
        pytest.param([GOOD, NEXT], {}, id="all is well"),
        pytest.param(
            [job(HOSTILE, (0, 1), effects=2), NEXT], {"doubled": 1}, id="twice"
        ),
        pytest.param([job(HOSTILE, (0, 1), effects=0), NEXT], {"lost": 1}, id="lost"),
        pytest.param(
            [job(HOSTILE, (0, 1), state="pending"), NEXT], {"lost": 1}, id="stuck"
        ),
        pytest.param(
            [job(HOSTILE, (0, 1.5)), NEXT], {"overlapping": 1}, id="overlapping"
        ),
        pytest.param(
            [job(HOSTILE, (0, 1), (1, 2), outcomes=["dead"]), job(AFTER, (2, 3))],
            {"false_deaths": 1},
            id="a false death",
        ),
        pytest.param(
            [GOOD, job(AFTER, (1, 2), effects=0, state="failed")], {}, id="neighbour"
        ),
        pytest.param([], {}, id="never enqueued"),
    ],
)
def test_verdict(request, jobs, count):
    verdict = judge(CELL, jobs, [])
    assert bool(verdict.problems) is ("all is well" not in request.node.name)
    for name in ("doubled", "lost", "overlapping", "false_deaths"):
        assert getattr(verdict, name) == count.get(name, 0)


def test_each_cell_has_a_name_of_its_own():
    cells = all_cells()
    assert len({cell.id for cell in cells}) == len(cells) > 2500
    assert all(cell.rights and cell.jobs() for cell in cells)
