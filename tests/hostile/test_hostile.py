# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A job is alone, whatever it does: its effects are committed exactly once or never,
its end is what the table says, and its neighbours don't notice.

One cell, by its id:

    python3 -m setup pytest tests/hostile --full -k prefork-lease_last-plain-commit-none
"""

from dataclasses import replace

import pytest

from .cells import HOSTILE, all_cells
from .judge import judge

CELLS = [
    pytest.param(cell, id=cell.id, marks=() if cell.is_quick else pytest.mark.long)
    for cell in all_cells()
]
#: Wrong expectations of a job that leaves one effect and is done.
WRONG = {
    "state": "failed",
    "effects": (),
    "starts": 2,
    "name": "ValueError",
    "says": "a text that is nowhere",
    "shows": "a place that is nowhere",
    "lines": 1,
    "parameter": "new",
}


@pytest.mark.parametrize("cell", CELLS)
def test_cell(batches, cell):
    batch = batches[cell.server]
    problems = batch.verdicts[cell.id].problems
    facts = "\n  ".join(str(job) for job in batch.facts[cell.id])
    assert not problems, "\n".join([*problems, "", facts])


@pytest.mark.parametrize("server", ["prefork", "threaded", "threads"])
class TestServer:
    """What belongs to no single cell."""

    @pytest.fixture
    def batch(self, batches, server):
        if server not in batches:
            pytest.skip("none of its cells is wanted")
        return batches[server]

    def test_nothing_else_is_logged(self, batch):
        strays = [str(record)[:500] for record in batch.stray_log()]
        assert not strays, "\n".join(strays)

    def test_each_interruption_was_possible(self, batch):
        assert not batch.errors

    def test_calm_jobs_find_what_they_should(self, batch):
        assert len(batch.calm) == 4

    @pytest.mark.parametrize("name", WRONG)
    def test_a_wrong_expectation_is_noticed(self, batch, name):
        """Else a right verdict would be worth nothing."""
        cell = next((c for c in batch.cells if c.behaviour.name == "one_effect"), None)
        if cell is None:
            pytest.skip("the cell isn't wanted")
        facts = batch.facts[cell.id]
        assert [job.role for job in facts].count(HOSTILE) == 1
        (right,) = cell.rights
        assert not judge(cell, facts, batch.calm, [right]).problems
        wrong = replace(right, **{name: WRONG[name]})
        assert judge(cell, facts, batch.calm, [wrong]).problems
