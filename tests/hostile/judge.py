# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The verdict over a cell: what is not as the table says. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.harness import journal
from tests.harness.database import FINAL

from .cells import AFTER, BEFORE, HOSTILE, Cell
from .facts import JobFacts
from .table import CLASSIC, DOCUMENTED, NONE, PREFORK, THREADS, Right

#: The longest text of an error that is worth keeping, in characters.
LONGEST_TEXT = 2_000_000

#: What an interruption makes the server say about a job.
INTERRUPTION_LOG = (
    r"its session is ended",
    r"odoo\.sql_db: bad query",
    r"ends without its worker",
    r"dead job|found dead",
    r"given to another worker",
    r"attempt is forgotten",
    r"interrupted|time-?out|cancel",
    r"worker \S* ?.*(killed|ended|replaced)",
    r"job \S+ failed",
)


@dataclass
class Verdict:
    """What was found; ``problems`` is empty when all is right."""

    cell: Cell
    problems: list[str] = field(default_factory=list)
    jobs: int = 0
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    overlapping: int = 0
    false_deaths: int = 0


def judge(
    cell: Cell,
    jobs: Sequence[JobFacts],
    calm: Sequence[dict[str, Any]],
    rights: Iterable[Right] | None = None,
) -> Verdict:
    """Compare what became of a cell with the outcomes that are right.

    :param calm: what jobs find in a server that has seen no hostile job
    :param rights: others than those of the table
    """
    rights = tuple(cell.rights if rights is None else rights)
    verdict = Verdict(cell, jobs=len(jobs))
    if not jobs:
        verdict.problems.append("could not be enqueued")
    before = next((job.details for job in jobs if job.role == BEFORE), None)
    for job in jobs:
        if job.role == HOSTILE:
            found = min((_of_hostile(cell, job, r) for r in rights), key=len)
        else:
            found = _of_neighbour(cell, job, rights, before, calm)
        verdict.problems += [f"{job.role}: {problem}" for problem in found]
    _count(cell, jobs, rights, verdict)
    if verdict.overlapping:
        verdict.problems.append("two jobs of a channel of one ran at once")
    return verdict


def _count(cell, jobs, rights, verdict: Verdict) -> None:
    """The numbers that are printed."""
    attempts = [attempt for job in jobs for attempt in job.attempts]
    verdict.runs = len(attempts)
    verdict.overlapping = max(0, journal.most_at_once(map(_surely, attempts)) - 1)
    for job in jobs:
        accepted = rights if job.role == HOSTILE else (Right(),)
        verdict.doubled += (job.effects - _union(accepted)).total()
        verdict.lost += _is_lost(job, accepted)
        verdict.false_deaths += _died(job) and not any(r.dies for r in accepted)


def _union(rights: Iterable[Right]) -> Counter:
    """The most of each effect that is right."""
    most: Counter = Counter()
    for right in rights:
        most |= Counter(right.effects)
    return most


def _is_lost(job: JobFacts, rights: Iterable[Right]) -> bool:
    """Whether it didn't come to an end, or is done without its effects."""
    if job.state not in FINAL:
        return not any(job.state == right.state for right in rights)
    dones = [Counter(right.effects) for right in rights if right.state == "done"]
    return (
        job.state == "done"
        and bool(dones)
        and not any(effects <= job.effects for effects in dones)
    )


def _died(job: JobFacts) -> bool:
    row = job.row or {"outcomes": [], "exc_name": ""}
    return "dead" in row["outcomes"] or row["exc_name"] == "JobFoundDead"


def _surely(attempt: journal.Attempt) -> journal.Attempt:
    """The time in which it ran for certain."""
    end = attempt.end or max(attempt.start, attempt.beat)
    return journal.Attempt(attempt.uuid, attempt.pid, attempt.start, end)


# -- the hostile job -------------------------------------------------------------------


def _of_hostile(cell: Cell, job: JobFacts, right: Right) -> list[str]:
    problems = []
    if job.state != right.state:
        problems.append(f"is {job.state}, not {right.state}{_error(job)}")
    problems += _effects(job, Counter(right.effects))
    starts = len(job.attempts)
    if not right.fewest <= starts <= right.most:
        problems.append(f"has begun {starts} times, not {right.starts}")
    if job.row:
        problems += _texts(job, right)
        problems += _history(job, right)
    if job.processes:
        problems.append(f"left processes running: {job.processes}")
    return [*problems, *_log(cell, job, right)]


def _error(job: JobFacts) -> str:
    if not job.row or not job.row["exc_name"]:
        return ""
    return f" ({job.row['exc_name']}: {job.row['exc_message'][:150]})"


def _effects(job: JobFacts, wanted: Counter) -> list[str]:
    if job.effects == wanted:
        return []
    return [f"has the effects {dict(job.effects)}, not {dict(wanted)}"]


def _texts(job: JobFacts, right: Right) -> list[str]:
    row, problems = job.row, []
    for name, pattern in {
        "exc_name": right.name,
        "says": right.says,
        "exc_info": right.shows,
    }.items():
        text = f"{row['exc_message']}\n{row['result']}" if name == "says" else row[name]
        if pattern and not re.search(pattern, text):
            shown = text.strip()[-300:] if name == "exc_info" else text[:300]
            problems.append(f"{name} lacks {pattern!r}: {shown!r}")
    if row["length"] > LONGEST_TEXT:
        problems.append(f"keeps {row['length']} characters of its error")
    return problems


def _history(job: JobFacts, right: Right) -> list[str]:
    """Each attempt but the last of a job that is done has a line."""
    outcomes = job.row["outcomes"]
    if "dead" in outcomes and not right.dies:
        return [f"was declared dead: {outcomes}"]
    starts = len(job.attempts)
    expected = starts - (job.state == "done")
    if job.state != "pending" and len(outcomes) != expected:
        return [f"has the history {outcomes} after {starts} starts"]
    return []


#: A classic request came late, see `classic`.
CLASSIC_LOG = (r"was requested to run job .* not in state enqueued",)


#: In threads, who changes what belongs to the process, and computes, is named.
SHARING_LOG = r"what all jobs of this process share|of processor time"


def _records(cell: Cell, job: JobFacts) -> list:
    """The alarming records that name the job, but for those about what is shared."""
    if cell.server != THREADS:
        return job.log
    return [each for each in job.log if not re.search(SHARING_LOG, str(each))]


def _log(cell: Cell, job: JobFacts, right: Right) -> list[str]:
    log = _records(cell, job)
    announced = [*right.log, *_usual_log(cell)]
    if cell.interruption != NONE or right.dies:
        announced += INTERRUPTION_LOG
    problems = _strays(log, announced)
    if right.lines is not None and len(log) != right.lines:
        problems.append(f"is in {len(log)} alarming records, not {right.lines}")
    return problems


def _usual_log(cell: Cell) -> tuple[str, ...]:
    return CLASSIC_LOG if cell.position == CLASSIC else ()


def _strays(records, announced=()) -> list[str]:
    records = [
        record
        for record in records
        if not any(re.search(pattern, str(record)) for pattern in announced)
    ]
    shown = [f"stray log record: {str(record)[:300]}" for record in records[:3]]
    return shown + ["and more"] * (len(records) > len(shown))


# -- its neighbours --------------------------------------------------------------------


def _of_neighbour(cell, job, rights, before, calm) -> list[str]:
    problems = []
    if job.state != "done":
        problems.append(f"is {job.state}{_error(job)}")
    problems += _effects(job, Counter(["work"]))
    if len(job.attempts) != 1:
        problems.append(f"has begun {len(job.attempts)} times")
    problems += _strays(_records(cell, job), _usual_log(cell))
    if not job.details:
        return problems
    parameters = {"old"}
    if job.role == AFTER:
        problems += _surroundings(cell, job.details, before, calm)
        parameters = {right.parameter for right in rights}
    if job.details["parameter"] not in parameters:
        problems.append(f"reads {job.details['parameter']!r}, not {parameters}")
    return problems


#: What a neighbour finds, and by what one sees that two have found the same one.
PARTS = {"session": "backend", "thread": "pid", "process": "pid"}


def _surroundings(cell: Cell, found: dict[str, Any], before, calm) -> list[str]:
    """What is not as the neighbour before found it, if it was in the same place; what
    is not as in a calm server, if there was none."""
    problems = []
    for part, place in PARTS.items():
        if part == "process" and cell.server != PREFORK:
            continue  # that of others, too
        if before and before[place] != found[place]:
            continue
        known = [details[part] for details in ([before] if before else calm)]
        for name, value in found[part].items():
            usual = [each.get(name) for each in known]
            if value not in usual and name not in DOCUMENTED:
                problems.append(f"finds {part} {name} = {value!r}, not {usual[0]!r}")
    return problems
