# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the installation leaves in the database besides the models, and how it goes.

The models' `init()` create the same triggers at each update, which repairs a lost one.
Odoo does not uninstall a server-wide module: start it without `queue_job` in
`server_wide_modules` first.
"""

import logging

from odoo.tools.misc import file_open

_logger = logging.getLogger(__name__)

NOTIFY_SCRIPTS = ("queue_job/sql/notify.sql", "queue_job/sql/notify_channel.sql")

FUNCTIONS = """
DROP FUNCTION IF EXISTS
    queue_job_notify(), queue_job_notify_update(), queue_job_channel_notify(),
    queue_job_gate(), queue_job_gate_deleted(), queue_job_gate_left(text, text),
    queue_job_keep_unmet_edges() CASCADE
"""

TABLES = "DROP TABLE IF EXISTS queue_job_module_version"


def post_init_hook(env) -> None:
    """Create the triggers that wake up the job runner."""
    _logger.info("Create queue_job_notify trigger")
    for path in NOTIFY_SCRIPTS:
        with file_open(path) as script:
            env.cr.execute(script.read())


def uninstall_hook(env) -> None:
    """Drop the triggers and the tables without a model, and forget the parameters."""
    env.cr.execute(FUNCTIONS)
    env.cr.execute(TABLES)
    env["ir.config_parameter"].search([("key", "=like", "queue_job.%")]).unlink()
