# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database under test: SQL in one line, and what one asks about its jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions

from setup import database as databases

from .waiting import wait_for

FINAL = ("done", "failed", "cancelled")


class Database:
    """One connection in autocommit mode; more by ``connect``."""

    def __init__(self, name: str):
        self.name = name
        self._connection: psycopg2.extensions.connection | None = None

    # -- SQL -----------------------------------------------------------------------

    def rows(self, query: str, *parameters: Any) -> list[tuple]:
        """All rows; one reconnection, for tests that restart PostgreSQL."""
        if self._connection is None or self._connection.closed:
            self._connection = databases.connect(self.name)
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.rows(query, *parameters)
        return rows[0][0] if rows else None

    def column(self, query: str, *parameters: Any) -> list:
        return [row[0] for row in self.rows(query, *parameters)]

    def wait(self, query: str, *parameters: Any, what: str = "", **options: Any) -> Any:
        """Wait until the first value of ``query`` is true (or satisfies ``until``)."""
        return wait_for(
            lambda: self.value(query, *parameters), what or query, **options
        )

    @contextmanager
    def connect(self) -> Iterator[psycopg2.extensions.connection]:
        """Another session, to hold a lock or to play a second process."""
        connection = databases.connect(self.name)
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    # -- jobs ----------------------------------------------------------------------

    def job(self, uuid: str, *columns: str) -> Any:
        """The named columns of a job, or one bare value."""
        rows = self.rows(
            f"SELECT {', '.join(columns)} FROM queue_job WHERE uuid = %s", uuid
        )
        assert rows, f"there is no job {uuid}"
        return rows[0] if len(columns) > 1 else rows[0][0]

    def states(self, uuids: Sequence[str]) -> dict[str, int]:
        """How many of the jobs are in which state."""
        query = "SELECT state, count(*) FROM queue_job WHERE uuid = ANY(%s) GROUP BY 1"
        return dict(self.rows(query, list(uuids)))

    def wait_state(self, uuid: str, *states: str, seconds: float = 20.0) -> str:
        return wait_for(
            lambda: self.job(uuid, "state"),
            f"{' or '.join(states)}",
            until=lambda state: state in states,
            seconds=seconds,
        )

    def wait_settled(self, uuids: Sequence[str], seconds: float = 60.0) -> dict:
        """Wait until all the jobs are in a final state."""
        return wait_for(
            lambda: self.states(uuids),
            "all settled",
            until=lambda states: set(states) <= set(FINAL),
            seconds=seconds,
        )

    def runs(self) -> list[tuple]:
        """(tag, pid, uid, start, end) of each run of the probe, in order of start."""
        return self.rows(
            "SELECT tag, pid, user_id, date_start, date_end FROM test_queue_job_probe"
            " ORDER BY date_start"
        )

    def forget_runs(self) -> None:
        """For a test on a database that others used before."""
        self.rows("DELETE FROM test_queue_job_probe")

    def most_at_once(self) -> int:
        """How many runs of the probe there were at the same time, at most."""
        events = []
        for _tag, _pid, _uid, start, end in self.runs():
            events += [(start, 1), (end, -1)]
        running = most = 0
        for _moment, step in sorted(events):
            running += step
            most = max(most, running)
        return most
