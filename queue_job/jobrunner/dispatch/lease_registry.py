# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The leases of one database: which are open, which are suspect, and their slots."""

import random
import time
from collections.abc import Callable, Iterable

from ...claim import lease as lease_protocol
from ...claim.lease import Lease
from ...core.states import STARTED
from ..channels import ChannelManager
from ..schedule.channel_queue import JobFacts
from ..schedule.lease_terms import further_starts, wanted_starts
from ..schedule.rate import Owner
from .dispatcher import Answer, Dispatcher


def slot_of(lease_id: int | str) -> str:
    """The name under which the channels know the slot of a lease.

    It is not the uuid of the lease's first job: that job may wait for its next attempt,
    or run in another lease, while this lease goes on with other jobs.

    :param lease_id: id of the lease, or the uuid of a job that has no lease
    """
    return f"lease {lease_id}"


#: Seconds for which a job has run that was the last of its lease.
TOO_OLD = lease_protocol.LONGEST_SECONDS + 1.0


class LeaseRegistry:
    """Grants leases and keeps them until their answer has come.

    :param db_name: name of the database
    :param key: its signing key, which may be replaced
    :param dispatcher: carries the leases to the workers
    :param manager: the channels, whose slots the leases hold
    :param report: called with each :class:`Answer`, in a thread of the dispatcher
    :param thread_dispatcher: carries the leases of channels whose jobs run in threads
    :param epoch: the leadership epoch in which the leases are granted, the ``runner``
        of a :class:`Lease`; when a new epoch begins, the leases of the old one claim no
        further jobs
    """

    def __init__(
        self,
        db_name: str,
        key: bytes,
        dispatcher: Dispatcher,
        manager: ChannelManager,
        report: Callable[[Answer], None],
        epoch: str | None = None,
        thread_dispatcher: Dispatcher | None = None,
    ):
        self.db_name = db_name
        self.manager = manager
        self.longest = lease_protocol.LEASE_SECONDS
        self.suspects: set[int] = set()
        self.key = key
        self.epoch = epoch
        self._dispatcher = dispatcher
        self._thread_dispatcher = thread_dispatcher
        self._report = report
        self._finalizations: set[int] = set()
        self._open: set[int] = set()
        self._in_threads: set[int] = set()
        # channel -> seconds that a job of its last lease has taken
        self._seconds: dict[str | None, float] = {}

    def __contains__(self, lease_id) -> bool:
        return lease_id in self._open

    def ids(self) -> set[int]:
        """The ids of the open leases."""
        return set(self._open)

    def new_id(self) -> int:
        """An id that no open lease has."""
        while (lease_id := random.randrange(1, 2**31)) in self._open:
            pass
        return lease_id

    def is_finalization(self, lease_id: int) -> bool:
        """Whether this lease only settles the failures of dead jobs.

        :param lease_id: id of the lease
        """
        return lease_id in self._finalizations

    @property
    def finalizations(self) -> list[int]:
        """The ids of the open leases that settle dead jobs."""
        return list(self._finalizations)

    def is_in_threads(self, lease_id: int) -> bool:
        """Whether the worker of an open lease runs those of others beside it.

        :param lease_id: id of the lease
        """
        return lease_id in self._in_threads

    def grant(
        self, job: dict, lease_id: int, claim_token: int, channels: list[str]
    ) -> None:
        """Give the slot that ``job`` has taken in its channel to a worker.

        :param job: the row of the job, one of the candidates
        :param lease_id: id of the lease for which the job was claimed
        :param claim_token: token of that claim
        :param channels: the job's channel and those that are interchangeable with it
        """
        self._take_slot(job, lease_id)
        if self._thread_dispatcher and self.manager.in_threads(job["channel"]):
            self._in_threads.add(lease_id)
        terms = self.manager.lease_terms(job["channel"])
        starts = 1 if terms.exclusive else 0
        if terms.rated and not starts:
            starts = 1 + self._reserve_starts(job["channel"], lease_id)
        self._send(
            job,
            lease_id,
            claim_token,
            channels=channels,
            longest=self.longest,
            starts=starts,
            in_order=terms.in_order,
        )

    def _reserve_starts(self, channel: str | None, lease_id: int) -> int:
        """Reserve what a rate leaves of the starts that a lease will make."""
        wanted = wanted_starts(self._seconds.get(channel), lease_protocol.LEASE_SECONDS)
        return self.manager.reservations.reserve(
            channel, self._owner(lease_id), wanted, time.time()
        )

    def _owner(self, lease_id: int) -> Owner:
        return self.db_name, slot_of(lease_id)

    def release_starts(self, rows: Iterable[dict]) -> bool:
        """Let leases that are busy with a long job make no further starts.

        Such a lease is too old to start another job. What it has reserved would be
        missing to others.

        :param rows: what is in flight: state, lease_id and running_seconds
        :return: whether there are such leases
        """
        busy = {
            row["lease_id"]
            for row in rows
            if row["state"] == STARTED and row["running_seconds"] > TOO_OLD
        }
        return (
            sum(self.manager.reservations.release(self._owner(each)) for each in busy)
            > 0
        )

    def _take_slot(self, job, lease_id):
        named = {**job, "uuid": slot_of(lease_id)}
        self.manager.update(JobFacts.of_row(self.db_name, named, STARTED))
        self.manager.remove_job(job["uuid"])  # the slot was never free in between

    def grant_finalization(
        self, job: dict, lease_id: int, claim_token: int, cause: str
    ) -> None:
        """Let a worker settle the failures of dead jobs; this lease holds no slot.

        :param job: the row of the first of them; the worker finds the others by the
            lease, for which they were all claimed
        :param lease_id: id of the lease
        :param claim_token: token of that claim
        :param cause: why the job ends, the value of a :class:`~..core.retry.Cause`
        """
        self._finalizations.add(lease_id)
        self._send(
            job,
            lease_id,
            claim_token,
            seconds=lease_protocol.LONGEST_SECONDS,
            starts=1,
            kind=lease_protocol.FINALIZE,
            cause=cause,
        )

    def _send(self, job, lease_id, claim_token, **options):
        lease = Lease(
            lease_id,
            self.db_name,
            job["id"],
            claim_token,
            job["channel"],
            issued=time.time(),
            runner=self.epoch,
            **options,
        )
        self._open.add(lease_id)
        in_threads = self.is_in_threads(lease_id)
        dispatcher = self._thread_dispatcher if in_threads else self._dispatcher
        dispatcher.send(lease, self.key, self._report)

    def close(self, answer: Answer) -> bool:
        """Close the lease whose request has ended.

        After a report, and where no worker took the request, nothing of the lease runs
        and its slot is free. Otherwise its worker may live and go on.

        :param answer: how the request has ended
        :return: False for a lease of an earlier connection
        """
        lease_id = answer.lease.id
        if lease_id not in self._open:
            return False
        if answer.report is None:
            self.suspect(lease_id)
        else:
            self._forget(lease_id)
            self._learn(answer)
        if answer.unreachable:
            self.manager.reservations.settle(self._owner(lease_id), [])
        if answer.report is not None or answer.unreachable:
            self.give_back_slot(lease_id)
        return True

    def _learn(self, answer: Answer) -> None:
        """Count what a lease has started, and remember how long its jobs have taken."""
        seconds = [outcome["seconds"] for outcome in answer.outcomes]
        if seconds:
            self._seconds[answer.lease.channel] = sum(seconds) / len(seconds)
        times = further_starts(answer.report, answer.outcomes, time.time())
        self.manager.reservations.settle(self._owner(answer.lease.id), times)

    def suspect(self, lease_id: int) -> None:
        """Close a lease whose worker may still run a job.

        It keeps its slot until a liveness scan shows that nothing of it runs.

        :param lease_id: id of the lease
        """
        self._forget(lease_id)
        self.suspects.add(lease_id)

    def _forget(self, lease_id):
        self._open.discard(lease_id)
        self._finalizations.discard(lease_id)
        self._in_threads.discard(lease_id)

    def give_back_slot(self, lease_id: int | str) -> None:
        """Free the slot of a lease of which nothing runs any more.

        :param lease_id: as for :func:`slot_of`
        """
        self.manager.remove_job(slot_of(lease_id))

    def take_suspects(self) -> set[int]:
        """The ids of the leases that became suspect since the last call."""
        suspects, self.suspects = self.suspects, set()
        return suspects
