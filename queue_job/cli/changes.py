# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Change jobs from the command line: requeue, cancel, set to done, and undo that.

The jobs are counted as in the dialog of the web client, before anything is written:
what will change by state and function, what is left out and why. Many change in parts,
each with its own commit; Ctrl-C stops between two of them.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from odoo.service.model import retrying

from ..core.mass_changes import CANCEL, REQUEUE, SET_DONE, Row, sum_up
from ..core.states import CANCELLED, DONE
from .commands import (
    NOTHING,
    OK,
    PROBLEM,
    REFUSED,
    USAGE,
    Console,
    find_jobs,
    has_filters,
    jobs_domain,
    run_command,
)

METHODS = {"requeue": REQUEUE, "cancel": CANCEL, "done": SET_DONE}

JOURNAL_LIMIT = 20
JOURNAL = ("id", "date", "user", "action", "subject", "jobs", "put_back", "reason")

#: A function that changes the jobs of a range of ids, and returns counts.
Part = Callable[[int, int], Counter]


def main(registry: Any, options: Namespace) -> int:
    """Run a command in transactions of its own; return the exit code."""
    return run_command(COMMANDS, registry, options)


def change(env: Any, options: Namespace, console: Console) -> int:
    """Requeue or cancel jobs, or set them to done."""
    if not has_filters(options):
        sys.stderr.write("Which jobs? Give their uuids, or filters such as --state.\n")
        return USAGE
    jobs, method = env["queue.job"], METHODS[options.command]
    domain = jobs_domain(options)
    if options.limit:
        domain = [("id", "in", find_jobs(env, options).ids)]
    again = _again(options)
    rows = jobs._plan_change(method, domain, again)
    code = _ask(env, rows, options, console)
    if code is not None:
        return code
    choices = jobs._choices(rows, again, options.reason)

    def change_part(first: int, end: int) -> Counter:
        part = [*domain, ("id", ">=", first), ("id", "<", end)]
        return jobs._touched(part, method, again)._change_part(method, choices)

    ranges = jobs._touched(domain, method, again)._ranges()
    counts, stopped = _in_parts(env, ranges, change_part)
    journal = env["queue.job.journal"].search([("change", "=", choices["key"])])
    texts = jobs._reason_texts(choices["holders"])
    _say_changed(rows, counts, texts, console, journal=journal.ids)
    if method != REQUEUE and journal:
        ids = " ".join(map(str, journal.ids))
        console.say(f"To undo it: odoo-bin queue_job undo -d {env.cr.dbname} {ids}")
    return PROBLEM if stopped else OK


def undo(env: Any, options: Namespace, console: Console) -> int:
    """Put back the jobs of changes in the journal that nobody has touched since."""
    lines = env["queue.job.journal"].browse(options.lines).exists()
    missing = sorted(set(options.lines) - set(lines.ids))
    if missing:
        found = "odoo-bin queue_job journal lists those that there are"
        sys.stderr.write(f"The journal has no line {missing[0]}; {found}.\n")
        return NOTHING
    rows = lines._undo_plan()
    code = _ask(env, rows, options, console)
    if code is not None:
        return code
    jobs = env["queue.job"]
    choices = jobs._choices(rows, (), options.reason)
    kept = jobs.browse(env["queue.job.undo"]._job_ids(lines))
    change_part = partial(lines._undo_part, choices=choices)
    counts, stopped = _in_parts(env, kept._ranges(), change_part)
    _say_changed(rows, counts, jobs._reason_texts(choices["holders"]), console)
    return PROBLEM if stopped else OK


def journal(env: Any, options: Namespace, console: Console) -> int:
    """Print the latest changes of jobs, with the numbers that `undo` takes."""
    lines = env["queue.job.journal"].search(
        [("kind", "=", "job")], limit=options.limit or JOURNAL_LIMIT
    )
    rows = [
        {
            "id": line.id,
            "date": line.date,
            "user": line.user_id.login,
            "action": line.action,
            "subject": line.subject,
            "jobs": line.job_count,
            "put_back": line.undone_count or None,
            "reason": line.reason or None,
        }
        for line in lines
    ]
    console.table(rows, JOURNAL)
    return OK if rows else NOTHING


def _again(options: Namespace) -> list[str]:
    """Return the ended states of which the arguments say that the jobs run again."""
    chosen = {DONE: "done_too", CANCELLED: "cancelled_too"}
    return [state for state, name in chosen.items() if getattr(options, name, False)]


# -- before ----------------------------------------------------------------------------


def _ask(env: Any, rows: list[Row], options: Namespace, console: Console) -> int | None:
    """Say what will change and ask for it; return the exit code if nothing shall."""
    if not rows:
        console.say("No job found.")
        console.data({"jobs": 0})
        return NOTHING
    _say_plan(env, rows, console)
    count = sum_up(rows)[None]
    if not count:
        console.say("Nothing to change.")
        console.data({**_plan_data(rows), "jobs": 0})
        return NOTHING
    named = len(getattr(options, "uuids", None) or ()) == 1
    question = f"{options.command.capitalize()} {count} job(s)?"
    if named or options.yes or console.confirm(question):
        return None
    console.data({**_plan_data(rows), "jobs": 0})
    return REFUSED


def _say_plan(env: Any, rows: list[Row], console: Console) -> None:
    changed = [row for row in rows if row.reason is None]
    left = [row for row in rows if row.reason is not None]
    for title, some in (("Will change", changed), ("Left out", left)):
        if some:
            console.say(f"{title}: {sum(row.count for row in some)}")
        for row in some:
            texts = env["queue.job"]._reason_texts(row.holders)
            parts = (row.state, row.function, texts.get(row.reason))
            console.say(f"{row.count:8}  " + "  ".join(filter(None, parts)))


def _plan_data(rows: Iterable[Row]) -> dict[str, list[dict]]:
    data: dict[str, list[dict]] = {"will_change": [], "left_out": []}
    for row in rows:
        told = {"state": row.state, "function": row.function, "jobs": row.count}
        if row.reason is None:
            data["will_change"].append(told)
        else:
            data["left_out"].append({**told, "reason": row.reason})
    return data


# -- the change ------------------------------------------------------------------------


def _in_parts(
    env: Any, ranges: list[tuple[int, int]], change_part: Part
) -> tuple[Counter, bool]:
    """Change range of ids by range; return the counts, and whether it was stopped."""
    counts: Counter = Counter()
    for number, (first, end) in enumerate(ranges, 1):
        try:
            counts += _in_transaction(env, partial(change_part, first, end))
        except KeyboardInterrupt:
            env.cr.rollback()
            sys.stderr.write(f"\nStopped before part {number} of {len(ranges)}.\n")
            return counts, True
        if sys.stderr.isatty() and len(ranges) > 1:
            end_of_line = "\n" if number == len(ranges) else ""
            sys.stderr.write(f"\rPart {number} of {len(ranges)}{end_of_line}")
    return counts, False


def _in_transaction(env: Any, change_part: Callable[[], Counter]) -> Counter:
    """Call a function and commit; again where a worker has written the same rows."""
    counts: Counter = retrying(change_part, env)
    return counts


def _say_changed(
    rows: list[Row], counts: Counter, texts: dict[str, str], console: Console, **data
) -> None:
    """Say how many jobs have changed, and of those which were to change, why not."""
    changed = counts.pop("changed", 0)
    console.say(f"Changed: {changed} job(s)")
    for reason, count in counts.items():
        console.say(f"{count:8}  left out: {texts[reason]}")
    left = {reason: count for reason, count in counts.items() if count}
    console.data({**_plan_data(rows), "jobs": changed, "left": left, **data})


COMMANDS = {
    **dict.fromkeys(METHODS, change),
    "undo": undo,
    "journal": journal,
}
