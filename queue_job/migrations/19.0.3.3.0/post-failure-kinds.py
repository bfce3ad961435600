# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that failed before there were kinds of failures get theirs.

Of very many the clean-up and whoever looks at the list sort the rest, part by part.
"""

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api

#: Jobs of one statement, and statements at most.
PART = 5000
PARTS = 20


def migrate(cr, version: str | None) -> None:
    """Sort failed jobs.

    :param version: that is installed; none at a fresh installation
    """
    if not version:
        return
    kinds = api.Environment(cr, SUPERUSER_ID, {})["queue.job.failure.kind"]
    try:
        with cr.savepoint():
            for _number in range(PARTS):
                if kinds._sort(PART) < PART:
                    break
    except SerializationFailure:
        return  # somebody works with these jobs now; nothing but time is lost
