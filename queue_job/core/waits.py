# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long a job waited for its turn: from the moment at which it might have run.

That moment is the latest of three dates: its creation, the date before which it shall
not run (`eta`), and `date_runnable`, when it came back to the queue or the last of its
parents ended. The time before belongs to its parents, or to the person who requeued it.
This module imports nothing of Odoo.
"""

from __future__ import annotations

from datetime import datetime

#: The columns that say since when a job may run; the latest does.
SINCE = ("date_created", "eta", "date_runnable")


def waited_seconds(started: datetime | None, *since: datetime | bool | None) -> float:
    """Return the seconds that a job waited for its turn.

    :param started: when its last attempt began; None if it has not
    :param since: the values of the columns in `SINCE`, None or False where empty
    :return: 0 if it has not begun, or began earlier (the clock was set back)
    """
    dates = [date for date in since if isinstance(date, datetime)]
    return seconds_between(max(dates), started) if dates else 0.0


def seconds_between(start: datetime | None, end: datetime | None) -> float:
    """Return the seconds from a start to an end; 0 where one is not known.

    :return: 0 also if the end is earlier (the clock was set back)
    """
    if not start or not end:
        return 0.0
    return max((end - start).total_seconds(), 0.0)
