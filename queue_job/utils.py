# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When jobs are run at once instead of being enqueued: for tests and debugging.

Set the environment variable `QUEUE_JOB__NO_DELAY`, or the context key
`queue_job__no_delay`. The names of earlier series still work.
"""

import logging
import os

from odoo.tools import config

_logger = logging.getLogger(__name__)

ENV_NAME = "QUEUE_JOB__NO_DELAY"
CONTEXT_KEY = "queue_job__no_delay"
#: Names of earlier series, understood with a hint to the present ones.
DEPRECATED_ENV_NAME = "TEST_QUEUE_JOB_NO_DELAY"
DEPRECATED_CONTEXT_KEY = "test_queue_job_no_delay"


def must_run_without_delay(env) -> bool | None:
    """Return True if methods called through `with_delay` have to run right now.

    None if not.

    :param env: the environment of the call; the variable counts as well
    """
    for name in (ENV_NAME, DEPRECATED_ENV_NAME):
        if os.environ.get(name):
            hint = "" if name == ENV_NAME else f" (deprecated, use {ENV_NAME})"
            _logger.warning("`%s` env var found%s. NO JOB scheduled.", name, hint)
            return True
    for key in (CONTEXT_KEY, DEPRECATED_CONTEXT_KEY):
        if env.context.get(key):
            if not config["test_enable"]:
                hint = "" if key == CONTEXT_KEY else f" (deprecated, use {CONTEXT_KEY})"
                _logger.info("`%s` ctx key found%s. NO JOB scheduled.", key, hint)
            return True
    return None
