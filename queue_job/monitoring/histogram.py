# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Arithmetic of the dashboard: percentiles of histograms, sums over channels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence


def percentile(
    histogram: Sequence[int | None],
    bounds: Sequence[float],
    fraction: float,
    maximum: float,
) -> float:
    """Estimate a percentile from the counts of classes.

    :param histogram: one count for each class, the last class has no upper bound
    :param bounds: upper bounds of the other classes
    :param fraction: 0.95 for the 95th percentile
    :param maximum: the largest value there was

    >>> percentile([0, 100, 0], (1.0, 2.0), 0.5, 1.9)
    1.5
    >>> percentile([], (), 0.95, 0)
    0.0
    """
    counts = [count or 0 for count in histogram]
    wanted, below = sum(counts) * fraction, 0
    edges = [0.0, *bounds, max(maximum, *bounds, 0.0) if bounds else maximum]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count and below + count >= wanted:
            value = low + (high - low) * (wanted - below) / count
            return min(value, maximum)
        below += count
    return float(maximum)


def ancestors(name: str) -> Iterable[str]:
    """Yield a channel and those above it.

    >>> list(ancestors("root.a.b"))
    ['root.a.b', 'root.a', 'root']
    """
    while name:
        yield name
        name = name.rpartition(".")[0]


def sum_up_tree(counts: Mapping[str, int]) -> dict[str, int]:
    """Add what is in a channel to each channel above it.

    >>> sum_up_tree({"root.a": 1, "root.a.b": 2})
    {'root.a': 3, 'root': 3, 'root.a.b': 2}
    """
    sums: dict[str, int] = defaultdict(int)
    for name, count in counts.items():
        for channel in ancestors(name):
            sums[channel] += count
    return dict(sums)
