# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A clock that tests move on, so that due dates, retries and expiry need no waiting."""

from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import freezegun


class Clock:
    """The present, which can be moved on. Real until it is moved for the first time.

    It is the one of all threads of the process.

    :param stack: at its end the real time is back
    """

    def __init__(self, stack: ExitStack):
        self._stack = stack
        self._frozen: Any = None
        self.elapsed = timedelta()

    def now(self) -> datetime:
        """Return the present moment, naive and in the zone of the process."""
        return datetime.now()

    def move_on(self, delta: timedelta) -> None:
        """Let so much time pass at once."""
        self.move_to(self.now() + delta)

    def move_to(self, moment: datetime) -> None:
        """Let it be this moment, or a later one."""
        start = self.now()
        if moment <= start:
            return
        self.elapsed += moment - start
        if self._frozen is None:
            # Ticks on, or code that waits for a time-out would wait for ever.
            freezer = freezegun.freeze_time(moment, tick=True)
            self._frozen = self._stack.enter_context(freezer)
        else:
            self._frozen.move_to(moment)
