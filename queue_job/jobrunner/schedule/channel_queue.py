# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The jobs that wait in one channel, and the order in which they leave it.

A job that is due competes by priority, then by its creation, then by its row id.
A job with an eta waits apart until it is due; then it competes like the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .priority_queue import PriorityQueue


class JobSortingKey(NamedTuple):
    """What jobs are ordered by; with and without eta cannot be compared.

    >>> JobSortingKey(None, 5, 1, 2) < JobSortingKey(None, 10, 1, 1)
    True
    >>> JobSortingKey(None, 5, 1, 2) < JobSortingKey(100, 5, 1, 1)
    Traceback (most recent call last):
        ...
    TypeError: '<' not supported between instances of 'NoneType' and 'int'
    """

    eta: float | None
    priority: int
    date_created: Any
    seq: int

    def without_eta(self) -> JobSortingKey:
        """Return the rank among jobs that are due."""
        return self._replace(eta=None)


class JobFacts(NamedTuple):
    """What the channels are told about a job, as it is in the database now.

    :param db_name: name of the database
    :param channel_name: its channel; None for root
    :param uuid: its uuid, or the name of the slot of a lease
    :param seq: id of its row
    :param date_created: a moment; any type, as long as all jobs have the same
    :param priority: smaller is sooner
    :param eta: seconds since the epoch, before which it may not start
    :param state: its state; None for a job that is gone
    """

    db_name: str
    channel_name: str | None
    uuid: str
    seq: int
    date_created: Any
    priority: int
    eta: float | None
    state: str | None

    @classmethod
    def of_row(
        cls, db_name: str, row: dict[str, Any], state: str, eta: float | None = None
    ) -> JobFacts:
        """The facts of a row.

        :param row: channel, uuid, id, date_created and priority
        """
        return cls(
            db_name,
            row["channel"],
            row["uuid"],
            row["id"],
            row["date_created"],
            row["priority"],
            eta,
            state,
        )

    def job_of(self, channel: Any) -> ChannelJob:
        """Make a job of a channel from the facts."""
        return ChannelJob(
            self.db_name,
            channel,
            self.uuid,
            self.seq,
            self.date_created,
            self.priority,
            self.eta or None,
        )

    def agree_with(self, job: ChannelJob, channel: Any) -> bool:
        """Whether a job has the place in this channel that the facts give it."""
        known = (job.channel, job.seq, job.priority, job.eta)
        return known == (channel, self.seq, self.priority, self.eta or None)


class ChannelJob:
    """A job as its channel sees it; equal to itself only."""

    __slots__ = (
        "channel",
        "date_created",
        "db_name",
        "eta",
        "priority",
        "seq",
        "uuid",
    )

    def __init__(
        self,
        db_name: str,
        channel: Any,
        uuid: str,
        seq: int,
        date_created: Any,
        priority: int,
        eta: float | None,
    ) -> None:
        self.db_name = db_name
        self.channel = channel
        self.uuid = uuid
        self.seq = seq
        self.date_created = date_created
        self.priority = priority
        self.eta = eta

    def sorting_key(self) -> JobSortingKey:
        """Return what the job is ordered by; a job without date comes first."""
        dated = () if self.date_created is None else (self.date_created,)
        return JobSortingKey(self.eta, self.priority or 0, dated, self.seq)

    def __lt__(self, other: ChannelJob) -> bool:
        return self.sorting_key() < other.sorting_key()

    def __repr__(self) -> str:
        return f"<ChannelJob {self.uuid}>"


class ChannelQueue:
    """Jobs that wait: those that are due, and those with an eta.

    :param sequential: a due job also waits for jobs with an eta which outrank it
    """

    def __init__(self, sequential: bool = False) -> None:
        self.sequential = sequential
        self._due = PriorityQueue()
        self._planned = PriorityQueue()

    def __len__(self) -> int:
        return len(self._due) + len(self._planned)

    def __contains__(self, job: ChannelJob) -> bool:
        return job in self._due or job in self._planned

    def add(self, job: ChannelJob) -> None:
        """Add a job; nothing happens when it waits already."""
        if job not in self:
            (self._planned if job.eta else self._due).add(job)

    def remove(self, job: ChannelJob) -> None:
        """Forget a job; nothing happens when it does not wait here."""
        self._due.remove(job)
        self._planned.remove(job)

    def peek(self, now: float) -> ChannelJob | None:
        """Return the job that is next, if any."""
        while self._planned and self._planned[0].eta <= now:
            job = self._planned.pop()
            job.eta = None
            self._due.add(job)
        if not self._due:
            return None
        first = self._due[0]
        return None if self._must_wait(first) else first

    def pop(self, now: float) -> ChannelJob | None:
        """Remove and return the job that is next, if any."""
        job = self.peek(now)
        if job:
            self.remove(job)
        return job

    def get_wakeup_time(self) -> float:
        """Return the first eta, or 0."""
        return self._planned[0].eta if self._planned else 0

    def _must_wait(self, first: ChannelJob) -> bool:
        return self.sequential and any(
            planned.sorting_key().without_eta() < first.sorting_key()
            for planned in self._planned
        )
