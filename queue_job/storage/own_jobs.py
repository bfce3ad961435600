# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The jobs of a user: what the user has delayed, and what is meant for the user.

They are read here by SQL, column by column: arguments and tracebacks are no column of
what comes out, and no domain, order or group of the caller's reaches the table.

OdooBot delays most jobs of a database, and nobody logs in as OdooBot: the index leaves
those jobs out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from odoo.sql_db import BaseCursor

from ..core import plain_words
from ..core.states import FINAL, STATES

#: The states of the jobs that are counted.
OPEN = tuple(state for state, _label in STATES if state not in FINAL)

#: More are not counted: "99+".
MOST_COUNTED = 100

#: Notices of one answer.
MOST_NOTICES = 20

#: The definitions of the indexes, on the table of jobs.
DELAYED_INDEX = "(user_id, state, id) WHERE user_id > 1"
MEANT_INDEX = (
    "((options ->> 'meant_for'), state, id) WHERE options ->> 'meant_for' IS NOT NULL"
)

# Each state is an index range of its own: of each no more is read than is shown.
_FIND = """
    SELECT found.id
      FROM unnest(%(states)s::varchar[]) AS wanted (state)
     CROSS JOIN LATERAL (
        SELECT id FROM queue_job
         WHERE user_id = %(user_id)s AND user_id > 1
           AND state = wanted.state AND id < %(before)s
         ORDER BY id DESC LIMIT %(limit)s) AS found
     UNION
    SELECT found.id
      FROM unnest(%(states)s::varchar[]) AS wanted (state)
     CROSS JOIN LATERAL (
        SELECT id FROM queue_job
         WHERE options ->> 'meant_for' = %(meant_for)s
           AND state = wanted.state AND id < %(before)s
         ORDER BY id DESC LIMIT %(limit)s) AS found
"""

# The notices say how old they are: the dialog that waits for a job needs some seconds
# to hear of its end.
NEWS = f"""
SELECT (SELECT count(*) FROM ({_FIND} LIMIT %(limit)s) AS counted) AS open,
       coalesce((SELECT json_agg(notice ORDER BY notice.id) FROM (
            SELECT id, uuid, awaited,
                   extract(epoch FROM now() AT TIME ZONE 'UTC' - date)::int AS seconds
              FROM queue_job_notice WHERE partner_id = %(partner_id)s
             ORDER BY id LIMIT {MOST_NOTICES}) AS notice), '[]') AS notices
"""

# The columns of a job that its user may read. What an earlier attempt has reported is
# left out.
_COLUMNS = """
SELECT job.id, job.uuid, job.name, job.state, job.eta, job.retry, job.user_id,
       job.date_created, job.date_started, job.date_done, job.date_cancelled,
       job.failed_at,
       job.exc_name, left(job.exc_message, 1000) AS exc_message,
       left(job.result, 1000) AS result,
       CASE WHEN job.state = 'done' AND length(job.result_json) < 20000
            THEN job.result_json END AS result_json,
       coalesce(job.channel_method_name,
                '<' || job.model_name || '>.' || job.method_name) AS function,
       progress.percent, progress.message
  FROM queue_job job
  LEFT JOIN queue_job_progress progress
    ON progress.job_id = job.id AND progress.key IS NULL
   AND progress.date >= job.date_started
"""

READ = f"{_COLUMNS} WHERE job.id IN ({_FIND}) ORDER BY job.id DESC LIMIT %(limit)s"

READ_ONE = f"""{_COLUMNS}
 WHERE job.uuid = %(uuid)s
   AND ((job.user_id = %(user_id)s AND job.user_id > 1)
        OR job.options ->> 'meant_for' = %(meant_for)s)
"""

#: Larger than the id of any job.
ANY_ID = 2**31 - 1


def _whose(user_id: int, partner_id: int) -> dict[str, Any]:
    return {"user_id": user_id, "meant_for": str(partner_id)}


def news(cr: BaseCursor, user_id: int, partner_id: int) -> dict[str, Any]:
    """Return what the counter of a user shows, by one query.

    :param partner_id: of the user
    :return: open, the jobs that have not ended, `MOST_COUNTED` at most; and notices
        (`queue.job.notice`): id, uuid, awaited, and seconds since the end
    """
    values = {"states": list(OPEN), "before": ANY_ID, "limit": MOST_COUNTED}
    values["partner_id"] = partner_id
    cr.execute(NEWS, {**_whose(user_id, partner_id), **values})
    row: dict[str, Any] = cr.dictfetchone()
    return row


def read(
    cr: BaseCursor,
    user_id: int,
    partner_id: int,
    states: Iterable[str],
    before: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the newest jobs of a user in some states.

    :param partner_id: of the user
    :param before: only older ones than the job of this id
    """
    limits = {"states": list(states), "before": before or ANY_ID, "limit": limit}
    cr.execute(READ, {**_whose(user_id, partner_id), **limits})
    return list(map(_for_people, cr.dictfetchall()))


def read_one(
    cr: BaseCursor, user_id: int, partner_id: int, uuid: str
) -> dict[str, Any] | None:
    """Return the job of a uuid, None if there is none or it is of others.

    :param partner_id: of the user
    """
    cr.execute(READ_ONE, {**_whose(user_id, partner_id), "uuid": uuid})
    row = cr.dictfetchone()
    return _for_people(row) if row else None


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    """Leave of the error what was written for people."""
    exc_name, message = row.pop("exc_name"), row.pop("exc_message")
    row["error"] = plain_words.readable_error(exc_name, message)
    return row
