# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import doctest

import pytest

from queue_job import progress as module
from queue_job.progress import Progress, Throttle, percent_of_stages


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

    def test_texts_are_cut_and_clean(self):
        progress = Progress()
        progress.update(message="a\0b" + "c" * 10_000)
        assert progress.message.startswith("abc")
        assert len(progress.message) == module.MAX_TEXT

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
