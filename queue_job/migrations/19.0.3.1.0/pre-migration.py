# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Two tables fewer: their rows move to the tables that hold their like.

- `queue_job_total`: totals become the rows of `queue_job_statistic` without a minute.
- `queue_job_checkpoint`: positions of loops become archived rows of
  `queue_job_progress`, so that interrupted jobs go on where they were.

The script can be run again. Databases of the community addon have neither table.
"""

from odoo.tools import sql

# Their counts may exceed 2**31.
WIDEN_STATISTICS = """
ALTER TABLE queue_job_statistic
  ALTER COLUMN minute DROP NOT NULL,
  ALTER COLUMN done TYPE double precision,
  ALTER COLUMN failed TYPE double precision,
  ALTER COLUMN retried TYPE double precision,
  ALTER COLUMN cancelled TYPE double precision,
  ALTER COLUMN run_histogram TYPE bigint[],
  ALTER COLUMN wait_histogram TYPE bigint[],
  ADD COLUMN IF NOT EXISTS dead double precision
"""
MOVE_TOTALS = """
INSERT INTO queue_job_statistic
       (function, channel, done, failed, retried, cancelled, dead, run_seconds,
        wait_seconds, run_histogram, wait_histogram)
SELECT function, channel, done, failed, retried, cancelled, dead, run_seconds,
       wait_seconds, run_histogram, wait_histogram
  FROM queue_job_total
"""

# The index on the job alone lets in one row for each; the update makes it anew.
WIDEN_PROGRESS = """
ALTER TABLE queue_job_progress
  ADD COLUMN IF NOT EXISTS key varchar,
  ADD COLUMN IF NOT EXISTS active boolean;
UPDATE queue_job_progress SET active = TRUE WHERE active IS NULL;
DROP INDEX IF EXISTS queue_job_progress_job_uniq;
"""
MOVE_CHECKPOINTS = """
INSERT INTO queue_job_progress (job_id, key, value, active)
SELECT job_id, key, position, FALSE FROM queue_job_checkpoint
"""

# What Odoo knows of a model; access rights, rules and fields go with it.
FORGET_NAMES = """
DELETE FROM ir_model_data
 WHERE module = 'queue_job'
   AND (name = ANY(%(names)s) OR name ~ %(parts)s)
"""
FORGET_MODEL = "DELETE FROM ir_model WHERE model = %s"


def migrate(cr, version: str | None) -> None:
    """Move the rows of the two tables, and drop these.

    :param version: that is installed; none at a fresh installation
    """
    if not version:
        return
    if sql.table_exists(cr, "queue_job_total"):
        cr.execute(WIDEN_STATISTICS)
        cr.execute(MOVE_TOTALS)
        _drop(cr, "queue_job_total")
    if sql.table_exists(cr, "queue_job_checkpoint"):
        cr.execute(WIDEN_PROGRESS)
        cr.execute(MOVE_CHECKPOINTS)
        _drop(cr, "queue_job_checkpoint")


def _drop(cr, table):
    cr.execute(f"DROP TABLE {table}")  # pylint: disable=sql-injection
    names = [f"model_{table}", f"access_{table}_manager", f"{table}_comp_rule"]
    parts = f"^(field|constraint)_{table}_"
    cr.execute(FORGET_NAMES, {"names": names, "parts": parts})
    cr.execute(FORGET_MODEL, [table.replace("_", ".")])
