# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A dispatch round: start the jobs that may start now.

It reads the candidates of each channel, asks the channels which of them may run, claims
those with one statement and grants each a lease. Nothing is kept in memory from one
round to the next: the table is the queue.
"""

import time
from collections.abc import Iterable

from ...claim import claims
from ...core.states import PENDING
from ...keys import admission
from ..channels import ChannelManager
from ..schedule.channel_queue import JobFacts
from ..session import queries
from ..session.database import Database
from .lease_registry import LeaseRegistry

#: Jobs claimed by one statement at most.
CLAIM_LIMIT = 64

#: Channels served by one lease at most, besides the channel of its first job.
INTERCHANGEABLE_LIMIT = 63


class DispatchRound:
    """The dispatch rounds of one database.

    :param database: the runner's session
    :param manager: the channels
    :param leases: grants what was claimed
    """

    def __init__(
        self, database: Database, manager: ChannelManager, leases: LeaseRegistry
    ):
        self.database = database
        self.manager = manager
        self.leases = leases
        #: Some of the jobs that were to start could not be claimed.
        self.is_unfinished = False
        self._now = 0.0  # when the jobs were chosen that are claimed now

    def run(self) -> list[dict]:
        """Start every job that may start.

        :return: the claims: id, claim_token, lease_id and timeout of each job
        """
        started = []
        while True:
            chosen, claimed = self._start_some()
            started += claimed
            # where nothing could be claimed, the same ones would be chosen for ever
            self.is_unfinished = len(claimed) < len(chosen)
            if not claimed:
                return started

    def promote_and_admit(self) -> tuple[str, float | None]:
        """Promote the jobs that are due, and admit those that wait for their key.

        :return: the code of what keeps all jobs from starting, or "", and the seconds
            until the next job is due, None without one
        """
        while True:
            row = self.database.rows_again(queries.AFFAIRS, {})[0]
            obstacle, seconds = row["obstacle"] or "", row["next_due"]
            if obstacle:
                return obstacle, seconds
            if seconds is not None and seconds <= 0:
                if self.database.execute(queries.PROMOTE):
                    continue
                seconds = 1.0  # another session has locked their rows
            if row["keys_to_judge"] and self._admit():
                seconds = 0.0
            return obstacle, seconds

    def _admit(self) -> bool:
        """Admit jobs of the keys in which something has changed.

        :return: whether there are more such keys
        """
        with self.database.cursor() as cursor:
            return admission.admit_marked(cursor)

    def _start_some(self):
        free = min(self.manager.free_slots(), CLAIM_LIMIT)
        if free <= 0:
            return [], []
        candidates = self._read_candidates(free)
        chosen = self._choose(candidates)
        return chosen, self._claim(chosen, candidates) if chosen else []

    def _read_candidates(self, limit: int) -> dict[str, dict]:
        rows = self.database.rows_again(queries.candidates(limit), {})
        early = {row["channel"] for row in rows if row["too_early"]}
        if early:
            for channel in early:
                self.database.execute(queries.DEMOTE, {"channel": channel})
            rows = self.database.rows_again(queries.candidates(limit), {})
        return {row["uuid"]: row for row in rows if not row["too_early"]}

    def _choose(self, candidates: dict[str, dict]) -> list[dict]:
        self.manager.clear_candidates()
        for row in candidates.values():
            self._update_channels(row, PENDING)
        extra = self._add_sequential(candidates)
        self._now = time.time()
        jobs = self.manager.get_jobs_to_run(self._now)
        for job_uuid in extra:
            self.manager.remove_job(job_uuid)
        self.manager.clear_candidates()
        return [candidates[job.uuid] for job in jobs if job.uuid in candidates]

    def _add_sequential(self, candidates) -> list[str]:
        """Add the jobs that stop a sequential channel: failed and future-dated ones.

        :return: their uuids
        """
        channels = {row["channel"] for row in candidates.values() if row["channel"]}
        sequential = [name for name in channels if self.manager.is_sequential(name)]
        if not sequential:
            return []
        rows = self.database.rows(
            queries.SEQUENTIAL_STOPS,
            {"channels": sequential, "finalizing": self.leases.finalizations},
        )
        now = time.time()
        for row in rows:
            eta = None if row["wait_seconds"] is None else now + row["wait_seconds"]
            self._update_channels(row, row["state"], eta)
        return [row["uuid"] for row in rows]

    def _update_channels(self, row, state, eta=None):
        facts = JobFacts.of_row(self.database.db_name, row, state, eta)
        self.manager.update(facts)

    def _claim(self, chosen: list[dict], candidates: dict[str, dict]) -> list[dict]:
        waiting = channels_by_urgency(candidates.values())
        leases = {row["id"]: self.leases.new_id() for row in chosen}
        rows = self.database.rows_again(
            claims.CLAIM,
            {
                "ids": list(leases),
                "leases": list(leases.values()),
                "runner": self.leases.epoch,
            },
        )
        claimed = {row["id"]: row for row in rows}
        for row in chosen:
            claim = claimed.get(row["id"])
            if claim:
                self.leases.grant(
                    row,
                    claim["lease_id"],
                    claim["claim_token"],
                    self._served_channels(row["channel"], waiting),
                )
            else:
                self.manager.take_back(row["uuid"], self._now)
        return rows

    def _served_channels(self, channel: str | None, waiting: list[str]) -> list[str]:
        """The channels that a lease for a job of this channel serves."""
        if not channel:
            return []
        others = self.manager.interchangeable(channel, waiting)
        return [channel, *others[:INTERCHANGEABLE_LIMIT]]


def channels_by_urgency(rows: Iterable[dict]) -> list[str]:
    """The channels of some jobs, the one with the most urgent job first.

    :param rows: channel, priority and id of each job
    """
    first: dict[str, tuple] = {}
    for row in rows:
        if row["channel"]:
            rank = (row["priority"] or 0, row["id"])
            first[row["channel"]] = min(rank, first.get(row["channel"], rank))
    return sorted(first, key=first.__getitem__)
