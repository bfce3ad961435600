# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A turn: start what may start now.

The turn reads the first candidates of each channel, asks the channels which of them
may run, claims these by one statement and grants each a lease. Nothing is kept in
memory from one turn to the next: the table is the queue.
"""

import time
from collections.abc import Iterable

from ...claim import claims
from ...keys import admission
from ..schedule.channel_manager import ChannelManager
from ..session import queries
from ..session.database import Database
from .lease_registry import LeaseBook

#: Jobs claimed by one statement at most.
CLAIM_LIMIT = 64

#: Channels served by one lease at most, besides that of its first job.
FELLOWS_LIMIT = 63


class Turn:
    """Turns over one database.

    :param database: its session
    :param manager: its channels
    :param leases: grants what was claimed
    """

    def __init__(self, database: Database, manager: ChannelManager, leases: LeaseBook):
        self.database = database
        self.manager = manager
        self.leases = leases

    def take(self) -> list[dict]:
        """Start all that may start.

        :return: the claims: id, claim_token, lease_id and timeout of each job
        """
        started = []
        while True:
            chosen, claimed = self._round()
            started += claimed
            if not chosen:
                return started

    def affairs(self) -> tuple[bool, float | None]:
        """Let the jobs whose due date has come compete, those with a key pass the gate,
        and look around.

        :return: whether modules are being installed or updated, and the seconds until
            the next due date, None without one
        """
        while True:
            row = self.database.rows_again(queries.AFFAIRS, {})[0]
            in_flux, seconds = row["modules_in_flux"], row["next_due"]
            if in_flux:
                return in_flux, seconds
            if seconds is not None and seconds <= 0:
                if self.database.execute(queries.PROMOTE):
                    continue
                seconds = 1.0  # somebody holds their rows
            if row["keys_to_judge"] and self._judge_keys():
                seconds = 0.0
            return in_flux, seconds

    def _judge_keys(self) -> bool:
        """Judge the keys in which something has changed; return if some are left."""
        with self.database.cursor() as cursor:
            return admission.admit_marked(cursor)

    def _round(self):
        free = min(self.manager.free_slots(), CLAIM_LIMIT)
        if free <= 0:
            return [], []
        heads = self._read_heads(free)
        chosen = self._choose(heads)
        return chosen, self._claim(chosen, heads) if chosen else []

    def _read_heads(self, limit: int) -> dict[str, dict]:
        rows = self.database.rows_again(queries.heads(limit), {})
        early = {row["channel"] for row in rows if row["too_early"]}
        if early:
            for channel in early:
                self.database.execute(queries.DEMOTE, {"channel": channel})
            rows = self.database.rows_again(queries.heads(limit), {})
        return {row["uuid"]: row for row in rows if not row["too_early"]}

    def _choose(self, heads: dict[str, dict]) -> list[dict]:
        self.manager.clear_candidates()
        for row in heads.values():
            notify(self.manager, self.database.db_name, row, "pending")
        extra = self._notify_sequential(heads)
        jobs = self.manager.get_jobs_to_run(time.time())
        for job_uuid in extra:
            self.manager.remove_job(job_uuid)
        self.manager.clear_candidates()
        return [heads[job.uuid] for job in jobs if job.uuid in heads]

    def _notify_sequential(self, heads) -> list[str]:
        """A sequential channel also waits for its failed and its future-dated jobs."""
        channels = {row["channel"] for row in heads.values() if row["channel"]}
        sequential = [name for name in channels if self.manager.is_sequential(name)]
        if not sequential:
            return []
        rows = self.database.rows(queries.SEQUENTIAL_HEADS, {"channels": sequential})
        now = time.time()
        for row in rows:
            eta = None if row["wait_seconds"] is None else now + row["wait_seconds"]
            notify(self.manager, self.database.db_name, row, row["state"], eta)
        return [row["uuid"] for row in rows]

    def _claim(self, chosen: list[dict], heads: dict[str, dict]) -> list[dict]:
        waiting = channels_by_urgency(heads.values())
        leases = {row["id"]: self.leases.new_id() for row in chosen}
        rows = self.database.rows_again(
            claims.CLAIM,
            {
                "ids": list(leases),
                "leases": list(leases.values()),
                "runner": self.leases.term,
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
                    self._served(row["channel"], waiting),
                )
            else:
                self.manager.remove_job(row["uuid"])
        return rows

    def _served(self, channel: str | None, waiting: list[str]) -> list[str]:
        """The channels that a lease for a job of this one serves."""
        if not channel:
            return []
        fellows = self.manager.fellows(channel, waiting)
        return [channel, *fellows[:FELLOWS_LIMIT]]


def channels_by_urgency(heads: Iterable[dict]) -> list[str]:
    """The channels of some jobs, that of the most urgent one first."""
    first: dict[str, tuple] = {}
    for row in heads:
        if row["channel"]:
            rank = (row["priority"] or 0, row["id"])
            first[row["channel"]] = min(rank, first.get(row["channel"], rank))
    return sorted(first, key=first.__getitem__)


def notify(manager, db_name, row, state, eta=None) -> None:
    """Tell the channels about a row of the table."""
    manager.notify(
        db_name,
        row["channel"],
        row["uuid"],
        row["id"],
        row["date_created"],
        row["priority"],
        eta,
        state,
    )
