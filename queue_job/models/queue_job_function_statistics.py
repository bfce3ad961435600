# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the jobs of each function did during the last week."""

from odoo import api, fields, models


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

    def action_open_jobs(self):
        """Open the jobs of these functions."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {
            **action,
            "domain": [("channel_method_name", "in", self.mapped("name"))],
            "context": {},
        }
