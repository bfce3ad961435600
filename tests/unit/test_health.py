# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The health of the queue: one row for each reason why jobs do not run."""

import pytest

from queue_job.jobrunner.dispatch.refusals import REMEDIES
from queue_job.monitoring.health import DANGER, NOTES, Facts, health_problems

ALIVE = 3.0
LOST = 16.0

CASES = [
    # (facts, codes in order, why)
    ({"runner_age": ALIVE}, [], "a runner lives, nothing waits"),
    ({"runner_age": 15}, [], "a beat may come late"),
    ({}, ["no_runner"], "no runner was ever here"),
    ({"runner_age": LOST}, ["runner_lost"], "it was here"),
    ({"server_wide": False}, ["not_server_wide"], "the usual reason after install"),
    (
        {"server_wide": False, "runner_age": ALIVE},
        [],
        "the runner is on another server: nothing to say",
    ),
    ({"enabled": False}, ["disabled"], "root:0"),
    (
        {"enabled": False, "server_wide": False},
        ["disabled"],
        "one reason is enough, and this one was meant",
    ),
    ({"config_error": "invalid capacity x"}, ["config_error"], "the server says why"),
    ({"runner_age": ALIVE, "runner_note": "copy"}, ["copy"], "a clone is held back"),
    ({"runner_age": ALIVE, "runner_note": "modules"}, ["modules"], "an update runs"),
    ({"runner_age": ALIVE, "runner_note": "drained"}, ["drained"], "a deployment"),
    ({"runner_age": ALIVE, "runner_note": "secret"}, ["secret"], "nothing is signed"),
    *(
        ({"runner_age": ALIVE, "runner_note": f"{code}: because: x"}, [code], "a cause")
        for code in REMEDIES
    ),
    ({"runner_age": ALIVE, "runner_note": "of another version"}, [], "no known cause"),
    (
        {
            "runner_age": ALIVE,
            "runner_note": "refused: 403",
            "ready": 1,
            "oldest_wait": 600,
        },
        ["refused"],
        "the wait is only what follows",
    ),
    (
        {"runner_age": LOST, "runner_note": "modules"},
        ["runner_lost"],
        "the note of a dead runner means nothing",
    ),
    ({"runner_age": ALIVE, "root_paused": True}, ["paused"], "everything is paused"),
    (
        {"runner_age": ALIVE, "root_paused": True, "paused": ("root.a",)},
        ["paused"],
        "which includes the channels below",
    ),
    (
        {"runner_age": ALIVE, "paused": ("root.a", "root.b")},
        ["channels_paused"],
        "some channels are",
    ),
    ({"runner_age": ALIVE, "trigger": False}, ["no_trigger"], "no bell"),
    ({"runner_age": ALIVE, "runner_listening": False}, ["deaf"], "nobody hears it"),
    (
        {"runner_age": ALIVE, "trigger": False, "runner_listening": False},
        ["no_trigger"],
        "without a bell there is nothing to hear",
    ),
    ({"runner_age": ALIVE, "capacity": 4, "workers": 5}, [], "one worker for users"),
    (
        {"runner_age": ALIVE, "capacity": 4, "workers": 4},
        ["few_workers"],
        "jobs may occupy all workers",
    ),
    (
        {"runner_age": ALIVE, "capacity": None, "workers": 4},
        ["few_workers"],
        "no limit is more than four",
    ),
    ({"runner_age": ALIVE, "capacity": 40, "workers": 0}, [], "threads have no number"),
    (
        {"runner_age": ALIVE, "capacity": 4, "workers": 2, "job_workers": 4},
        [],
        "job workers leave the others to the users",
    ),
    (
        {"runner_age": ALIVE, "capacity": 5, "workers": 9, "job_workers": 4},
        ["few_job_workers"],
        "the fifth job waits for a worker",
    ),
    (
        {"runner_age": ALIVE, "capacity": None, "workers": 9, "job_workers": 4},
        ["few_job_workers"],
        "so it is without a limit",
    ),
    ({"runner_age": ALIVE, "ready": 1, "oldest_wait": 599}, [], "not that long"),
    (
        {"runner_age": ALIVE, "ready": 1, "oldest_wait": 600},
        ["long_wait"],
        "ten minutes are",
    ),
    (
        {"runner_age": LOST, "ready": 1, "oldest_wait": 600},
        ["runner_lost"],
        "the wait is only what follows",
    ),
    (
        {"runner_age": LOST, "trigger": False, "root_paused": True},
        ["runner_lost", "paused", "no_trigger"],
        "several reasons, the worst first",
    ),
]


@pytest.mark.parametrize(("facts", "codes", "why"), CASES)
def test_problems(facts, codes, why):
    assert [problem.code for problem in health_problems(Facts(**facts))] == codes, why


def test_problems_are_sorted_by_level():
    facts = Facts(trigger=False, root_paused=True, workers=2, capacity=9)
    levels = [problem.level for problem in health_problems(facts)]
    assert levels == sorted(levels, key=lambda level: level != DANGER)


def test_values_of_the_texts():
    facts = Facts(runner_age=1, ready=3, oldest_wait=725, oldest_channel="root.mail")
    (problem,) = health_problems(facts)
    assert problem.values == {"minutes": 12, "channel": "root.mail"}


def test_the_reason_of_a_note():
    facts = Facts(runner_age=1, runner_note="error: http://x answered 500: a: b")
    (problem,) = health_problems(facts)
    assert problem.values == {"reason": "http://x answered 500: a: b"}
    assert set(NOTES) == {"copy", "secret", "drained", "modules", *REMEDIES}
