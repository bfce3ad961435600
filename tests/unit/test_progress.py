# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import doctest
import math
from decimal import Decimal

import pytest

from queue_job.core import texts
from queue_job.progress import progress as module
from queue_job.progress.progress import Progress, Throttle, percent_of_stages


def test_examples():
    assert not doctest.testmod(module).failed


class TestProgress:
    def test_nothing_reported(self):
        assert Progress().percent is None

    def test_default_bounds_are_percentages(self):
        progress = Progress()
        progress.update(progress=40)
        assert progress.percent == 40

    @pytest.mark.parametrize("bounds", [(None, 5), (5, None), (5, 5), (6, 5)])
    def test_useless_bounds_are_ignored(self, bounds):
        progress = Progress()
        progress.update(progress=40, valuemin=bounds[0], valuemax=bounds[1])
        assert progress.bounds is None
        assert progress.percent == 40

    def test_bounds_do_not_change(self):
        progress = Progress()
        progress.update(valuemin=0, valuemax=10)
        progress.update(valuemin=0, valuemax=1000, progress=5)
        assert progress.percent == 50

    def test_the_value_does_not_go_back(self):
        progress = Progress()
        progress.update(progress=50)
        progress.update(progress=20)
        assert progress.percent == 50

    @pytest.mark.parametrize(("value", "percent"), [(-3, 0), (250, 100)])
    def test_the_value_stays_between_the_bounds(self, value, percent):
        progress = Progress()
        progress.update(progress=value)
        assert progress.percent == percent

    def test_a_message_alone(self):
        progress = Progress()
        progress.update(progress=10)
        progress.update(message="Still there")
        assert (progress.percent, progress.message) == (10, "Still there")

    @pytest.mark.parametrize("name", ["message", "status", "stage"])
    def test_texts_are_cut_and_clean(self, name):
        progress = Progress()
        progress.update(**{name: "a\0b\udcff" + "c" * 10_000})
        text = getattr(progress, name)
        assert text.startswith("a\\x00b\\udcffc")
        assert texts.PROGRESS - 5 < len(text) <= texts.PROGRESS

    @pytest.mark.parametrize("stage", ["a\0", "x" * 1000, 12])
    def test_an_odd_stage_begins_once(self, stage):
        progress = Progress()
        progress.update(stage=stage, progress=50)
        progress.update(stage=stage, progress=20)
        assert progress.percent == 50

    def test_a_message_may_be_any_object(self):
        progress = Progress()
        progress.update(message=12, status=False, stage=10**5000)
        assert (progress.message, progress.status) == ("12", "")
        assert progress.stage.startswith("<unprintable int")

    @pytest.mark.parametrize(
        ("value", "percent"),
        [
            (math.nan, 40),
            (math.inf, 100),
            (-math.inf, 40),
            (10**400, 100),
            (-(10**400), 40),
            (Decimal("50"), 50),
            ("50", 50),
        ],
    )
    def test_odd_numbers(self, value, percent):
        progress = Progress()
        progress.update(progress=40)
        progress.update(progress=value)
        assert progress.percent == percent

    @pytest.mark.parametrize("value", ["half", [], object(), 1j])
    @pytest.mark.parametrize("name", ["progress", "valuemin", "valuemax"])
    def test_no_numbers(self, name, value):
        report = {"valuemin": 0, "valuemax": 5, name: value}
        with pytest.raises(ValueError, match=f"{name}=.* is no number: give "):
            Progress().update(**report)

    @pytest.mark.parametrize(
        "bounds",
        [(0, math.nan), (math.nan, 5), (0, math.inf), (-(10**400), 5), (-1e308, 1e308)],
    )
    def test_bounds_that_are_not_finite_are_ignored(self, bounds):
        progress = Progress()
        progress.update(progress=40, valuemin=bounds[0], valuemax=bounds[1])
        assert progress.bounds is None
        assert progress.percent == 40

    def test_a_stage_begins_again(self):
        progress = Progress()
        progress.update(stage="read", progress=3, valuemin=0, valuemax=3)
        progress.update(stage="write", progress=1, valuemin=0, valuemax=10)
        assert progress.percent == 10
        progress.update(stage="write", progress=2)
        assert progress.percent == 20


class TestThrottle:
    def test_a_thousand_reports_a_second(self):
        throttle = Throttle()
        passed = [throttle.allows(number / 1000) for number in range(10_000)]
        assert 48 <= sum(passed) <= 52

    def test_the_first_ones_pass(self):
        throttle = Throttle()
        assert throttle.allows(100.0)
        assert throttle.allows(100.0)

    def test_a_pause_is_not_saved_up(self):
        throttle = Throttle()
        throttle.allows(0)
        assert [throttle.allows(1000) for _i in range(3)] == [True, True, False]


class TestStages:
    STAGES = [("read", 1), ("write", 3)]

    @pytest.mark.parametrize(
        ("stage", "percent", "whole"),
        [("read", 0, 0), ("read", 100, 25), ("write", None, 25), ("write", 100, 100)],
    )
    def test_weights(self, stage, percent, whole):
        assert percent_of_stages(self.STAGES, stage, percent) == whole

    def test_an_unknown_stage_counts_for_all(self):
        assert percent_of_stages(self.STAGES, "other", 40) == 40
        assert percent_of_stages([], None, None) is None
