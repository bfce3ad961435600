# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table: scenario, reference, ours, ratio, target, reached or not."""

import math
import platform
import subprocess
from datetime import datetime, timezone

import psutil

from .measure import median
from .settings import REPOSITORY
from .sides import OURS, REFERENCE

_HEADER = ("scenario", "figure", "reference", "ours", "ratio", "target", "reached")


class Results:
    """Figures of all rounds by (scenario, side, metric); read as medians."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, scenario: str, side: str, figures: dict[str, float]) -> None:
        for key, value in figures.items():
            self.values.setdefault((scenario, side, key), []).append(value)

    def get(self, key: tuple[str, str, str]) -> float | None:
        values = self.values.get(key)
        return median(values) if values else None

    def worst(self, key: tuple[str, str, str], more_is_better: bool) -> float | None:
        """The figure of the worst round."""
        values = self.values.get(key)
        return (min if more_is_better else max)(values) if values else None

    def as_json(self) -> dict:
        nested: dict = {}
        for (scenario, side, key), values in self.values.items():
            nested.setdefault(scenario, {}).setdefault(side, {})[key] = values
        return nested


def rows(scenarios: list, results: Results) -> list[tuple[str, ...]]:
    lines = []
    for scenario in scenarios:
        title = scenario.title
        for metric in scenario.metrics:
            reference = metric.read(results, scenario.name, REFERENCE)
            ours = metric.read(results, scenario.name, OURS)
            if reference is None and ours is None:
                continue
            ratio = metric.ratio(ours, reference)
            lines.append(
                (
                    title,
                    metric.title,
                    number(reference, metric.unit),
                    number(ours, metric.unit),
                    f"{ratio:.1f}x" if ratio and math.isfinite(ratio) else "",
                    ", ".join(target.text for target in metric.targets),
                    metric.verdict(ours, reference, results),
                )
            )
            title = ""
    return lines


def number(value: float | None, unit: str = "") -> str:
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".replace(" /s", "/s").strip()


def table(lines: list[tuple[str, ...]]) -> str:
    """A Markdown table that is also readable as plain text."""
    every = [_HEADER, *lines]
    widths = [max(len(line[i]) for line in every) for i in range(len(_HEADER))]

    def render(line: tuple[str, ...]) -> str:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([render(_HEADER), rule, *map(render, lines)])


def rst_table(lines: list[tuple[str, ...]]) -> str:
    """The same as a simple table of reStructuredText, as in the README."""
    short = [("what", "community", "this addon", "ratio", "target", "pass")]
    scenario = ""
    for title, figure, *cells in lines:
        scenario = title or scenario
        short.append((f"{scenario}: {figure}", *(cell or " " for cell in cells)))
    widths = [max(map(len, column)) for column in zip(*short, strict=True)]
    rule = " ".join("=" * width for width in widths)
    rows = [
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in short
    ]
    return "\n".join([rule, rows[0], rule, *rows[1:], rule]) + "\n"


def floor_lines(floor: dict[str, dict[str, float]]) -> str:
    lines = []
    for name, figures in floor.items():
        costs = ", ".join(
            f"{key.removesuffix('_ms')} {value:.2f} ms"
            for key, value in figures.items()
            if key != "rate"
        )
        lines.append(f"- {name}: {figures['rate']:,.0f}/s ({costs} each)")
    return "\n".join(lines)


def machine(cluster) -> str:
    """Date, machine and versions, for whoever reads the table later."""
    with cluster.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgres = cursor.fetchone()[0].split()[0]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 1e9:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, PostgreSQL {postgres}, "
        f"commit {commit or 'unknown'}"
    )
