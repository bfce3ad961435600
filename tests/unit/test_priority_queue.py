# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A heap with removal behaves like a sorted set."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_job.jobrunner.schedule import priority_queue
from queue_job.jobrunner.schedule.priority_queue import PriorityQueue


def test_doctests():
    assert doctest.testmod(priority_queue).failed == 0


def test_none_is_refused():
    with pytest.raises(ValueError):
        PriorityQueue().add(None)


def test_only_the_head_can_be_read():
    queue = PriorityQueue()
    with pytest.raises(IndexError):
        queue[0]
    queue.add(1)
    queue.add(2)
    with pytest.raises(IndexError):
        queue[1]


def test_the_dead_do_not_pile_up():
    queue = PriorityQueue()
    for number in range(1000):
        queue.add(number)
        queue.remove(number)
    assert len(queue) == 0
    assert len(queue._heap) < 50


@given(st.lists(st.tuples(st.sampled_from("arp"), st.integers(0, 9))))
def test_is_a_sorted_set(steps):
    queue, model = PriorityQueue(), set()
    for step, number in steps:
        if step == "a":
            queue.add(number)
            model.add(number)
        elif step == "r":
            queue.remove(number)
            model.discard(number)
        else:
            expected = min(model, default=None)
            assert queue.pop() == expected
            model.discard(expected)
        assert len(queue) == len(model)
        assert set(queue) == model
        assert all(number in queue for number in model)
