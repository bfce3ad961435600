# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which dead jobs are finalized together, by one lease."""

from collections.abc import Collection
from typing import Any

#: Dead jobs that one lease finalizes, at most.
BATCH_LIMIT = 50

#: A row of ``queries.IN_FLIGHT``.
Row = dict[str, Any]


def batches(rows: list[Row], tried: Collection[int]) -> list[list[Row]]:
    """Divide the dead jobs that end for one cause among leases.

    A job that is found dead again, although a lease was to finalize it with others, has
    a lease of its own from then on: what ended that lease too early, a hook that hangs
    or kills the worker, holds up its own job and no other.

    :param rows: of the dead jobs
    :param tried: ids of the leases that were to finalize several jobs
    :return: the rows of each lease

    >>> rows = [{"id": number, "lease_id": 7 if number == 2 else 1}
    ...         for number in (1, 2, 3)]
    >>> [[row["id"] for row in batch] for batch in batches(rows, {7})]
    [[2], [1, 3]]
    """
    alone = [[row] for row in rows if row["lease_id"] in tried]
    others = [row for row in rows if row["lease_id"] not in tried]
    return alone + [
        others[start : start + BATCH_LIMIT]
        for start in range(0, len(others), BATCH_LIMIT)
    ]
