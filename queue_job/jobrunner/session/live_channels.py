# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The rows of the channels as they are in force, and the pauses that end by themselves.

The end of a pause is a moment for which the runner waits, as for a due date. It then
takes the pause out of the row, so that everybody else only has to look at `paused`. A
runner that begins to lead reads the rows, and so goes on to wait where another stopped.
"""

import logging
import time

from ..channels import ChannelManager, ChannelSettings
from . import queries
from .database import Database

_logger = logging.getLogger(__name__)

#: Seconds until a pause is ended again whose row another session has locked.
LOCKED_PAUSE = 1.0

#: Seconds; the longest time until the end of a pause is looked up again, for the clock
#: may have been set meanwhile, or the machine have slept.
LONGEST_WAIT = 60.0


class LiveChannels:
    """The channels of a database as its users set them.

    :param database: the runner's session
    :param manager: gets the settings
    """

    def __init__(self, database: Database, manager: ChannelManager):
        self.database = database
        self.manager = manager
        #: When a pause ends by itself, in monotonic seconds; None if none does.
        self.next_end: float | None = None

    def put_in_force(self) -> None:
        """Put the settings of all rows in force.

        :raise psycopg2.Error: the connection was lost
        """
        rows = self.database.rows(queries.CHANNELS)
        self.manager.apply_settings(
            [
                ChannelSettings(
                    row["complete_name"],
                    row["capacity"],
                    bool(row["sequential"]),
                    row["throttle"] or 0,
                    bool(row["paused"]),
                    row["rate_limit"],
                    row["rate_period"],
                    bool(row["threads"]),
                )
                for row in rows
            ]
        )
        wait = seconds_to_wait(self.database.value(queries.NEXT_PAUSE_END))
        self.next_end = None if wait is None else time.monotonic() + wait

    def end_pauses(self, now: float) -> bool:
        """End the pauses whose time has come.

        :param now: monotonic seconds
        :return: whether there was something to end
        :raise psycopg2.Error: the connection was lost
        """
        if self.next_end is None or now < self.next_end:
            return False
        for row in self.database.rows(queries.END_PAUSES):
            _logger.info(
                "%s: the pause of channel %s is over",
                self.database.db_name,
                row["complete_name"],
            )
        self.put_in_force()
        return True


def seconds_to_wait(seconds: float | None) -> float | None:
    """How long to wait before pauses are ended.

    :param seconds: until the first one ends, negative if it should have; None for never
    :return: seconds, None for never

    >>> [seconds_to_wait(each) for each in (None, 0.25, 1e9, 0, -5)]
    [None, 0.25, 60.0, 1.0, 1.0]
    """
    if seconds is None:
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else LOCKED_PAUSE
