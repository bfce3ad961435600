# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run the job runner alone, in the foreground.

    python -m odoo.addons.queue_job.jobrunner -c odoo.conf

takes the options of the Odoo server. The server itself then needs `root:0` as its
channel configuration, in its environment, lest there be two runners.
"""

import logging
import signal
import sys
from typing import Any

from odoo.tools import config

from . import QueueJobRunnerThread, _is_runner_enabled

_logger = logging.getLogger(__name__)


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    config.parse_config(sys.argv[1:], setup_logging=True)
    if not _is_runner_enabled():
        _logger.info("NOT started, because the root channel's capacity is set to 0")
        return
    # in a thread of its own, because a signal handler runs in the main thread and
    # must not find it in the middle of what `stop` does
    thread = QueueJobRunnerThread()

    def stop(_signal: int, _frame: Any) -> None:
        thread.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
