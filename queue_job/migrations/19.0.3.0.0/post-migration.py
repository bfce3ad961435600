# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Bring the jobs of the community addon into the new columns and tables.

- The dependencies, JSON with uuids, become rows of `queue_job_dependency`.
- Pending jobs with a date wait for it as scheduled ones.
- Waiting jobs hold their identity key; of several with the same key, the oldest one.
- Each failure is told by a message of its own, as it was.

Each step can be run again.
"""

from odoo import SUPERUSER_ID, api

MARK_SCHEDULED = """
    UPDATE queue_job SET scheduled = TRUE
    WHERE state = 'pending'
      AND eta > (now() AT TIME ZONE 'UTC')
      AND scheduled IS NOT TRUE
"""

HOLD_IDENTITY = """
    UPDATE queue_job SET identity_slot = identity_key
    WHERE id IN (
        SELECT DISTINCT ON (job.identity_key) job.id
        FROM queue_job job
        WHERE job.identity_key IS NOT NULL
          AND job.state IN ('wait_dependencies', 'pending', 'enqueued')
          AND NOT EXISTS (
              SELECT FROM queue_job holder
              WHERE holder.identity_slot = job.identity_key
          )
        ORDER BY job.identity_key, job.id
    )
"""

KEEP_A_MESSAGE_FOR_EACH_FAILURE = """
    UPDATE queue_job_channel SET failure_notice = 'each'
    WHERE parent_id IS NULL AND failure_notice IS NULL
"""


def migrate(cr, version: str | None) -> None:
    """Fill the new columns and tables after the update.

    :param version: that is installed; none at a fresh installation
    """
    if not version:
        return
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["queue.job.dependency"]._add_from_json()
    cr.execute(MARK_SCHEDULED)
    cr.execute(HOLD_IDENTITY)
    cr.execute(KEEP_A_MESSAGE_FOR_EACH_FAILURE)
