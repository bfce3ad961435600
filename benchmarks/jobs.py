# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Filling, watching and emptying the job table from outside, by SQL.

Rows are copies of a row which the addon itself wrote for the same call (see
`driver.Operations.templates`), so each side gets rows in its own format.
"""

import json
import time

# the argument of a template that becomes a number of each copy's own
PLACEHOLDER = 987654321
# seconds between two looks; each costs CPU that the measured servers don't get, so
# there are fewer of them where many jobs take a while
POLL = 0.01
POLL_MANY = 0.05
MANY = 1000
# a copy's own number, put in the place of PLACEHOLDER in record ids and arguments
NUMBERED = """
    jsonb_build_object(
        'records',
        replace((%(row)s::jsonb -> 'records')::text, '{0}', ({1})::text)::jsonb,
        'args',
        replace((%(row)s::jsonb -> 'args')::text, '{0}', ({1})::text)::jsonb
    )
"""

_COPY = """
    INSERT INTO queue_job
    SELECT row.*
    FROM generate_series(1, %(count)s) AS i,
         -- the key "i" is no column: it makes this be evaluated for each copy
         LATERAL jsonb_populate_record(
             NULL::queue_job,
             %(row)s::jsonb || jsonb_build_object(
                 'i', i,
                 'id', nextval('queue_job_id_seq'),
                 'uuid', gen_random_uuid()::text,
                 'date_created', now() AT TIME ZONE 'UTC'
             ) || {changes}
         ) AS row
    RETURNING id
"""
_LAST_OPEN = """
    /* bench */
    SELECT id FROM queue_job
    WHERE id BETWEEN %s AND %s AND state NOT IN ('done', 'failed', 'cancelled')
    ORDER BY id DESC LIMIT 1
"""
_LAST_NOT_POSTPONED = """
    /* bench */
    SELECT id FROM queue_job
    WHERE id BETWEEN %s AND %s AND (state <> 'pending' OR eta IS NULL)
    ORDER BY id DESC LIMIT 1
"""
_NOT_STARTED = """
    /* bench */
    SELECT id FROM queue_job WHERE id BETWEEN %s AND %s AND state <> 'started' LIMIT 1
"""


def numbered(expression: str) -> str:
    """Changes for `Jobs.copy`: each copy gets `expression`, in which `i` counts."""
    return NUMBERED.format(PLACEHOLDER, expression)


class Jobs:
    """The job table of one database."""

    def __init__(self, cluster, database: str) -> None:
        self.connection = cluster.connect(database)
        self.cursor = self.connection.cursor()
        self.polls = 0

    def close(self) -> None:
        self.connection.close()

    # -- fill ----------------------------------------------------------------------

    def copy(
        self,
        row: dict,
        count: int,
        *,
        ring: bool = True,
        changes: str = "'{}'::jsonb",
        parameters: dict | None = None,
    ) -> tuple[int, int]:
        """Insert copies of a row; return the first and the last id.

        `ring=False` leaves the triggers out, for backlogs written before a start.
        """
        statement = f"""
            /* bench */ WITH copied AS ({_COPY.format(changes=changes)})
            SELECT min(id), max(id) FROM copied
        """
        values = {"row": json.dumps(row), "count": count, **(parameters or {})}
        if not ring:
            self.cursor.execute("SET session_replication_role = replica")
        self.cursor.execute(statement, values)
        ids = self.cursor.fetchone()
        if not ring:
            self.cursor.execute("RESET session_replication_role")
        return ids

    def wait_for_parent(self, parent: dict, ids: tuple[int, int]) -> None:
        """Store the parent, and its edges where edges have a table."""
        self.copy(parent, 1, ring=False, changes=f"'{_only_uuid(parent)}'::jsonb")
        self.cursor.execute("SELECT to_regclass('queue_job_dependency')")
        if not self.cursor.fetchone()[0]:
            return
        self.cursor.execute(
            """
            INSERT INTO queue_job_dependency (parent_id, child_id, condition)
            SELECT p.id, c.id, 'done'
            FROM queue_job p, queue_job c
            WHERE p.uuid = %s AND c.id BETWEEN %s AND %s
            """,
            [parent["uuid"], *ids],
        )

    def analyze(self) -> None:
        """What autovacuum would have done by the time a backlog has grown."""
        self.cursor.execute("VACUUM ANALYZE queue_job")

    # -- watch ---------------------------------------------------------------------

    def wait_until_done(self, ids: tuple[int, int], timeout: float) -> bool:
        """Poll until no job of the range is open; False when time is over."""
        return self._wait(_LAST_OPEN, ids, timeout)

    def _wait(self, statement: str, ids: tuple[int, int], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        pause = POLL if ids[1] - ids[0] < MANY else POLL_MANY
        while time.monotonic() < deadline:
            self.polls += 1
            self.cursor.execute(statement, ids)
            if not self.cursor.fetchone():
                return True
            time.sleep(pause)
        return False

    def wait_until_started(self, ids: tuple[int, int], timeout: float) -> bool:
        """Poll until all jobs of the range run; False when time is over."""
        return self._wait(_NOT_STARTED, ids, timeout)

    def wait_until_postponed(self, ids: tuple[int, int], timeout: float) -> bool:
        """Poll until each job of the range waits for its next attempt."""
        return self._wait(_LAST_NOT_POSTPONED, ids, timeout)

    def wait_until_empty(self, timeout: float) -> bool:
        self.cursor.execute("/* bench */ SELECT max(id) FROM queue_job")
        return self.wait_until_done((0, self.cursor.fetchone()[0] or 0), timeout)

    def count_postponed(self, ids: tuple[int, int]) -> int:
        """How many jobs of the range wait for their next attempt."""
        self.polls += 1
        self.cursor.execute(
            """
            /* bench */ SELECT count(*) FROM queue_job
            WHERE id BETWEEN %s AND %s AND state = 'pending' AND eta IS NOT NULL
            """,
            ids,
        )
        return self.cursor.fetchone()[0]

    def count(self, ids: tuple[int, int], state: str = "done") -> int:
        """How many jobs of the range are in a state."""
        self.polls += 1
        self.cursor.execute(
            """
            /* bench */ SELECT count(*) FROM queue_job
            WHERE id BETWEEN %s AND %s AND state = %s
            """,
            [*ids, state],
        )
        return self.cursor.fetchone()[0]

    def stamp(self, token: str, timeout: float) -> float | None:
        """When the job with this token started, or None when time is over."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.polls += 1
            self.cursor.execute(
                "/* bench */ SELECT min(at) FROM bench_log WHERE token = %s", [token]
            )
            at = self.cursor.fetchone()[0]
            if at is not None:
                return float(at)
            time.sleep(POLL)
        return None

    def stamps(self, tokens: list[str]) -> dict[str, float]:
        self.cursor.execute(
            """
            /* bench */ SELECT token, min(at) FROM bench_log
            WHERE token = ANY(%s) GROUP BY token
            """,
            [tokens],
        )
        return {token: float(at) for token, at in self.cursor.fetchall()}

    # -- empty ---------------------------------------------------------------------

    def truncate(self) -> None:
        """Forget everything; only while no server of this database runs."""
        self.cursor.execute("TRUNCATE queue_job, bench_log CASCADE")

    def delete(self, ids: tuple[int, int]) -> None:
        """Forget the jobs of a range, whatever their state."""
        self.cursor.execute("DELETE FROM queue_job WHERE id BETWEEN %s AND %s", ids)
        self.cursor.execute("VACUUM ANALYZE queue_job")

    def delete_finished(self) -> None:
        """Start the next scenario on a small table, as the nightly clean-up would."""
        self.cursor.execute(
            "DELETE FROM queue_job WHERE state IN ('done', 'failed', 'cancelled')"
        )
        self.cursor.execute("VACUUM ANALYZE queue_job")


def _only_uuid(row: dict) -> str:
    return json.dumps({"uuid": row["uuid"]})
