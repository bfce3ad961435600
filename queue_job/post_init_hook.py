# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the installation leaves in the database besides the models.

The models' `init()` do the same at each update, which repairs a lost trigger.
"""

import logging

from odoo.tools.misc import file_open

_logger = logging.getLogger(__name__)

NOTIFY_SCRIPTS = ("queue_job/sql/notify.sql", "queue_job/sql/notify_channel.sql")


def post_init_hook(env) -> None:
    """Create the triggers that wake up the job runner."""
    _logger.info("Create queue_job_notify trigger")
    for path in NOTIFY_SCRIPTS:
        with file_open(path) as script:
            env.cr.execute(script.read())
