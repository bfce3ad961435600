# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the commands of `odoo-bin queue_job` do.

Each command is a function of an environment and the parsed arguments; it writes to a
`Console` and returns the exit code. The arguments are described in `cli/queue_job.py`.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TextIO

from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.models import BaseModel

from ..core.states import FINAL
from ..declarations.report import (
    jobs_in_undeclared_channels,
    jobs_of_missing_methods,
    report,
)
from ..models.queue_job_journal_settings import NOTED
from . import foreground

OK, PROBLEM, USAGE, REFUSED, NOTHING = range(5)

LIST_LIMIT = 80
COLUMNS = ("uuid", "state", "channel", "priority", "date_created", "retry", "name")
DETAILS = (
    *COLUMNS,
    "func_string",
    "max_retries",
    "eta",
    "date_enqueued",
    "date_started",
    "date_done",
    "date_cancelled",
    "exec_time",
    "worker_host",
    "worker_pid",
    "identity_key",
    "gate",
    "held_by",
    "graph_uuid",
    "timeout",
    "result",
    "exc_name",
    "exc_message",
    "exc_info",
)
ATTEMPT = ("number", "outcome", "date_start", "date_end", "exc_name", "message")

STATS = """
SELECT channel, state, count(*) FROM queue_job
 GROUP BY channel, state ORDER BY channel, state
"""

#: Jobs that are changed in one transaction.
CHUNK = 1000


@dataclass
class Console:
    """Where the commands write, and whom they ask."""

    as_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    ask: Callable[[str], str] | None = None

    def say(self, text: str) -> None:
        """Write a line for people; there is none in JSON."""
        if not self.as_json:
            self.out.write(f"{text}\n")

    def data(self, value: Any) -> None:
        """Write a value for programs."""
        if self.as_json:
            json.dump(value, self.out, default=str, indent=2, ensure_ascii=False)
            self.out.write("\n")

    def table(self, rows: list[dict], columns: Iterable[str]) -> None:
        """Write rows as a table, or as JSON."""
        self.data(rows)
        columns = list(columns)
        lines = [columns, *([_text(row[name]) for name in columns] for row in rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        for line in lines:
            cells = zip(line, widths, strict=True)
            self.say("  ".join(cell.ljust(width) for cell, width in cells).rstrip())

    def confirm(self, question: str) -> bool:
        """Ask; nobody there means no."""
        ask = self.ask or (input if sys.stdin.isatty() else None)
        if ask is None:
            sys.stderr.write(f"{question} Give --yes to confirm.\n")
            return False
        try:
            return ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False


def main(registry, options: Namespace) -> int:
    """Run a command in a transaction of its own; return the exit code."""
    return run_command(COMMANDS, registry, options)


def run_command(commands: dict[str, Callable], registry, options: Namespace) -> int:
    """Run one of these commands as the superuser; return the exit code."""
    console = Console(as_json=options.json)
    with registry.cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        code: int = commands[options.command](env, options, console)
        return code


# -- which jobs ----------------------------------------------------------------------


def jobs_domain(options: Namespace) -> list:
    """Return the domain of the jobs of these uuids which pass the filters.

    :param options: of the command line: uuids, if any, and filters
    """
    uuids = getattr(options, "uuids", None)
    domain = [("uuid", "in", uuids)] if uuids else []
    if options.state:
        domain.append(("state", "in", options.state))
    if options.channel:
        below = [("channel", "=like", f"{options.channel}.%")]
        domain += ["|", ("channel", "=", options.channel), *below]
    for name, operator, value in (
        ("model_name", "=", options.model),
        ("method_name", "=", options.method),
        ("exc_name", "ilike", options.exception),
        ("user_id.login", "=", options.user),
        ("date_created", "<", _days_ago(options.older)),
        ("date_created", ">=", _days_ago(options.newer)),
    ):
        if value is not None:
            domain.append((name, operator, value))
    return domain


def find_jobs(env, options: Namespace, default_limit: int | None = None) -> BaseModel:
    """Return the jobs of these uuids which pass the filters.

    :param options: of the command line: uuids, if any, and filters
    :param default_limit: jobs at most, where the options give no limit
    :return: records of `queue.job`, the latest first
    """
    return env["queue.job"].search(
        jobs_domain(options),
        order="date_created DESC, id DESC",
        limit=options.limit or default_limit,
    )


def has_filters(options: Namespace) -> bool:
    """Whether the arguments say at all which jobs are meant."""
    names = "uuids state channel model method exception user older newer".split()
    return any(getattr(options, name, None) is not None for name in names[1:]) or bool(
        options.uuids
    )


def _days_ago(days: float | None) -> datetime | None:
    return None if days is None else datetime.now() - timedelta(days=days)


# -- to look at ----------------------------------------------------------------------


def list_jobs(env, options: Namespace, console: Console) -> int:
    """Print a line for each job."""
    jobs = find_jobs(env, options, LIST_LIMIT)
    console.table(_read(jobs, COLUMNS), COLUMNS)
    return OK if jobs else NOTHING


def show(env, options: Namespace, console: Console) -> int:
    """Print all that is known of jobs."""
    jobs = env["queue.job"].search([("uuid", "in", options.uuids)])
    shown = []
    for job in jobs:
        values = _read(job, DETAILS)[0]
        values["attempts"] = _read(job.attempt_ids, ATTEMPT)
        shown.append(values)
        for name, value in values.items():
            if value and name != "attempts":
                console.say(f"{name:15} {_text(value)}")
        for attempt in values["attempts"]:
            told = "  ".join(_text(value) for value in attempt.values() if value)
            console.say(f"{'attempt':15} {told}")
        console.say("")
    console.data(shown)
    return OK if len(jobs) == len(set(options.uuids)) else NOTHING


def why(env, options: Namespace, console: Console) -> int:
    """Print why jobs do not run."""
    found = []
    for uuid in options.uuids:
        job = env["queue.job"].search([("uuid", "=", uuid)])
        if not job:
            continue
        reason = job.waiting_reason(uuid)
        found.append({"uuid": uuid, "state": job.state, **reason})
        console.say(f"{uuid}  {job.state}  {reason.get('text', '')}".rstrip())
    console.data(found)
    return OK if len(found) == len(options.uuids) else NOTHING


def stats(env, options: Namespace, console: Console) -> int:
    """Print how many jobs are in which state, by channel."""
    env["queue.job"].flush_model()
    env.cr.execute(STATS)
    names = ("channel", "state", "jobs")
    rows = [dict(zip(names, row, strict=True)) for row in env.cr.fetchall()]
    console.table(rows, names)
    return OK


def doctor(env, options: Namespace, console: Console) -> int:
    """Print what is wrong with the queue, and the remedy."""
    problems = env["queue.job.dashboard"].get_problems()
    console.data(problems)
    for problem in problems:
        console.say(f"{problem['level'].upper()}: {problem['text']}")
    if not problems:
        console.say("All is well: a runner is alive, and nothing holds jobs back.")
    return PROBLEM if problems else OK


def check(env, options: Namespace, console: Console) -> int:
    """Print what job functions, channels and jobs name and what does not exist."""
    functions = None
    if options.addon:
        functions = _functions_of(env, options.addon)
        if not functions:
            sys.stderr.write(f"The addon {options.addon} declares no job function.\n")
            return NOTHING
    problems = list(report(env, functions))
    if functions is None:
        problems += jobs_in_undeclared_channels(env)
        problems += jobs_of_missing_methods(env)
    names = ("kind", "subject", "text")
    console.data([{name: getattr(each, name) for name in names} for each in problems])
    for problem in problems:
        console.say(str(problem))
    if not problems:
        console.say("All that is declared for jobs exists.")
    return PROBLEM if problems else OK


def _functions_of(env, addon: str) -> BaseModel:
    """Return the job functions which an addon declares in its data files."""
    model = "queue.job.function"
    domain = [("module", "=", addon), ("model", "=", model)]
    ids = env["ir.model.data"].search(domain).mapped("res_id")
    return env[model].browse(ids).exists()


# -- changes -------------------------------------------------------------------------


def purge(env, options: Namespace, console: Console) -> int:
    """Delete ended jobs, many at a time."""
    if not has_filters(options):
        sys.stderr.write("Which jobs? Give their uuids, or filters such as --state.\n")
        return USAGE
    jobs = find_jobs(env, options).filtered(lambda job: job.state in FINAL)
    if not jobs:
        console.say("No job found.")
        console.data({"jobs": 0})
        return NOTHING
    question = f"Purge {len(jobs)} jobs?"
    if len(jobs) > 1 and not options.yes and not console.confirm(question):
        return REFUSED
    for start in range(0, len(jobs), CHUNK):
        jobs[start : start + CHUNK].action_delete_final()
        _commit(env)
    console.say(f"purge: {len(jobs)} job(s)")
    console.data({"jobs": len(jobs)})
    return OK


def prune(env, options: Namespace, console: Console) -> int:
    """Delete the jobs which their channels keep no longer, batch by batch."""
    deleted, more = 0, True
    while more:
        count, more = env["queue.job"]._gc_old_jobs(CHUNK)
        _commit(env)
        deleted += count
    console.say(f"prune: {deleted} job(s)")
    console.data({"jobs": deleted})
    return OK


def pause_or_resume(env, options: Namespace, console: Console) -> int:
    """Pause channels, or resume them."""
    names = options.channels or ["root"]
    channels = env["queue.job.channel"].search([("complete_name", "in", names)])
    missing = set(names) - set(channels.mapped("complete_name"))
    if missing:
        sys.stderr.write(f"There is no channel {', '.join(sorted(missing))}.\n")
        return NOTHING
    paused = options.command == "pause"
    channels = channels.with_context(**{NOTED: True})
    try:
        if paused:
            channels.action_pause(options.reason, options.until)
        else:
            channels.action_resume()
    except UserError as error:  # the end of the pause has passed
        sys.stderr.write(f"{error}\n")
        return USAGE
    console.say(f"{options.command}d: {', '.join(channels.mapped('complete_name'))}")
    console.data([{"channel": name, "paused": paused} for name in names])
    return OK


# -- running -------------------------------------------------------------------------


def run(env, options: Namespace, console: Console) -> int:
    """Run jobs in this process, one after the other."""
    if bool(options.uuids) == bool(options.channel):
        sys.stderr.write("Give the uuids of the jobs, or --channel.\n")
        return USAGE
    outcomes = []
    for uuid, state in foreground.run_jobs(
        env.registry,
        uuids=options.uuids,
        channel=options.channel,
        limit=options.limit,
        debug=options.pdb,
    ):
        outcomes.append({"uuid": uuid, "state": state})
        console.say(f"{uuid}  {state}")
    console.data(outcomes)
    states = {outcome["state"] for outcome in outcomes}
    if not outcomes or foreground.NOT_RUN in states:
        return NOTHING
    return PROBLEM if "failed" in states else OK


def _commit(env) -> None:
    env.flush_all()
    env.cr.commit()


def _read(records, names: Iterable[str]) -> list[dict]:
    return [{name: record[name] or None for name in names} for record in records]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None or value is False else str(value)


COMMANDS = {
    "list": list_jobs,
    "show": show,
    "why": why,
    "stats": stats,
    "doctor": doctor,
    "check": check,
    "pause": pause_or_resume,
    "resume": pause_or_resume,
    "prune": prune,
    "run": run,
    "purge": purge,
}
