# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which jobs of a key may run now (for the rules see `rules`).

`admit` decides about some keys by statements sent as one, on a READ COMMITTED
connection in autocommit mode, where they are one short transaction. Three call it: the
runner in its dispatch round, for the keys of jobs marked as new; a worker after a job
with a key, so that the next job of a chain of short jobs starts at once; and the
runner's sweep, as a safety net.

Guarantees, and what gives each:

1. The limit holds, however many call at the same time. `LOCK_KEYS` takes an advisory
   lock for each key. The snapshot of `ADMIT` is made after that, so it shows what the
   call before has admitted: the lock is released after the commit. A job becomes `open`
   by `ADMIT` or, started at once and under the same lock, by `NEXT_OF_KEY`. It counts
   from then on until it has left its place, in whatever state it is between (pending,
   enqueued, started).
2. No place stays empty. A job that leaves its place is marked as new in the same
   transaction; the mark is removed by a call whose snapshot shows the change, and only
   if the row is still what it saw (`is_as_seen`, read from the locked row).
3. No deadlock. Locks of keys are taken in the order of their numbers; rows are taken
   by SKIP LOCKED, so a call that holds the lock of a key never waits for a user's
   transaction. The rows that it skips are marked again when the user commits, or found
   by the sweep. A call that has waited for a lock for a second leaves the marks to the
   next round.
4. The cost is bounded. A key costs a few descents of two partial indexes, whatever
   waits behind it; a call is about a page of keys and rows. `id = ANY(ARRAY(...))`
   keeps the planner, which can't know how few rows there are, from reading the table.

In sequence, a job that was admitted and is not claimed yet goes back when one that is
before it in the order has come. Where jobs of one `concurrency_key` ask for different
limits, that of the first in the line counts; so none is overtaken for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg2.errors import LockNotAvailable

from ..claim.claims import LEADS, QUICK, UTC_NOW
from .rules import MOST, OPEN

_logger = logging.getLogger(__name__)

#: Namespace of the advisory locks: (namespace, hash of channel and key).
KEY_LOCK = 1904281960

#: Marked jobs, or keys, of one call of `admit`.
PAGE = 200
#: Pages that one dispatch round decides about before it goes on with other things.
PAGES_OF_A_ROUND = 2
#: Keys of one step of the sweep, which is a net and has time.
SWEEP_PAGE = 50

#: Jobs whose key is to be decided about; the row of a job in flight is its worker's.
MARKED = "gate_state = 'new' AND state NOT IN ('enqueued', 'started')"
#: What takes a place besides jobs that are open; a failure stops a sequence.
BUSY = (
    "gate IS NOT NULL AND (state IN ('enqueued', 'started')"
    " OR (state = 'failed' AND gate_limit = 0))"
)

_ORDER = "priority, date_created, id"

READ_MARKS = f"""
SELECT id, channel, gate FROM queue_job
 WHERE {MARKED} AND id > %(after)s
 ORDER BY id LIMIT {PAGE}"""

# A call takes milliseconds; a process that is frozen in it must not stop the runner.
LOCK_TIMEOUT = "SELECT set_config('lock_timeout', '1s', true)"

LOCK_KEYS = f"""
SELECT pg_advisory_xact_lock({KEY_LOCK}, number)
  FROM (SELECT DISTINCT hashtext(channel || ' ' || gate) AS number
          FROM unnest(%(channels)s::text[], %(gates)s::text[]) AS k (channel, gate)
         ORDER BY number) AS keys"""

ADMIT = f"""
WITH keys AS MATERIALIZED (
    SELECT DISTINCT channel, gate
      FROM unnest(%(channels)s::text[], %(gates)s::text[]) AS k (channel, gate)
), marked AS MATERIALIZED (
    SELECT j.id, j.channel, j.gate, j.state
      FROM queue_job j JOIN keys ON keys.channel = j.channel AND keys.gate = j.gate
     WHERE j.id = ANY(%(marked)s)
       AND j.gate_state = 'new' AND j.state NOT IN ('enqueued', 'started')
), unclaimed AS MATERIALIZED (
    SELECT o.id, keys.channel, keys.gate
      FROM keys CROSS JOIN LATERAL (
           SELECT id FROM queue_job
            WHERE gate = keys.gate AND channel = keys.channel
              AND state = 'pending' AND gate_state = 'open' AND gate_limit = 0
              FOR NO KEY UPDATE SKIP LOCKED) o
), lines AS MATERIALIZED (
    SELECT keys.channel, keys.gate, head.gate_limit = 0 AS strict,
           greatest(0, greatest(head.gate_limit, 1) - open.count - busy.count) AS places
      FROM keys
     CROSS JOIN LATERAL (
           SELECT first.gate_limit
             FROM unnest(ARRAY['new', 'waiting', 'later', 'open']) AS s (gate_state)
            CROSS JOIN LATERAL (
                  SELECT priority, date_created, id, gate_limit FROM queue_job
                   WHERE gate = keys.gate AND channel = keys.channel
                     AND state = 'pending' AND gate_state = s.gate_state
                   ORDER BY {_ORDER} LIMIT 1) first
            WHERE first.gate_limit = 0 OR s.gate_state IN ('new', 'waiting')
            ORDER BY {_ORDER} LIMIT 1) head
     CROSS JOIN LATERAL (
           SELECT count(*) FROM (
                  SELECT id FROM queue_job
                   WHERE gate = keys.gate AND channel = keys.channel
                     AND state = 'pending' AND gate_state = 'open' LIMIT {MOST}) o
            WHERE NOT EXISTS (SELECT 1 FROM unclaimed u WHERE u.id = o.id)) open
     CROSS JOIN LATERAL (
           SELECT count(*) FROM (
                  SELECT FROM queue_job
                   WHERE gate = keys.gate AND channel = keys.channel AND {BUSY}
                   LIMIT {MOST}) b) busy
), chosen AS MATERIALIZED (
    SELECT next.id, lines.channel, lines.gate
      FROM lines CROSS JOIN LATERAL (
           SELECT first.id
             FROM unnest(ARRAY['new', 'waiting', 'later', 'open']) AS s (gate_state)
            CROSS JOIN LATERAL (
                  SELECT priority, date_created, id FROM queue_job
                   WHERE gate = lines.gate AND channel = lines.channel
                     AND state = 'pending' AND gate_state = s.gate_state
                     AND (lines.strict OR eta IS NULL OR eta <= {UTC_NOW})
                   ORDER BY {_ORDER} LIMIT lines.places) first
            WHERE lines.strict OR s.gate_state IN ('new', 'waiting')
            ORDER BY {_ORDER} LIMIT lines.places) next
), seen AS MATERIALIZED (
    SELECT id, channel, gate, 'pending' AS state FROM chosen
     UNION SELECT id, channel, gate, 'pending' FROM unclaimed
     UNION SELECT id, channel, gate, state FROM marked
), touched AS MATERIALIZED (
    SELECT j.id,
           (j.id, j.channel, j.gate, j.state)
               IN (SELECT id, channel, gate, state FROM seen) AS is_as_seen,
           CASE WHEN j.state <> 'pending' THEN NULL
                WHEN j.id IN (SELECT id FROM chosen)
                 AND (j.eta IS NULL OR j.eta <= {UTC_NOW}) THEN 'open'
                WHEN j.eta > {UTC_NOW}
                 AND (j.gate_limit > 0 OR j.id IN (SELECT id FROM chosen)) THEN 'later'
                ELSE 'waiting' END AS verdict
      FROM queue_job j
     WHERE j.id = ANY(ARRAY(SELECT id FROM seen))
       FOR NO KEY UPDATE OF j SKIP LOCKED
)
UPDATE queue_job j
   SET gate_state = t.verdict,
       scheduled = CASE WHEN t.verdict IS NULL THEN j.scheduled
                        ELSE t.verdict <> 'open' END
  FROM touched t, {QUICK}
 WHERE j.id = ANY(ARRAY(SELECT id FROM touched)) AND j.id = t.id
   AND t.is_as_seen AND j.gate_state IS DISTINCT FROM t.verdict
RETURNING j.id, j.gate_state"""

# Locks a key without waiting for whoever holds it: channel, gate. What is executed
# after it in the same message is of the same transaction, and sees whether it has the
# lock; its snapshot is made after that.
TRY_KEY = f"""
SELECT set_config('queue_job.holds_key',
                  pg_try_advisory_xact_lock(
                      {KEY_LOCK}, hashtext(%s || ' ' || %s))::text, true)"""

# The next job of a sequence, for a lease that has just ended one of its jobs and starts
# it at once: channel, gate, runner, channels of the lease. It comes after `TRY_KEY`.
# The rules are those of `ADMIT`: the first in the line, when nothing of the key is in
# flight, has failed, or was admitted besides. And it has to be the next one of the
# lease, too: none of the jobs that it could take instead is before it.
_OF_LINE = "gate = (SELECT gate FROM line) AND channel = (SELECT channel FROM line)"
NEXT_OF_KEY = f"""
    WITH line AS MATERIALIZED (
        SELECT %s::text AS channel, %s::text AS gate
    ), head AS MATERIALIZED (
        SELECT first.id
          FROM unnest(ARRAY['new', 'waiting', 'later', 'open']) AS s (gate_state)
         CROSS JOIN LATERAL (
               SELECT priority, date_created, id FROM queue_job
                WHERE {_OF_LINE} AND state = 'pending' AND gate_state = s.gate_state
                ORDER BY {_ORDER} LIMIT 1) first
         ORDER BY {_ORDER} LIMIT 1
    )
    SELECT j.id
      FROM queue_job j
     WHERE current_setting('queue_job.holds_key', true) = 'true'
       AND j.id = (SELECT id FROM head)
       AND j.state || '' = 'pending' AND j.gate_limit = 0
       AND j.channel || '' = (SELECT channel FROM line)
       AND j.gate || '' = (SELECT gate FROM line)
       AND (j.eta IS NULL OR j.eta <= {UTC_NOW})
       AND {LEADS.format("%s")}
       AND NOT EXISTS (SELECT 1 FROM queue_job WHERE {_OF_LINE} AND {BUSY})
       AND NOT EXISTS (SELECT 1 FROM queue_job
                        WHERE {_OF_LINE} AND state = 'pending' AND gate_state = 'open'
                          AND id <> (SELECT id FROM head))
       AND NOT EXISTS (
           SELECT 1 FROM unnest(%s::text[]) AS served (channel) CROSS JOIN LATERAL (
                  SELECT priority, date_created, id FROM queue_job
                   WHERE state = 'pending' AND scheduled IS NOT TRUE
                     AND channel = served.channel AND (eta IS NULL OR eta <= {UTC_NOW})
                   ORDER BY {_ORDER} LIMIT 1) other
            WHERE (other.priority, other.date_created, other.id)
                  < (j.priority, j.date_created, j.id))
       FOR NO KEY UPDATE OF j SKIP LOCKED"""
ADMITTED = ", gate_state = 'open', scheduled = FALSE"

# A page of the sweep: the keys with pending jobs, hopping from key to key.
_NEXT = """
    SELECT gate, channel FROM queue_job
     WHERE state = 'pending' AND gate IS NOT NULL AND (gate, channel) > ({}, {})
     ORDER BY gate, channel LIMIT 1"""
NEXT_KEYS = f"""
WITH RECURSIVE keys AS (
    ({_NEXT.format("%(gate)s", "%(channel)s")})
    UNION ALL
    SELECT next.gate, next.channel
      FROM keys CROSS JOIN LATERAL ({_NEXT.format("keys.gate", "keys.channel")}) next
)
SELECT channel, gate FROM keys LIMIT {SWEEP_PAGE}"""

# The first job that a blocked one, the row `held`, waits for: one that has failed or
# runs, or else the first of those that were admitted, or are before it in the order.
HOLDER = f"""
       (SELECT id, state, 0 AS rank, priority, date_created FROM queue_job
         WHERE gate = held.gate AND channel = held.channel AND {BUSY}
         ORDER BY state = 'failed' DESC, id LIMIT 1)
       UNION ALL
       (SELECT id, state, 1, priority, date_created FROM queue_job
         WHERE gate = held.gate AND channel = held.channel
           AND state = 'pending' AND gate_state = 'open'
         ORDER BY {_ORDER} LIMIT 1)
       UNION ALL
       (SELECT id, state, 2, priority, date_created FROM queue_job
         WHERE gate = held.gate AND channel = held.channel
           AND state = 'pending' AND gate_state = 'later' AND gate_limit = 0
         ORDER BY {_ORDER} LIMIT 1)
       ORDER BY rank LIMIT 1"""

#: (channel, stored key)
Key = tuple[str, str]


class Verdict(NamedTuple):
    """A job whose `gate_state` was changed."""

    id: int
    gate_state: str | None

    @property
    def is_admitted(self) -> bool:
        """Whether the job may run now."""
        return self.gate_state == OPEN


class _Mark(NamedTuple):
    """A job that is marked as new: a row of `READ_MARKS`."""

    id: int
    channel: str
    gate: str

    @property
    def key(self) -> Key:
        return self.channel, self.gate


def admit(cr: Any, keys: Iterable[Key], marked: Iterable[int] = ()) -> list[Verdict]:
    """Admit the jobs of some keys that may run now, and block the others.

    :param cr: cursor of a READ COMMITTED connection in autocommit mode
    :param keys: the keys that are decided about
    :param marked: ids of jobs of these keys whose mark is removed
    :return: the jobs whose `gate_state` has changed; none if another call has kept one
        of the keys locked for a second
    """
    # of a row that has been put right by now: nothing of that key is to be decided
    known = sorted(key for key in set(keys) if None not in key)
    if not known:
        return []
    channels, gates = zip(*known, strict=True)
    parameters: dict[str, Any] = {
        "channels": list(channels),
        "gates": list(gates),
        "marked": list(marked),
    }
    try:
        cr.execute(f"{LOCK_TIMEOUT}; {LOCK_KEYS}; {ADMIT}", parameters)
    except LockNotAvailable:
        _logger.debug("another process keeps %s locked; the marks stay", keys)
        return []
    return [Verdict(*row) for row in cr.fetchall()]


def admit_marked(cr: Any) -> bool:
    """Decide about the keys of the jobs that are marked as new, many at most.

    :param cr: cursor of a READ COMMITTED connection in autocommit mode
    :return: whether some may be left
    """
    after = 0
    for _page in range(PAGES_OF_A_ROUND):
        cr.execute(READ_MARKS, {"after": after})
        marks = [_Mark(*row) for row in cr.fetchall()]
        if marks:
            admit(cr, [mark.key for mark in marks], [mark.id for mark in marks])
            after = marks[-1].id
        if len(marks) < PAGE:
            return False
    return True


def sweep(cr: Any, after: Key | None = None) -> tuple[list[int], Key | None]:
    """Decide about a page of the keys with pending jobs, marked or not.

    :param cr: cursor of a READ COMMITTED connection in autocommit mode
    :param after: key after which the page begins
    :return: the ids admitted, and where the next page begins: None for the start
    """
    channel, gate = after or ("", "")
    cr.execute(NEXT_KEYS, {"channel": channel, "gate": gate})
    keys = cr.fetchall()
    if not keys:
        return [], None
    admitted = [verdict.id for verdict in admit(cr, keys) if verdict.is_admitted]
    return admitted, keys[-1] if len(keys) == SWEEP_PAGE else None
