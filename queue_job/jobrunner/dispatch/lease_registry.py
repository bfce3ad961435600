# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The leases of one database: which are open, which broke, and the slots they hold."""

import random
import time
from collections.abc import Callable

from ...claim import lease as lease_protocol
from ...claim.lease import Lease
from ...core.states import STARTED
from ..schedule.channel_manager import ChannelManager
from .dispatcher import Answer, Dispatcher


def slot_of(lease_id: int | str) -> str:
    """The name under which the channels know the slot of a lease.

    Not the uuid of its first job: that may wait for its next attempt, or run in
    another lease, while this one goes on with other jobs.
    """
    return f"lease {lease_id}"


class LeaseBook:
    """Grants leases and remembers them until their answer has come.

    :param db_name: name of the database
    :param key: its signing key, which may be renewed
    :param dispatcher: carries the leases to the workers
    :param manager: the channels, whose slots the leases hold
    :param hear: called with each :class:`Answer`, in a thread of the dispatcher
    :param term: in whose name the leases are granted, the ``runner`` of a
        :class:`Lease`; when the runner begins another one, those of before take no
        further jobs
    """

    def __init__(
        self,
        db_name: str,
        key: bytes,
        dispatcher: Dispatcher,
        manager: ChannelManager,
        hear: Callable[[Answer], None],
        term: str | None = None,
    ):
        self.db_name = db_name
        self.manager = manager
        self.longest = lease_protocol.LEASE_SECONDS
        self.broken: set[int] = set()
        self.key = key
        self._dispatcher = dispatcher
        self._hear = hear
        self.term = term
        self._burials: set[int] = set()
        self._open: set[int] = set()

    def __contains__(self, lease_id) -> bool:
        return lease_id in self._open

    def ids(self) -> set[int]:
        """The numbers of the open leases."""
        return set(self._open)

    def new_id(self) -> int:
        """A number that no open lease has."""
        while (lease_id := random.randrange(1, 2**31)) in self._open:
            pass
        return lease_id

    def is_burial(self, lease_id: int) -> bool:
        """Whether the job of this lease is being settled, or waits for a worker."""
        return lease_id in self._burials

    def grant(
        self, job: dict, lease_id: int, claim_token: int, channels: list[str]
    ) -> None:
        """Give the slot that ``job`` has taken in its channel to a worker.

        :param channels: the job's channel and its fellows
        """
        self._take_slot(job, lease_id)
        self._send(
            job,
            lease_id,
            claim_token,
            channels=channels,
            exclusive=self.manager.is_exclusive(job["channel"]),
            longest=self.longest,
        )

    def _take_slot(self, job, lease_id):
        self.manager.notify(
            self.db_name,
            job["channel"],
            slot_of(lease_id),
            job["id"],
            job["date_created"],
            job["priority"],
            None,
            STARTED,
        )
        self.manager.remove_job(job["uuid"])  # the slot was never free in between

    def grant_burial(self, job, lease_id: int, claim_token: int, cause: str) -> None:
        """Have a worker settle a dead job; it holds no slot."""
        self._burials.add(lease_id)
        self._send(
            job,
            lease_id,
            claim_token,
            exclusive=True,
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
            runner=self.term,
            **options,
        )
        self._open.add(lease_id)
        self._dispatcher.send(lease, self.key, self._hear)

    def close(self, answer: Answer) -> bool:
        """The request of a lease is over.

        With a report, or where nobody took it, nothing of it runs any more and its
        slot is free. Else its worker may live and go on.

        :return: False for a lease of an earlier connection
        """
        lease_id = answer.lease.id
        if lease_id not in self._open:
            return False
        if answer.report is None:
            self.doubt(lease_id)
        else:
            self._forget(lease_id)
        if answer.report is not None or answer.unreachable:
            self.give_back_slot(lease_id)
        return True

    def doubt(self, lease_id: int) -> None:
        """What the lease does is not known any more; it keeps its slot until the
        caretaker has found out."""
        self._forget(lease_id)
        self.broken.add(lease_id)

    def _forget(self, lease_id):
        self._open.discard(lease_id)
        self._burials.discard(lease_id)

    def give_back_slot(self, lease_id: int | str) -> None:
        """Nothing of the lease runs any more."""
        self.manager.remove_job(slot_of(lease_id))

    def take_broken(self) -> set[int]:
        """The leases that broke since the last call."""
        broken, self.broken = self.broken, set()
        return broken
