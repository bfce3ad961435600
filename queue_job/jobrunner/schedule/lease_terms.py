# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a lease may do with the slot that it holds.

A lease that holds a slot of a channel keeps the limits of the channel for all jobs that
it runs there, one after the other. Which limits these are is decided here, for the
channel of its first job.

==============================  ======================================================
capacity                        the lease holds a slot in the channel and above
sequential, without             it holds the only slot, and each job is the first of
subchannels                     the channel at the moment of its start
sequential, with subchannels    one job: the next may be one of another channel
throttle                        one job: there is a second or more between two starts,
                                so another lease costs no time
rate                            so many starts as are likely in the time of a lease, if
                                the rate leaves them; they are reserved for it
==============================  ======================================================
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .channel import Channel

#: Seconds; no job is expected to take less.
SHORTEST_JOB = 0.001


class LeaseTerms(NamedTuple):
    """What is said to the worker.

    :param exclusive: it runs one job only
    :param in_order: each job is the first of the channel when it starts
    :param rated: it may make so many starts only
    """

    exclusive: bool = False
    in_order: bool = False
    rated: bool = False


def terms_of(channel: Channel) -> LeaseTerms:
    """Return the terms of a lease for a job of a channel.

    >>> a_list = Channel("list", Channel("root", None, 4), 1, sequential=True)
    >>> terms_of(a_list)
    LeaseTerms(exclusive=False, in_order=True, rated=False)
    >>> terms_of(Channel("sub", a_list)) == terms_of(a_list) == LeaseTerms(True)
    True
    """
    path = list(channel.path())
    sequential = [each for each in path if each.sequential]
    in_order = sequential == [channel] and not channel.children
    if any(each.throttle for each in path) or (sequential and not in_order):
        return LeaseTerms(exclusive=True)
    return LeaseTerms(in_order=in_order, rated=any(each.rate for each in path))


def wanted_starts(seconds: float | None, lease_seconds: float) -> int:
    """How many starts a lease should reserve, besides that of its first job.

    What it reserves and doesn't make is missing to others until its report: so where
    nothing is known, none.

    :param seconds: how long a job of the channel has taken of late, None if unknown
    :param lease_seconds: how long a lease lasts

    >>> [wanted_starts(each, 0.25) for each in (None, 60.0, 0.05, 0.001, 0.0)]
    [0, 0, 4, 249, 249]
    """
    if seconds is None:
        return 0
    return max(0, round(lease_seconds / max(seconds, SHORTEST_JOB)) - 1)


def further_starts(
    report: dict[str, Any], outcomes: list[dict[str, Any]], now: float
) -> list[float]:
    """When a lease has started its jobs, but for the first, by this clock.

    The report was on its way for a while, so that is a bit too late, never too early.

    :param report: of the worker: the `seconds` for which it has served the lease
    :param outcomes: one for each job: `at`, the second of the lease in which it began
    :param now: seconds since the epoch
    """
    return [now - report["seconds"] + outcome["at"] for outcome in outcomes[1:]]
