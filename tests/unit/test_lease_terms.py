# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a lease may do with its slot, by the limits of its channel."""

import doctest

import pytest

from queue_job.jobrunner.channels import ChannelManager
from queue_job.jobrunner.schedule import lease_terms
from queue_job.jobrunner.schedule.lease_terms import LeaseTerms

CHANNELS = (
    "root:4,wide:2,list:1:sequential,tree:1:sequential,tree.leaf:1,"
    "slow:4:throttle=1,slow.list:1:sequential,paused:1:sequential:paused,"
    "shop:4:rate=9/60,shop.list:1:sequential,shop.slow:1:throttle=2"
)
FREE, IN_ORDER, ONE_JOB = LeaseTerms(), LeaseTerms(in_order=True), LeaseTerms(True)
RATED = LeaseTerms(rated=True)

TERMS = [
    (None, FREE),
    ("root", FREE),
    ("wide", FREE),
    ("wide.below", FREE),
    ("new", FREE),
    ("list", IN_ORDER),
    ("root.list", IN_ORDER),
    ("paused", IN_ORDER),
    # another channel of the tree may have the next job
    ("tree", ONE_JOB),
    ("tree.leaf", ONE_JOB),
    ("list.below", ONE_JOB),
    ("slow", ONE_JOB),
    ("slow.below", ONE_JOB),
    ("slow.list", ONE_JOB),
    ("shop", RATED),
    ("shop.below", RATED),
    ("shop.list", LeaseTerms(in_order=True, rated=True)),
    ("shop.slow", ONE_JOB),
]


@pytest.mark.parametrize(("channel", "terms"), TERMS)
def test_terms(channel, terms):
    manager = ChannelManager()
    manager.simple_configure(CHANNELS)
    assert manager.lease_terms(channel) == terms


def test_a_new_subchannel_counts_from_the_next_lease_on():
    manager = ChannelManager()
    manager.simple_configure(CHANNELS)
    assert manager.lease_terms("list") == IN_ORDER
    manager.notify("db", "root.list.new", "1", 1, 0, 10, None, "pending")
    assert manager.lease_terms("list") == ONE_JOB


def test_doctests():
    assert doctest.testmod(lease_terms).failed == 0
