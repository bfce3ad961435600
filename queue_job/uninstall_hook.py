# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the models do not take with them when the addon is uninstalled.

Odoo does not uninstall a server-wide module: start it without `queue_job` in
`server_wide_modules` first.
"""

FUNCTIONS = """
DROP FUNCTION IF EXISTS
    queue_job_notify(), queue_job_notify_update(), queue_job_channel_notify(),
    queue_job_gate(), queue_job_gate_deleted(), queue_job_gate_left(text, text),
    queue_job_keep_unmet_edges() CASCADE
"""


def uninstall_hook(env) -> None:
    """Drop the triggers with their functions, and forget the parameters."""
    env.cr.execute(FUNCTIONS)
    env["ir.config_parameter"].search([("key", "=like", "queue_job.%")]).unlink()
