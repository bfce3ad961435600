# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs have done, summed up by minute, function, channel, company, and in total.

The runner writes the sums every few seconds from what the leases report, so that no
job pays for them and nobody has to count the table of jobs: the dashboard, the
statistics of job functions and the metrics read from here. A runner that is killed
loses the sums of its last seconds.

Each job function, channel and company also has a row without a minute: its total since
the installation, which only grows. The metrics read the totals. The rows of the minutes
are deleted after a month, and so are those of the hours, a table without a model
(`sql/statistics.sql`).

Job functions show what they did during the last week.
"""

from odoo import api, fields, models
from odoo.tools.misc import file_open

from ..monitoring.statistics import BOUNDS  # noqa: F401  (of the histograms)

#: Days that the sums of a minute are kept.
KEEP_DAYS = 31

# The ORM has no arrays; the columns are read and written by SQL only.
ADD_HISTOGRAMS = """
ALTER TABLE queue_job_statistic
  ADD COLUMN IF NOT EXISTS run_histogram bigint[],
  ADD COLUMN IF NOT EXISTS wait_histogram bigint[]
"""

FORGET_MINUTES = "DELETE FROM queue_job_statistic WHERE minute < %s"
FORGET_HOURS = "DELETE FROM queue_job_statistic_hour WHERE hour < %s"


class QueueJobStatistic(models.Model):
    _name = "queue.job.statistic"
    _description = "Job Statistics"
    _log_access = False
    _order = "minute DESC, function, channel"
    _rec_name = "function"

    minute = fields.Datetime(readonly=True)  # empty in a total
    function = fields.Char(required=True, readonly=True)
    channel = fields.Char(required=True, readonly=True)
    # The id, 0 for none. No reference: the totals outlive the company.
    company = fields.Integer(required=True, readonly=True, default=0)
    # Floats hold whole numbers up to 2**53: an integer column would end at 2**31.
    done = fields.Float(readonly=True)
    failed = fields.Float(readonly=True)
    retried = fields.Float(readonly=True)
    cancelled = fields.Float(readonly=True)
    dead = fields.Float(
        readonly=True, help="Attempts whose worker died while it ran them."
    )
    run_seconds = fields.Float(readonly=True, help="Sum of the run times.")
    run_max = fields.Float(readonly=True, help="Longest run time, in seconds.")
    wait_seconds = fields.Float(
        readonly=True, help="Sum of the times between being due and starting."
    )
    wait_max = fields.Float(readonly=True, help="Longest wait, in seconds.")

    # Partial: NULLs are never equal, one index would let a total in twice.
    _minute_function_channel_uniq = models.UniqueIndex(
        "(minute, function, channel, company) WHERE minute IS NOT NULL"
    )
    _total_function_channel_uniq = models.UniqueIndex(
        "(function, channel, company) WHERE minute IS NULL"
    )

    def init(self) -> None:
        """Add the columns of the histograms, and the tables without a model."""
        self.env.cr.execute(ADD_HISTOGRAMS)
        with file_open("queue_job/sql/statistics.sql") as script:
            self.env.cr.execute(script.read())

    @api.autovacuum
    def _gc_statistics(self):
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=KEEP_DAYS)
        for statement in (FORGET_MINUTES, FORGET_HOURS):
            self.env.cr.execute(statement, (limit,))


# pylint: disable=consider-merging-classes-inherited
class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    run_count = fields.Integer(
        string="Runs (7 days)",
        compute="_compute_statistics",
        help="Attempts of the last seven days, whatever their end.",
    )
    failed_count = fields.Integer(
        string="Failures (7 days)", compute="_compute_statistics"
    )
    mean_seconds = fields.Float(
        string="Mean (s)", compute="_compute_statistics", digits=(16, 3)
    )
    p95_seconds = fields.Float(
        string="95 % below (s)",
        compute="_compute_statistics",
        digits=(16, 3),
        help="95 of 100 attempts were faster; estimated from classes of run times.",
    )
    last_run = fields.Datetime(compute="_compute_statistics")

    @api.depends("name")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_statistics(self):
        dashboard = self.env["queue.job.dashboard"]
        rows = dashboard.get_function_statistics(self.mapped("name"))
        for function in self:
            row = rows.get(function.name, {})
            function.run_count = row.get("attempts", 0)
            function.failed_count = row.get("failed", 0)
            function.mean_seconds = row.get("mean", 0)
            function.p95_seconds = row.get("p95", 0)
            function.last_run = row.get("last_run", False)

    def action_open_jobs(self) -> dict:
        """Return the action that opens the jobs of these functions.

        Those that were enqueued by a former name are among them.
        """
        former = [str(call) for each in self for call in each._former_calls()]
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {
            **action,
            "domain": [("channel_method_name", "in", self.mapped("name") + former)],
            "context": {},
        }
