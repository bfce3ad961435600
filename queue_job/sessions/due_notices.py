# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Of which postponed jobs the runner has to be notified.

It has to know when the next one is due. When a lease has notified it of one, it looks
again at that moment, so it needs no notification of those that are due later. That
matters where many jobs are postponed: PostgreSQL commits the transactions that notify
one after the other, and each of them wakes up the runner.

If that job is cancelled meanwhile, the runner finds the others when the lease ends, or
when it polls.

This module imports nothing of Odoo.
"""

from __future__ import annotations

from datetime import datetime, timedelta

#: So close to the due date of a job, the runner may have looked for the next one
#: already.
LOOKS_SOON = timedelta(seconds=1)


class DueNotices:
    """What one lease has notified the runner of.

    >>> notices, noon = DueNotices(), datetime(2026, 1, 1, 12)
    >>> notices.needs(noon, now=noon - timedelta(hours=1)), notices.commit()
    (True, None)
    >>> notices.needs(noon + timedelta(hours=1), now=noon - timedelta(minutes=5))
    False
    >>> notices.needs(noon + timedelta(hours=1), now=noon)
    True
    """

    def __init__(self) -> None:
        self._known: datetime | None = None
        self._told: datetime | None = None

    def needs(self, due: datetime, now: datetime) -> bool:
        """Whether the runner has to be notified of a job that is postponed.

        If so, the present transaction is taken to do that.

        :param due: when the job is due
        :param now: the present moment
        """
        known = self._known
        if known is not None and now + LOOKS_SOON < known <= due:
            return False
        self._told = due
        return True

    def commit(self) -> None:
        """Note that the present transaction was committed."""
        self._known, self._told = self._told or self._known, None

    def roll_back(self) -> None:
        """Note that the present transaction has notified nobody."""
        self._told = None
