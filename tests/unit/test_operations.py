# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is offered to operators agrees with the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations"
SOURCE = (ROOT / "queue_job" / "monitoring" / "metrics.py").read_text()


def is_metric(name):
    name = re.sub(r"_(total|bucket|sum|count)$", "", name)
    if runner := re.fullmatch(r"queue_job_runner_(\w+)", name):
        return f'"{runner[1]}"' in SOURCE
    name = re.sub(r"_(run|wait)_seconds$", "_{kind}_seconds", name)
    return f'"{name}"' in SOURCE


@pytest.mark.parametrize("file", ["alerts.yml", "grafana-dashboard.json", "README.md"])
def test_only_metrics_that_exist(file):
    text = (OPERATIONS / file).read_text()
    names = set(re.findall(r"\bqueue_job_(?!\.)[a-z_]+[a-z]\b(?!\.)", text))
    assert len(names) > 5
    assert [name for name in sorted(names) if not is_metric(name)] == []
