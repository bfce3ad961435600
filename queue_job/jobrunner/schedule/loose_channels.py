# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels that exist because a job names them: forgotten with their last job.

An addon may make a channel for each customer, or a typing error for each call. All of
them would be kept and walked in every dispatch round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .channel import Channel


class LooseChannels:
    """The channels of a tree that nobody has declared, a parent before its children."""

    def __init__(self) -> None:
        self._channels: dict[Channel, None] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def add(self, channel: Channel) -> None:
        """Take note of a channel that may be forgotten; nothing happens if it is known.

        :param channel: its parents are known, unless they are declared
        """
        self._channels.setdefault(channel)

    def forget_idle(self, is_kept: Callable[[Channel], bool]) -> None:
        """Forget the channels without jobs and without channels below them.

        :param is_kept: whether a channel has been declared since, or configured
        """
        for channel in reversed(list(self._channels)):
            if is_kept(channel):
                del self._channels[channel]
            elif channel.is_idle and channel.parent:
                del channel.parent.children[channel.name]
                del self._channels[channel]
