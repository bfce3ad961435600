# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The leases of one database: which are open, which broke, and the slots they hold."""

import random
import time
from collections.abc import Callable

from . import lease as lease_protocol
from .channels import ChannelManager
from .dispatcher import Answer, Dispatcher
from .lease import Lease


class LeaseBook:
    """Grants leases and remembers them until their answer has come.

    :param db_name: name of the database
    :param key: its signing key
    :param dispatcher: carries the leases to the workers
    :param manager: the channels, whose slots the leases hold
    :param hear: called with each :class:`Answer`, in a thread of the dispatcher
    """

    def __init__(
        self,
        db_name: str,
        key: bytes,
        dispatcher: Dispatcher,
        manager: ChannelManager,
        hear: Callable[[Answer], None],
    ):
        self.db_name = db_name
        self.manager = manager
        self.broken: set[int] = set()
        self._key = key
        self._dispatcher = dispatcher
        self._hear = hear
        self._open: dict[int, str] = {}

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

    def grant(self, job: dict, lease_id: int, claim_token: int) -> None:
        """Give the slot that ``job`` has taken in its channel to a worker."""
        self._send(
            job,
            lease_id,
            claim_token,
            exclusive=self.manager.is_exclusive(job["channel"]),
        )

    def grant_burial(self, job, lease_id: int, claim_token: int, cause: str) -> None:
        """Have a worker settle a dead job; it holds no slot."""
        self._send(
            job,
            lease_id,
            claim_token,
            exclusive=True,
            kind=lease_protocol.BURY,
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
            **options,
        )
        self._open[lease_id] = job["uuid"]
        self._dispatcher.send(lease, self._key, self._hear)

    def close(self, answer: Answer) -> bool:
        """The lease is over: give its slot back.

        :return: False for a lease of an earlier connection
        """
        job_uuid = self._open.pop(answer.lease.id, None)
        if job_uuid is None:
            return False
        self.manager.remove_job(job_uuid)
        if answer.report is None:
            self.broken.add(answer.lease.id)
        return True

    def abandon(self, lease_id: int) -> None:
        """Nothing of the lease is in flight any more, whatever its request does."""
        self.manager.remove_job(self._open.pop(lease_id))

    def take_broken(self) -> set[int]:
        """The leases that broke since the last call."""
        broken, self.broken = self.broken, set()
        return broken
