# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table of a job's CPU: Python by stage, PostgreSQL by statement."""

import re
from dataclasses import dataclass

from .stages import STAGES

_PREPARED = re.compile(r"^PREPARE \S+ AS ")
_SHOWN = 60


@dataclass(frozen=True)
class JobCost:
    """What the jobs of one lease have cost.

    `plain` and `stages` are of two runs: timing the stages takes time.
    """

    jobs: int
    plain: dict
    statements: list[tuple[str, int, float]]  # text, calls, seconds
    stages: dict[str, float]  # seconds of CPU

    def per_job(self, seconds: float) -> float:
        """Microseconds of one job."""
        return 1e6 * seconds / self.jobs

    @property
    def python_us(self) -> float:
        return self.per_job(self.plain["cpu"])

    @property
    def postgres_us(self) -> float:
        return self.per_job(self.plain["postgres"])

    def stage_us(self, title: str) -> float:
        return self.per_job(self.stages.get(title, 0.0))


def table(costs: dict[str, JobCost]) -> str:
    """All of it, as Markdown."""
    parts = [_stages(costs)]
    parts += [_statements(method, cost) for method, cost in costs.items()]
    return "\n\n".join(parts)


def _stages(costs: dict[str, JobCost]) -> str:
    def line(title: str, figures: list[float], lower: str = "") -> str:
        cells = [title, *(f"{figure:.0f}" for figure in figures), lower]
        return f"| {' | '.join(cells)} |"

    def of_all(read) -> list[float]:
        return [read(cost) for cost in costs.values()]

    lines = [
        f"| Python, us of CPU per job | {' | '.join(costs)} | what would lower it |",
        f"|---|{'--:|' * len(costs)}---|",
    ]
    for stage in STAGES:
        figures = of_all(lambda cost, title=stage.title: cost.stage_us(title))
        lines.append(line(stage.title, figures, stage.lower))
    timed = of_all(lambda cost: sum(map(cost.stage_us, cost.stages)))
    plain = of_all(lambda cost: cost.python_us)
    watch = [more - less for more, less in zip(timed, plain, strict=True)]
    lines += [
        line("outside of all stages", of_all(lambda cost: cost.stage_us("rest"))),
        line("the watches, as far as they are not taken off above", watch),
        line("**all of Python, without watches**", plain),
        line("**all of PostgreSQL**", of_all(lambda cost: cost.postgres_us)),
    ]
    return "\n".join(lines)


def _statements(method: str, cost: JobCost) -> str:
    lines = [
        f"| PostgreSQL, {method}: statement | per job | us per job |",
        "|---|--:|--:|",
    ]
    told = 0.0
    for query, calls, seconds in cost.statements:
        told += seconds
        if calls >= cost.jobs / 100:
            us = cost.per_job(seconds)
            lines.append(f"| `{_shown(query)}` | {calls / cost.jobs:.2f} | {us:.0f} |")
    rest = cost.per_job(cost.plain["postgres"] - told)
    lines += [
        f"| parsing, planning, messages, other processes | | {rest:.0f} |",
        f"| **all of PostgreSQL** | | {cost.postgres_us:.0f} |",
    ]
    return "\n".join(lines)


def _shown(query: str) -> str:
    """The beginning of a statement, on one line of a table."""
    text = _PREPARED.sub("", " ".join(query.split())).replace("|", "\\|")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
