# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A batch: the jobs that a lease claims at once, and starts one after the other.

While they are claimed no other worker can take them, so a batch is small, and what was
not started after a short time is given back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from ..sessions.job_cursor import Statement
from ..sessions.job_session import JobSession
from .control_session import ControlSession, read_started

#: Seconds in which the jobs of a batch are likely to run, and how many they are at
#: most.
BATCH_SECONDS = 0.05
BATCH_LIMIT = 50

#: Jobs that take less than these seconds are claimed by so many at least: a claim costs
#: as much as one of them.
SHORT_SECONDS = 0.01
SHORT_BATCH = 10

#: Seconds after which the jobs that were not started are given back.
KEEP_SECONDS = 0.15

#: So many of the last jobs tell how long the next ones will take.
LAST_JOBS = 10


def batch_size(outcomes: list[dict]) -> int:
    """How many jobs a lease should claim at once.

    :param outcomes: of the jobs that the lease has run, one at least
    :return: 1 or more
    """
    last = outcomes[-LAST_JOBS:]
    mean = sum(entry["seconds"] for entry in last) / len(last)
    least = SHORT_BATCH if mean < SHORT_SECONDS else 1
    return max(least, min(BATCH_LIMIT, int(BATCH_SECONDS / max(mean, 1e-4))))


class Batch:
    """The batches of one lease, one after the other.

    :param control: the session that claims, starts and returns
    :param session: the session of the jobs, in which a COMMIT may start the next one
    """

    def __init__(self, control: ControlSession, session: JobSession):
        self.control = control
        self.session = session
        self._claimed: deque[tuple[int, int]] = deque()
        self._kept_until = 0.0

    def __len__(self) -> int:
        """How many jobs are claimed and not started."""
        return len(self._claimed)

    def claim(self, channels: list[str], size: int) -> bool:
        """Claim the next jobs of some channels.

        :param channels: the channels that the lease serves
        :param size: how many jobs, at most
        :return: False if there are none
        """
        self._claimed.extend(self.control.fetch_batch(channels, size))
        return bool(self._claimed)

    def start_each(self) -> Iterator[dict]:
        """Start the jobs one after the other, for as long as they are kept.

        :return: the row of each job that was started, see :func:`.read_started`
        """
        self._kept_until = time.monotonic() + KEEP_SECONDS
        while self._claimed and (self.session.has_started or self._is_kept()):
            values = self._start()
            if values is not None:
                yield values

    def _start(self) -> dict | None:
        """Start the next job, unless the COMMIT of the one before has started it."""
        self._return_uncertain()
        claimed = self._claimed.popleft()
        if not self.session.has_started:
            return self.control.start(*claimed)
        rows = self.session.take_started()
        return read_started(rows[0]) if rows else None

    def next_start(self) -> list[Statement] | None:
        """The statement that starts the next job along with the COMMIT of this one.

        :return: None if no job is to be started
        """
        if not self._claimed or not self._is_kept():
            return None
        return [self.control.start_statement(*self._claimed[0])]

    def _is_kept(self) -> bool:
        return time.monotonic() < self._kept_until

    def _return_uncertain(self) -> None:
        """Give back the next job, if a COMMIT may have started it and didn't say so."""
        if self.session.may_have_started and not self.session.has_started:
            self.control.return_started(*self._claimed[0])
            self.session.forget_started()

    def give_back(self) -> None:
        """Give back the jobs that were not started, or not begun."""
        if self._claimed:
            if self.session.may_have_started:
                self.control.return_started(*self._claimed[0])
                self.session.forget_started()
            self.control.return_unstarted()
            self._claimed.clear()
