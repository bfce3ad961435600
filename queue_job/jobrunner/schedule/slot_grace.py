# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The grace period of the slots of a database that the runner has lost.

Its jobs run on, so the other databases must not take its share of the common capacity
at once. The slots are released when the database is led again and what still runs there
has been counted, or after the grace period: a lost database stops no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..channels import ChannelManager

#: Seconds for which a lost database keeps its slots.
GRACE_PERIOD = 10.0


class SlotGrace:
    """The grace period of one database."""

    def __init__(self) -> None:
        self._manager: ChannelManager | None = None
        self._since = 0.0

    def hold(self, manager: ChannelManager | None, now: float) -> None:
        """Keep the slots of a database that is lost, or still is.

        :param manager: the channels of the leadership that has ended, None without one
        :param now: monotonic time in seconds
        """
        if self._manager is None:
            self._manager, self._since = manager, now
            return
        if manager is not None:  # lost again before its jobs were counted
            manager.forget_all()
        if now - self._since >= GRACE_PERIOD:
            self.release()

    def release(self) -> None:
        """Release the slots that are kept, if any."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.forget_all()
