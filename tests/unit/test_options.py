# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Names of the options of a delayed call, and what the column `options` keeps."""

import math
from datetime import timedelta
from types import SimpleNamespace

import pytest

from queue_job.core import options


def test_unknown_option_is_named():
    with pytest.raises(TypeError, match=r"with_delay\(\).*'prioritty'"):
        options.given({"prioritty": 3})


def test_only_given_extras_travel():
    assert options.given({"timeout": None, "notify": True}) == {"notify": True}
    assert options.given({}) == {}


def test_countdown_is_an_eta():
    arguments = options.job_arguments({"eta": None}, {"countdown": 30})
    assert arguments == {"eta": timedelta(seconds=30)}


def test_countdown_and_eta_exclude_each_other():
    with pytest.raises(ValueError, match=r"countdown=30 and eta=5 .*one of them"):
        options.job_arguments({"eta": 5}, {"countdown": 30})


def test_order_of_the_properties_is_kept():
    given = {"args": (), "kwargs": {}, "priority": 1}
    arguments = options.job_arguments(given, {"timeout": 5, "allow_nested": False})
    assert list(arguments) == ["args", "kwargs", "priority", "timeout"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**12, 10**400, "soon", [], 1j])
def test_countdown_is_refused(value):
    with pytest.raises(ValueError, match=r"option countdown=.*: give 30 for half"):
        options.job_arguments({"eta": None}, {"countdown": value})


# -- kept options --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extras", "kept", "others"),
    [
        ({}, {}, {}),
        (
            {"notify": "done", "sequence_key": "a"},
            {"notify": "done"},
            {"sequence_key": "a"},
        ),
        ({"skip_if_missing": 1}, {"skip_if_missing": True}, {}),
        ({"ignore_result": 1}, {"ignore_result": True}, {}),
        ({"expires": "2026-05-05"}, {"expires": "2026-05-05 00:00:00"}, {}),
        # not asked for
        ({"notify": False, "skip_if_missing": False, "expires": None}, {}, {}),
    ],
)
def test_what_is_kept_of_the_options(extras, kept, others):
    assert options.divide(extras) == (kept, others)


def test_a_value_that_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="notify='sometimes'"):
        options.divide({"notify": "sometimes"})


def test_what_is_kept_is_an_option_of_the_call():
    assert {option.name for option in options.KEPT} < set(options.EXTRAS)


def a_job(**kept):
    env = SimpleNamespace(_=lambda text, *args: text % args)
    return SimpleNamespace(options=kept, env=env)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({}, None),
        ({"expires": "2999-01-01 00:00:00"}, None),
        (
            {"expires": "2026-01-01 00:00:00"},
            "Expired: it was not to be started after 2026-01-01 00:00:00",
        ),
    ],
)
def test_why_a_job_is_not_begun(kept, reason):
    assert options.refusal(a_job(**kept)) == reason


def test_a_moment_that_is_none_is_said():
    with pytest.raises(ValueError, match="expires = 'soon'"):
        options.refusal(a_job(expires="soon"))


def test_only_the_options_of_a_job_hear_of_its_end(monkeypatch):
    heard = []
    option = options.Kept("loud", str, ended=lambda job, value: heard.append(value))
    monkeypatch.setattr(options, "KEPT", (*options.KEPT, option))
    options.tell_ended(a_job(loud="yes", notify=True))
    options.tell_ended(a_job(notify=True))
    assert heard == ["yes"]


def test_an_unknown_option_is_named_with_the_nearest_one():
    with pytest.raises(TypeError, match=r"'priortiy' \(did you mean 'priority'\?\)"):
        options.check_names(["priortiy"])
    with pytest.raises(TypeError, match=r"'routing_key'; the options of a job are: "):
        options.check_names(["routing_key"])
