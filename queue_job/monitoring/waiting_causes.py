# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs wait for, in a word: the causes by which a list of any length is grouped.

A cause is a coarser reason, see `CAUSE_OF`. None is stored: it would be a lie as soon
as somebody pauses a channel. `CAUSE` tells the cause of each row where a statement asks
for it. What differs from channel to channel is decided by `waiting_reason` before, once
for each channel in which jobs are ready, and is part of the statement; the rest is in
the row, or in what has failed. So half a million rows are told by one scan.

In one case the cause of a row says more than its reason. A job of a graph may have
several lines of parents; its reason goes along one of them, by the worst parent of each
step. The cause says that a parent has failed if any of them has, at whatever distance.

This module imports nothing of Odoo.
"""

from __future__ import annotations

from ..claim.claims import NOT_BLOCKED
from ..core.errors import OUTDATED_CODE
from ..core.states import ENQUEUED, PENDING, WAIT_DEPENDENCIES
from ..keys.admission import BUSY
from ..storage.dependencies import IS_OPEN
from .dashboard_queries import READY
from .health import NOTES
from .waiting_reason import Reason

#: cause -> (states of the jobs that have it, codes of its reasons)
CAUSES = {
    "parent_failed": ((WAIT_DEPENDENCIES,), ("parent_failed",)),
    "parent": (
        (WAIT_DEPENDENCIES,),
        ("parent_running", "parent_waits", "parent_gone", "release", "far"),
    ),
    "key_failed": ((PENDING,), ("key_failed",)),
    "key": ((PENDING,), ("key_running", "key_waits", "key_new")),
    "date": ((PENDING,), ("date",)),
    "retry": ((PENDING,), ("retry", "retry_lost", "outdated_code")),
    "server": (
        (PENDING,),
        (
            *NOTES,
            *("config_error", "disabled", "not_server_wide"),
            *("no_runner", "runner_lost"),
        ),
    ),
    "paused": ((PENDING,), ("channel_paused", "channel_fixed")),
    "sequence": ((PENDING,), ("sequential_failed", "sequential_date")),
    "rate": ((PENDING,), ("throttle", "rate")),
    "full": (
        (PENDING,),
        ("full", "full_estimated", "full_long", "full_crowded", "full_shared"),
    ),
    "busy": ((PENDING,), ("total_full", "pool_full", "threads_full")),
    "given": ((ENQUEUED,), ("enqueued", "enqueued_long")),
    "turn": ((PENDING,), ("soon", "workers_busy")),
}

#: code of a reason -> its cause
CAUSE_OF = {code: cause for cause, (_states, codes) in CAUSES.items() for code in codes}

# The jobs that wait for one that has failed: as its children, or theirs, and so on.
_BEHIND_FAILED = f"""
WITH RECURSIVE behind AS (
    SELECT child.id
      FROM queue_job parent
      JOIN queue_job_dependency edge ON edge.parent_id = parent.id
      JOIN queue_job child ON child.id = edge.child_id
     WHERE parent.state = 'failed' AND {IS_OPEN} AND child.state = 'wait_dependencies'
     UNION
    SELECT child.id
      FROM behind
      JOIN queue_job_dependency edge ON edge.parent_id = behind.id
      JOIN queue_job child ON child.id = edge.child_id
     WHERE child.state = 'wait_dependencies'
)
SELECT id FROM behind"""

# Keys of which a job has failed, or is before all that are blocked: (gate, channel).
_FAILED_KEYS = f"SELECT gate, channel FROM queue_job WHERE {BUSY} AND state = 'failed'"
_HELD_KEYS = f"""
SELECT gate, channel FROM queue_job WHERE {BUSY}
 UNION
SELECT gate, channel FROM queue_job
 WHERE state = 'pending' AND gate IS NOT NULL
   AND (gate_state = 'open' OR gate_state = 'later' AND gate_limit = 0)"""

# Attempts that don't count, by servers that did not have the code of the job.
_OUTDATED = f"SELECT job_id FROM queue_job_attempt WHERE exc_name = '{OUTDATED_CODE}'"

# The cause of row `job`, with the values of
# `waiting_facts.read_causes`; NULL if it does not wait.
# The order is that of `waiting_reason`.
CAUSE = f"""
CASE %(job)s.state
WHEN 'enqueued' THEN 'given'
WHEN 'wait_dependencies' THEN
     CASE WHEN %(job)s.id IN ({_BEHIND_FAILED}) THEN 'parent_failed' ELSE 'parent' END
WHEN 'pending' THEN
     CASE WHEN %(job)s.gate_state IN ('new', 'waiting')
           AND (%(job)s.gate, %(job)s.channel) IN ({_FAILED_KEYS}) THEN 'key_failed'
          WHEN %(job)s.gate_state IN ('new', 'waiting')
           AND (%(job)s.gate, %(job)s.channel) IN ({_HELD_KEYS}) THEN 'key'
          WHEN %(job)s.eta > statement_timestamp() AT TIME ZONE 'UTC'
          THEN CASE WHEN %(job)s.retry > 0 OR %(job)s.id IN ({_OUTDATED})
                    THEN 'retry' ELSE 'date' END
          WHEN %(is_held)s THEN 'server'
          WHEN %(job)s.gate_state IN ('new', 'waiting') THEN 'key'
          WHEN %(ahead)s::jsonb ? %(job)s.channel
           AND (%(job)s.priority, %(job)s.date_created, %(job)s.id)
               > ((%(ahead)s::jsonb -> %(job)s.channel ->> 0)::int,
                  (%(ahead)s::jsonb -> %(job)s.channel ->> 1)::timestamp,
                  (%(ahead)s::jsonb -> %(job)s.channel ->> 2)::int) THEN 'sequence'
          ELSE coalesce(
               %(channels)s::jsonb ->> coalesce(%(job)s.channel, ''), 'turn') END
END"""

# The channels in which jobs are ready.
READY_CHANNELS = f"""
WITH RECURSIVE names AS (
    (SELECT channel FROM queue_job WHERE {READY} ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT channel FROM queue_job
             WHERE {READY} AND channel > names.channel ORDER BY channel LIMIT 1)
      FROM names WHERE names.channel IS NOT NULL
)
SELECT channel FROM names WHERE channel IS NOT NULL
 UNION ALL
(SELECT NULL FROM queue_job WHERE {READY} AND channel IS NULL LIMIT 1)
"""

# The first job of each of some channels that waits for its date.
JOBS_AHEAD = f"""
SELECT names.channel, head.priority, head.date_created::text, head.id
  FROM unnest(%(channels)s::text[]) AS names (channel) CROSS JOIN LATERAL (
       SELECT priority, date_created, id FROM queue_job
        WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}
          AND channel = names.channel
        ORDER BY priority, date_created, id LIMIT 1) head
"""

#: Causes of a channel that come before a job which waits for its date.
BEFORE_DATES = ("paused", "sequence")


def cause_of(reason: Reason | None) -> str | None:
    """Return the cause of a reason, None for none."""
    return CAUSE_OF[reason.code] if reason else None
