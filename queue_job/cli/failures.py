# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command `odoo-bin queue_job failures`: the kinds of failures of all companies.

The table is for people and cuts the messages; `--json` has all that is known.
"""

from __future__ import annotations

from argparse import Namespace

from odoo import SUPERUSER_ID, api

from ..core.failure_kinds import ACKNOWLEDGED, OPEN
from .commands import LIST_LIMIT, NOTHING, OK, Console

COLUMNS = ("state", "count", "last_seen", "function", "exception", "message")

#: Characters of a message in the table.
WIDTH = 80

#: key in the JSON -> field
FIELDS = {
    "kind": "fingerprint",
    "state": "state",
    "count": "job_count",
    "day": "day_count",
    "day_before": "day_before_count",
    "trend": "trend",
    "new": "is_new",
    "came_back": "came_back",
    "first_seen": "first_seen",
    "last_seen": "last_seen",
    "function": "function",
    "exception": "exc_name",
    "message": "wording",
    "module": "module",
    "first_version": "first_version",
    "changed_since": "changed_since",
    "trial": "trial_text",
    "by": "user_id",
    "company": "company_id",
}


def main(registry, options: Namespace) -> int:
    """Run the command in a transaction of its own; return the exit code."""
    with registry.cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        return failures(env, options, Console(as_json=options.json))


def failures(env, options: Namespace, console: Console) -> int:
    """Print a line for each kind, the one that was seen last first.

    :param env: of the superuser
    :param options: of the command line: `all`, `limit` and `json`
    :param console: where it is printed
    :return: the exit code: 4 if there is no kind
    """
    model = env["queue.job.failure.kind"]
    model._refresh()
    shown = [("job_count", ">", 0), ("state", "in", [OPEN, ACKNOWLEDGED])]
    kinds = model.search(
        [] if options.all else shown, limit=options.limit or LIST_LIMIT
    )
    rows = [{key: _value(kind, name) for key, name in FIELDS.items()} for kind in kinds]
    if not console.as_json:
        for row in rows:
            row["message"] = (row["message"] or "")[:WIDTH]
    console.table(rows, COLUMNS)
    return OK if kinds else NOTHING


def _value(kind, name: str):
    """The value of a field; None where there is none."""
    value, sort = kind[name], kind._fields[name].type
    if sort == "many2one":
        return value.display_name or None
    return value if sort in ("boolean", "integer") else value or None
