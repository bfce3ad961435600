# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a lease may do with the slot that it holds.

As long as a lease holds a slot of a channel, it keeps the limits of the channel for all
the jobs that it runs there, one after the other. Which limits these are is decided here,
for the channel of its first job.

==============================  ======================================================
capacity                        the lease holds a slot in the channel and above
sequential, without             it holds the only slot, and each job is the first of
subchannels                     the channel at the moment of its start
sequential, with subchannels    one job: the next may be one of another channel
throttle                        one job: there is a second or more between two starts,
                                so another lease costs no time
==============================  ======================================================
"""

from __future__ import annotations

from typing import NamedTuple

from .channel import Channel


class LeaseTerms(NamedTuple):
    """What is said to the worker.

    :param exclusive: it runs one job only
    :param in_order: each job is the first of the channel when it starts
    """

    exclusive: bool = False
    in_order: bool = False


def terms_of(channel: Channel) -> LeaseTerms:
    """Return the terms of a lease for a job of a channel.

    >>> a_list = Channel("list", Channel("root", None, 4), 1, sequential=True)
    >>> terms_of(a_list)
    LeaseTerms(exclusive=False, in_order=True)
    >>> terms_of(Channel("sub", a_list)), terms_of(a_list)
    (LeaseTerms(exclusive=True, in_order=False), LeaseTerms(exclusive=True, in_order=False))
    """
    path = list(channel.path())
    sequential = [each for each in path if each.sequential]
    if any(each.throttle or each.rate for each in path):
        return LeaseTerms(exclusive=True)
    if sequential == [channel] and not channel.children:
        return LeaseTerms(in_order=True)
    return LeaseTerms(exclusive=bool(sequential))
