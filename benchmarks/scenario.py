# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A scenario: a name, a function from a side to figures, and their meaning."""

from collections.abc import Callable
from dataclasses import dataclass

from .targets import Metric


@dataclass(frozen=True)
class Scenario:
    """`run(bench, side)` returns figures by metric key; unknown keys are kept too.

    `rounds` limits how often it is repeated in a full run; `only` names the one
    side that can do it; `quick` is false for what a quick run leaves out.
    """

    name: str
    title: str
    run: Callable
    metrics: tuple[Metric, ...]
    rounds: int = 99
    only: str | None = None
    quick: bool = True
