# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which dead jobs are finalized together."""

import pytest

from queue_job.jobrunner.recovery.batches import BATCH_LIMIT, batches


def rows(*leases):
    return [{"id": number, "lease_id": lease} for number, lease in enumerate(leases)]


@pytest.mark.parametrize(
    ("dead", "tried", "expected"),
    [
        (rows(), set(), []),
        (rows(1), set(), [[0]]),
        (rows(1, 2, None), set(), [[0, 1, 2]]),
        (rows(1, 7, 2, 7), {7}, [[1], [3], [0, 2]]),
        (rows(7), {7}, [[0]]),
        (rows(1, 2), {7}, [[0, 1]]),
    ],
)
def test_batches(dead, tried, expected):
    found = [[row["id"] for row in batch] for batch in batches(dead, tried)]
    assert found == expected


def test_a_batch_has_a_limit():
    sizes = [len(batch) for batch in batches(rows(*[1] * (2 * BATCH_LIMIT + 1)), set())]
    assert sizes == [BATCH_LIMIT, BATCH_LIMIT, 1]
