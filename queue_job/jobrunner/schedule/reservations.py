# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The starts that leases may make in channels with a rate, beside their first job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from .channel import Channel
from .rate import Owner


class Reservations:
    """What the leases of one database have been promised.

    :param root: the channel that holds all others
    :param locate: name of a channel -> the channel, or the nearest above it
    :param lock: of the tree of channels
    """

    def __init__(
        self,
        root: Channel,
        locate: Callable[[str | None], Channel],
        lock: AbstractContextManager,
    ):
        self._root = root
        self._locate = locate
        self._lock = lock
        self._owners: set[Owner] = set()

    def reserve(
        self, channel_name: str | None, owner: Owner, wanted: int, now: float
    ) -> int:
        """Let a lease make more starts than that of the job for which it is granted.

        :param channel_name: full name of the channel of its first job
        :param owner: the database, and the name of the lease's slot
        :param wanted: how many, at most
        :param now: Unix time in seconds
        :return: how many the rates of the channel and its ancestors leave
        """
        with self._lock:
            rated = [each for each in self._locate(channel_name).path() if each.rate]
            room = [each._slots.starts.room(each.rate, now) for each in rated]
            number = int(min([wanted, *room]))
            if number > 0:
                self._owners.add(owner)
                for channel in rated:
                    channel._slots.starts.reserve(owner, number)
            return number

    def settle(self, owner: Owner, times: list[float]) -> None:
        """Take note of the further starts that a lease has made.

        :param owner: the database, and the name of the lease's slot
        :param times: Unix times in seconds
        """
        with self._lock:
            for channel in self._reserved_by(owner):
                channel._slots.starts.settle(owner, times)

    def use_up(self, owner: Owner, now: float) -> None:
        """Take note that a lease was lost: it may have made all its starts.

        :param owner: the database, and the name of the lease's slot
        :param now: Unix time in seconds
        """
        with self._lock:
            for channel in self._reserved_by(owner):
                channel._slots.starts.use(owner, now)

    def release(self, owner: Owner) -> bool:
        """Let a lease that is busy with a long job make no further starts.

        :param owner: the database, and the name of the lease's slot
        :return: whether it could have made some; its channels are uncounted then
        """
        with self._lock:
            channels = self._reserved_by(owner)
            return sum(channel.release_starts(owner) for channel in channels) > 0

    def _reserved_by(self, owner: Owner) -> list[Channel]:
        if owner not in self._owners:
            return []
        self._owners.discard(owner)
        return list(self._root.tree())
