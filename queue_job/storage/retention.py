# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Retention: which ended jobs are too old to be kept.

Each channel keeps its ended jobs for a time of its own; those of a channel that does
not exist (any more) follow the root channel. The states do not matter for done and
cancelled jobs, their dates do. Failed jobs have no date of their end: the start of the
last attempt stands for it.

They are deleted in batches, each in a transaction of its own. The rows that were
deleted before stand at the beginning of the indexes until vacuum has been there, which
it may not as long as some transaction of the cluster is older. To walk over them for
each batch would make a great clean-up slower and slower: so a look finds the candidates
of many batches, and each batch is checked again when it is locked.
"""

import time

from odoo.models import BaseModel

from ..claim.claims import UTC_NOW

#: More days than this are more than the calendar has.
MOST_DAYS = 500_000

# The table may hold millions of jobs that are kept. So no condition compares a date
# with something that is not known before: the recursion hops from channel to channel
# through the index, and each channel is read from its oldest job on, through the
# partial indexes on (channel, date_done, date_created) and (channel, date_cancelled).
_CHANNELS_WITH = """
    {name} AS (
        (SELECT channel FROM queue_job WHERE {condition} ORDER BY channel LIMIT 1)
        UNION ALL
        SELECT (SELECT job.channel FROM queue_job job
                 WHERE {condition} AND job.channel > {name}.channel
                 ORDER BY job.channel LIMIT 1)
          FROM {name} WHERE {name}.channel IS NOT NULL
    )"""

_OLDEST_OF = """
    SELECT old.*
      FROM {name}
     CROSS JOIN root
      LEFT JOIN keep ON keep.complete_name = {name}.channel
     CROSS JOIN LATERAL (
           SELECT id, date_done, date_created
             FROM queue_job
            WHERE {condition} AND channel = {name}.channel AND {age} <= {before}
              AND {before} IS NOT NULL
            ORDER BY {order}
            LIMIT %(limit)s) AS old
    UNION ALL (
    SELECT id, date_done, date_created
      FROM queue_job
     WHERE {condition} AND channel IS NULL AND {age} <= (SELECT {root_before} FROM root)
     ORDER BY {order}
     LIMIT %(limit)s)"""

_FAILED_BEFORE = (
    "CASE WHEN keep.complete_name IS NULL THEN root.failed ELSE keep.failed END"
)

_KINDS = (
    {
        "name": "done",
        "condition": "date_done IS NOT NULL",
        "age": "date_done",
        "order": "date_done, date_created",
        "before": "COALESCE(keep.ended, root.ended)",
        "root_before": "root.ended",
    },
    {
        "name": "cancelled",
        "condition": "date_cancelled IS NOT NULL",
        "age": "date_cancelled",
        "order": "date_cancelled",
        "before": "COALESCE(keep.ended, root.ended)",
        "root_before": "root.ended",
    },
    {
        "name": "failed",
        "condition": "state = 'failed'",
        "age": "COALESCE(date_started, date_created)",
        # not by id: PostgreSQL might read all jobs in the order of the primary key
        "order": "COALESCE(date_started, date_created)",
        "before": _FAILED_BEFORE,
        "root_before": "root.failed",
    },
)


def _days(number: str) -> str:
    """SQL of a time that can be taken from now, however large the number is."""
    return f"LEAST({number}, {MOST_DAYS}) * interval '1 day'"


_LIMITS = f"""
    keep AS (
        SELECT complete_name,
               {UTC_NOW} - {_days("removal_interval")} AS ended,
               {UTC_NOW} - {_days("NULLIF(GREATEST(failed_removal_interval, 0), 0)")}
                   AS failed
        FROM queue_job_channel
    ), root AS (
        SELECT COALESCE(
                   (SELECT ended FROM keep WHERE complete_name = 'root'),
                   {UTC_NOW} - %(default_days)s * interval '1 day') AS ended,
               (SELECT failed FROM keep WHERE complete_name = 'root') AS failed
    )"""

OLD_JOBS = f"""
    WITH RECURSIVE {_LIMITS},
         {",".join(_CHANNELS_WITH.format(**kind) for kind in _KINDS)}
    SELECT id
      FROM ({" UNION ALL ".join(_OLDEST_OF.format(**kind) for kind in _KINDS)}) AS old
     GROUP BY id, date_done, date_created
     ORDER BY date_done, date_created, id
     LIMIT %(limit)s
"""

_IS_OLD = " OR ".join("{condition} AND {age} <= {before}".format(**k) for k in _KINDS)

# Those that are still old and that are not locked: a job that is being requeued is not
# deleted.
LOCK_OLD_JOBS = f"""
    WITH {_LIMITS}
    SELECT job.id
      FROM queue_job job
     CROSS JOIN root
      LEFT JOIN keep ON keep.complete_name = job.channel
     WHERE job.id = ANY(%(ids)s) AND ({_IS_OLD})
       FOR UPDATE OF job SKIP LOCKED
"""

# The planner takes the statement for a hundred times as costly as it is, and would
# have it compiled: three seconds for what runs in a tenth of one.
NO_JIT = "SET LOCAL jit = off"

#: Batches whose jobs are found by one look.
LOOK_AHEAD = 20
#: Seconds for which a look is worth something.
LOOK_SECONDS = 600
#: Attribute of the registry: (when the look was, the ids that are left of it).
_FOUND = "_queue_job_old_ids"


def old_job_ids(jobs: BaseModel, limit: int) -> tuple[list[int], bool]:
    """Lock the oldest jobs which their channel keeps no longer.

    :param jobs: the model `queue.job`
    :param limit: jobs to lock, at most
    :return: their ids, and whether there are more
    """
    jobs.flush_model()
    jobs.env["queue.job.channel"].flush_model()
    jobs.env.cr.execute(NO_JIT)
    found = _left_of_the_last_look(jobs.env.registry)
    locked = _lock(jobs, found[:limit]) if len(found) > limit else []
    if not locked:
        found = _look(jobs, limit * LOOK_AHEAD + 1)
        locked = _lock(jobs, found[:limit])
    setattr(jobs.env.registry, _FOUND, (time.monotonic(), found[limit:]))
    return locked, bool(locked) and len(found) > limit


def _left_of_the_last_look(registry) -> list[int]:
    moment, ids = getattr(registry, _FOUND, (0.0, []))
    return ids if time.monotonic() - moment < LOOK_SECONDS else []


def _look(jobs, limit: int) -> list[int]:
    parameters = {"default_days": jobs._removal_interval, "limit": limit}
    jobs.env.cr.execute(OLD_JOBS, parameters)
    return [job_id for (job_id,) in jobs.env.cr.fetchall()]


def _lock(jobs, ids: list[int]) -> list[int]:
    if not ids:
        return []
    parameters = {"default_days": jobs._removal_interval, "ids": ids}
    jobs.env.cr.execute(LOCK_OLD_JOBS, parameters)
    return [job_id for (job_id,) in jobs.env.cr.fetchall()]
