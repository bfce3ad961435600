# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a job waits: one row for each reason, and for what comes before what."""

import re
from pathlib import Path

import pytest

from queue_job.jobrunner.schedule.channel_config import ChannelLimits
from queue_job.jobrunner.schedule.rate import Rate
from queue_job.monitoring import health
from queue_job.monitoring import waiting_reason as module
from queue_job.monitoring.health import NOTES
from queue_job.monitoring.waiting_causes import CAUSE_OF, CAUSES
from queue_job.monitoring.waiting_line import KEY, PARENT, Link, most_of, subject_of
from queue_job.monitoring.waiting_reason import (
    ChannelFacts,
    Facts,
    Line,
    Load,
    Subject,
    line_of,
    waiting_reason,
)

ROOT = Path(__file__).parents[2]
ALIVE = health.Facts(runner_age=1)
NO_LIMITS = ChannelLimits(0, False, 0, False, None)


def channel(name="root.a", **values):
    """A channel: limits and facts by their names."""
    names = values.keys() & set(ChannelLimits._fields)
    limits = NO_LIMITS._replace(**{each: values.pop(each) for each in names})
    return ChannelFacts(name, limits, **{"id": 7, **values})


def facts(subject=None, channels=(), runner=ALIVE, **values):
    """The facts of job 1, which nothing holds but what is said."""
    job = Subject(**{"id": 1, "ready_for": 1, **(subject or {})})
    return Facts(subject=job, channels=tuple(channels), runner=runner, **values)


def full(**values):
    return [channel(capacity=2, running=2, **values), channel("root")]


PARENT_OF = {"steps": 1, "waits_for": PARENT}
KEY_OF = {"steps": 2, "waits_for": KEY}

CASES = [
    # (facts, code, why)
    (facts(), "soon", "nothing holds it"),
    (facts({"ready_for": 60}), "workers_busy", "nothing in this database does"),
    (facts(total=Load(4, 4)), "total_full", "what all databases run together"),
    (facts(total=Load(4, 5)), "total_full", "the maximum was lowered"),
    (facts(total=Load(4, 3)), "soon", "there is room"),
    (facts(pool=Load(2, 2)), "pool_full", "each worker has a job"),
    (facts(pool=Load(40, 40, True)), "threads_full", "each thread has a job"),
    (facts(pool=Load(2, 1)), "soon", "a worker is free"),
    (facts(pool=Load(2, 2), total=Load(2, 2)), "total_full", "more workers don't help"),
    (facts(channels=full(), total=Load(4, 4)), "full", "a channel here is full"),
    *(
        (facts({"state": state}), None, state)
        for state in ("started", "done", "failed")
    ),
    (facts({"state": "cancelled"}), None, "it has ended"),
    (facts({"state": "enqueued", "enqueued_for": 2}), "enqueued", "a worker has it"),
    (facts({"state": "enqueued", "enqueued_for": 11}), "enqueued_long", "all are busy"),
    (facts({"state": "wait_dependencies"}), "release", "its parents have ended"),
    # -- other jobs
    (facts({"state": "failed"}, **PARENT_OF), "parent_failed", "a user has to act"),
    (facts({"state": "failed"}, **KEY_OF), "key_failed", "which stops a sequence"),
    (facts({"state": "started"}, **PARENT_OF), "parent_running", "it will end"),
    (facts({"state": "enqueued"}, **KEY_OF), "key_running", "it takes its place"),
    (facts({"id": None, "state": None}, **PARENT_OF), "parent_gone", "deleted"),
    (facts({"state": "cancelled"}, **PARENT_OF), "parent_gone", "the sweep is to come"),
    (facts({"state": "done"}, **PARENT_OF), "parent_gone", "it was to run on failure"),
    (facts({"state": "wait_dependencies"}, **PARENT_OF, is_cut=True), "far", "a line"),
    (facts({"state": "failed"}, **PARENT_OF, is_cut=True), "parent_failed", "it ends"),
    (facts(**PARENT_OF), "parent_waits", "the parent is explained"),
    (facts(**KEY_OF), "key_waits", "the holder is explained"),
    # -- its date
    (facts({"date_in": 60}), "date", "the user chose it"),
    (facts({"date_in": float("inf")}), "date", "an odd row"),
    (facts({"date_in": -1}), "soon", "it is over"),
    (facts({"date_in": 9, "retry": 1, "error": "E"}), "retry", "a failed attempt"),
    (facts({"date_in": 9, "retry": 1}), "retry_lost", "nobody wrote down why"),
    (facts({"date_in": 9}, runner=health.Facts()), "date", "a runner would not help"),
    # -- the runner
    (facts(runner=health.Facts()), "no_runner", "there never was one"),
    (facts(runner=health.Facts(runner_age=99)), "runner_lost", "it is gone"),
    (facts(runner=health.Facts(enabled=False)), "disabled", "capacity 0"),
    (facts(runner=health.Facts(config_error="x")), "config_error", "it says why"),
    (facts(runner=health.Facts(server_wide=False)), "not_server_wide", "no runner"),
    *(
        (facts(runner=health.Facts(runner_age=1, runner_note=f"{note}: x")), note, "")
        for note, level in NOTES.items()
        if level == health.DANGER
    ),
    (
        facts({"date_in": 20, "error": "OutdatedCode"}),
        "outdated_code",
        "code that this server doesn't have",
    ),
    (facts(obstacle="modules"), "modules", "an update"),
    (facts(obstacle="drained"), "drained", "a drained database"),
    (facts(obstacle="modules", runner=health.Facts()), "no_runner", "worse"),
    (facts({"is_blocked": True}), "key_new", "the runner decides next"),
    # -- channels
    (facts(channels=[channel(paused=True)]), "channel_paused", ""),
    (facts(channels=[channel(), channel("root", paused=True)]), "channel_paused", ""),
    (facts(channels=[channel(paused=True, fixed="X")]), "channel_fixed", "no button"),
    (
        facts(channels=[channel(paused=True, capacity=1, running=1)]),
        "channel_paused",
        "",
    ),
    (facts(channels=[channel(sequential=True)]), "soon", "it is the first"),
    (facts(channels=[channel(failed=5)]), "soon", "the order does not count"),
    (facts(channels=[channel(sequential=True, failed=5)]), "sequential_failed", ""),
    (facts(channels=[channel(sequential=True, ahead=5)]), "sequential_date", ""),
    (facts(channels=[channel(throttle=9, starts=(8,))]), "throttle", "one second more"),
    (facts(channels=[channel(throttle=9, starts=(9,))]), "soon", "it is over"),
    (facts(channels=[channel(rate=Rate(2, 60), starts=(5, 59))]), "rate", ""),
    (facts(channels=[channel(rate=Rate(2, 60), starts=(5, 61))]), "soon", ""),
    (facts(channels=[channel(rate=Rate(2, 60), starts=(5,))]), "soon", "one is left"),
    (facts(channels=[channel(capacity=2, running=1)]), "soon", "there is room"),
    (facts(channels=[channel(running=9)]), "soon", "no limit"),
    (facts(channels=full()), "full", "no run time was measured"),
    (facts(channels=full(), line=Line(3, 9, 100, 4.0)), "full_estimated", ""),
    (facts(channels=full(), line=Line(3, 9, 100, float("nan"))), "full", "an odd sum"),
    (facts(channels=full(), line=Line(100, 100, 100, 4.0)), "full_long", "no place"),
    (facts(channels=full(), line=Line(0, 9, is_crowded=True)), "full_crowded", ""),
    (facts(channels=full(others=1)), "full_shared", "other databases have slots"),
    (
        facts(channels=[channel(capacity=2, running=1, others=1)]),
        "full_shared",
        "together they fill it",
    ),
    (facts(channels=[channel(capacity=3, running=1, others=1)]), "soon", "one is left"),
]


@pytest.mark.parametrize("case, code, why", CASES)
def test_each_reason(case, code, why):
    reason = waiting_reason(case)
    assert (reason and reason.code) == code, why


def test_what_blocks_and_what_helps():
    for case, record, remedy in (
        (facts({"id": 3, "state": "failed"}, **KEY_OF), ("queue.job", 3), "requeue"),
        (facts({"date_in": 60}), ("queue.job", 1), "action_run_now"),
        (facts(channels=[channel(paused=True)]), module_channel(), "action_resume"),
        (facts(channels=[channel(paused=True, id=None)]), None, None),
        (facts(channels=[channel(paused=True, fixed="X")]), module_channel(), None),
        (
            facts(channels=[channel(sequential=True, failed=5)]),
            ("queue.job", 5),
            "requeue",
        ),
        (facts(channels=full()), module_channel(), None),
    ):
        reason = waiting_reason(case)
        assert (reason.record, reason.remedy) == (record, remedy)


def module_channel():
    return "queue.job.channel", 7


def test_a_blocker_that_waits_is_explained():
    case = facts({"id": 3}, [channel(paused=True)], steps=4, waits_for=PARENT)
    reason = waiting_reason(case)
    assert reason.record == ("queue.job", 3)
    assert reason.values == {"job": 3, "steps": 4}
    assert reason.because.code == "channel_paused"
    assert reason.because.remedy == "action_resume"


def test_the_place_in_the_line_and_the_time_until_it_runs():
    values = waiting_reason(facts(channels=full(), line=Line(11, 40, 100, 30.0))).values
    assert (values["place"], values["waiting"]) == (12, 40)
    assert values["duration"] == 12 * 30 / 2


def test_a_line_is_counted_to_an_end():
    values = waiting_reason(facts(channels=full(), line=Line(11, 100, 100))).values
    assert (values["place"], values["waiting"]) == (12, "100+")


def test_whose_line_is_looked_at():
    """That of the subject in a full channel, and none that does not matter."""
    for case, expected in (
        (facts(channels=full()), "root.a"),
        (facts(channels=[channel(), channel("root", capacity=1, running=1)]), "root"),
        (facts({"id": 3}, full(), **PARENT_OF), "root.a"),
        (facts({"id": 3}, full(), **PARENT_OF, is_cut=True), None),
        (facts({"date_in": 60}, full()), None),
        (facts({"state": "started"}, full(), **PARENT_OF), None),
        (facts(channels=full(paused=True)), None),
        (facts(), None),
    ):
        assert line_of(case) == expected


def test_the_end_of_a_line_of_jobs():
    line = {number: Link(number, PARENT, number + 1) for number in range(1, 5)}
    assert subject_of({**line, 5: Link(5)}, 1)[:3] == (5, 4, PARENT)
    assert subject_of({**line, 5: Link(5)}, 5)[:3] == (5, 0, "")
    assert subject_of({**line, 5: Link(5, KEY, None)}, 4) == (None, 2, PARENT, False)
    assert subject_of(line, 2) == (5, 3, PARENT, True), "the rest was not read"
    circle = {1: Link(1, PARENT, 2), 2: Link(2, KEY, 1)}
    assert subject_of(circle, 1).is_cut


def test_a_page_is_counted_less_far():
    assert most_of(1) > most_of(2) == most_of(80)


def test_when_the_next_start_is_allowed():
    case = facts(channels=[channel(rate=Rate(2, 60), starts=(5, 20, 59))])
    assert waiting_reason(case).values["until"] == pytest.approx(40)


SERVER = {"no_runner", "runner_lost", "disabled", "config_error", "not_server_wide"}


def test_each_reason_has_a_text_and_each_text_a_reason():
    texts = Path(module.__file__).with_name("waiting_texts.py").read_text()
    told = set(re.findall(r'^    "(\w+)": ', texts, re.M))  # not those of health
    assert told == codes() - set(NOTES) - SERVER


def codes():
    return {code for _facts, code, _why in CASES if code}


def test_each_reason_has_a_cause():
    """And each cause is one of the field, with a text."""
    assert codes() == set(CAUSE_OF) - (set(NOTES) - codes())
    model = ROOT / "queue_job/models/queue_job_waiting_reason.py"
    assert re.findall(r'^            \("(\w+)", "', model.read_text(), re.M) == [
        *CAUSES
    ]
