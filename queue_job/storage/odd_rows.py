# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Odd rows: values that no code of the queue writes, and how each stops itself only.

Raw SQL, imports and restored dumps write what they like. Two things make such a row
harmless, and neither costs the others anything:

1. What is read is compared and subtracted in SQL, and comes as a number, a text or a
   `readable` date: PostgreSQL has dates that Python can't hold (before the year 1,
   after 9999, infinite), and the driver raises an error for the whole result.
2. The rows themselves are put right as soon as they are found, so that all other code
   can read them: `PUT_RIGHT` removes the value and fails the job, if it is not over,
   with a message that names the column and the value. A sweep finds them, a page of the
   table at each liveness scan of the runner, the newest rows first: an index would cost
   each change of a job more than all the rest of this. Rows in flight are left to their
   workers until they are over.

This module imports nothing of Odoo.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..claim.claims import UTC_NOW
from ..core.states import ALL_STATES, FINAL, IN_FLIGHT
from ..keys.rules import STATES as KEY_STATES

#: The dates of a job; those of the second group tell how old its row is.
FORGOTTEN = ("eta", "date_runnable", "date_enqueued", "date_started", "failed_at")
REPLACED = ("date_created", "date_done", "date_cancelled")
DATES = (*FORGOTTEN, *REPLACED)

#: Rows at which one statement looks.
PAGE = 500


def _values(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def readable(column: str) -> str:
    """Return the SQL of a date, or NULL where Python cannot hold it.

    :param column: name of the column, or any SQL expression of a timestamp
    """
    return (
        f"CASE WHEN {column} >= '0001-01-01' AND {column} < '10000-01-01'"
        f" THEN {column} END"
    )


# GREATEST and LEAST pass NULL over.
_ODD_DATE = (
    f"(LEAST({', '.join(DATES)}) < '0001-01-01'"
    f" OR GREATEST({', '.join(DATES)}) >= '10000-01-01')"
)
_ODD_STATE = f"state NOT IN ({_values(ALL_STATES)})"
_ODD_TIME = "exec_time NOT BETWEEN -1e12 AND 1e12"  # NaN is greater than all
_ODD_KEY = (
    "(CASE WHEN gate IS NULL THEN gate_state IS NOT NULL"
    f" ELSE channel IS NULL OR gate_state NOT IN ({_values(KEY_STATES)})"
    " OR gate_state IS NULL AND state = 'pending' END)"
)
#: The condition of an odd row.
ODD = f"({_ODD_DATE} OR {_ODD_STATE} OR {_ODD_TIME} OR {_ODD_KEY})"

# Other addons may have added states of their own.
_DECLARED_STATE = """EXISTS (
    SELECT FROM ir_model_fields_selection s JOIN ir_model_fields f ON f.id = s.field_id
     WHERE f.model = 'queue.job' AND f.name = 'state' AND s.value = queue_job.state)"""

#: What `PUT_RIGHT` takes.
TO_PUT_RIGHT = (
    f"{ODD} AND state NOT IN ({_values(IN_FLIGHT)})"
    f" AND (state IN ({_values(ALL_STATES)}) OR NOT {_DECLARED_STATE})"
)

_FOUND = ", ".join(
    [
        f"CASE WHEN ({readable(name)}) IS NULL THEN '{name} = ' || {name} END"
        for name in DATES
    ]
    + [
        f"CASE WHEN {_ODD_STATE} THEN 'state = ' || state END",
        f"CASE WHEN {_ODD_TIME} THEN 'exec_time = ' || exec_time END",
        f"CASE WHEN {_ODD_KEY} THEN"
        " concat('gate_state = ', coalesce(gate_state, 'null')) END",
    ]
)
_REMEDY = (
    "The row held what the queue cannot work with; it came by SQL, an import or a"
    " restored database. The value was removed: requeue the job if it is to run."
)

#: Assignments that make the dates of row `j` readable.
DATES_PUT_RIGHT = ",\n       ".join(
    [f"{name} = {readable(f'j.{name}')}" for name in FORGOTTEN]
    + [
        f"{name} = CASE WHEN j.{name} IS NOT NULL"
        f" THEN coalesce({readable(f'j.{name}')}, {UTC_NOW}) END"
        for name in REPLACED
    ]
)

#: Where a page begins that ends before an id; NULL when there are no rows any more.
FIRST_OF_PAGE = f"""
SELECT min(id) FROM (SELECT id FROM queue_job WHERE id < %(before)s
                      ORDER BY id DESC LIMIT {PAGE}) page
"""

PUT_RIGHT = f"""
WITH odd AS MATERIALIZED (
    SELECT id, concat_ws(', ', {_FOUND}) AS found,
           state NOT IN ({_values(FINAL)}) AND ({_ODD_DATE} OR {_ODD_STATE}) AS fails
      FROM queue_job
     WHERE id >= %(first)s AND id < %(before)s AND {TO_PUT_RIGHT}
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE queue_job j
   SET {DATES_PUT_RIGHT},
       exec_time = CASE WHEN j.exec_time BETWEEN -1e12 AND 1e12 THEN j.exec_time END,
       channel = CASE WHEN j.gate IS NULL THEN j.channel
                      ELSE coalesce(j.channel, 'root') END,
       gate_state = CASE WHEN j.gate IS NOT NULL THEN 'new' END,
       scheduled = j.state = 'pending' AND NOT odd.fails
                   AND (j.gate IS NOT NULL OR coalesce(j.eta > {UTC_NOW}, FALSE)),
       state = CASE WHEN odd.fails THEN 'failed' ELSE j.state END,
       exc_name = CASE WHEN odd.fails THEN 'OddValueError' ELSE j.exc_name END,
       exc_message = CASE WHEN odd.fails THEN 'Odd value in the row of the job: '
                          || odd.found ELSE j.exc_message END,
       exc_info = CASE WHEN odd.fails THEN '{_REMEDY}' ELSE j.exc_info END,
       identity_slot = CASE WHEN NOT odd.fails THEN j.identity_slot END
  FROM odd
 WHERE j.id = odd.id
RETURNING j.id, j.uuid, odd.found, odd.fails
"""
