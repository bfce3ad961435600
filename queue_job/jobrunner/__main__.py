# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Run the job runner alone, in the foreground.

    python3 ADDONS/queue_job/jobrunner -c odoo.conf
    python3 -m odoo.addons.queue_job.jobrunner -c odoo.conf

The second one where the addon is installed as a wheel: Python must find it before Odoo
has read its addons path. It takes the options of the Odoo server, which then needs
`root:0` as its channel configuration, in its environment, so that there is one runner.
"""

import sys
from pathlib import Path

if not __package__:  # by its path
    _here = Path(__file__).resolve().parent
    # what is in here is no top-level module: it would hide Python's own `statistics`
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != _here]
    import odoo.addons

    odoo.addons.__path__.append(str(_here.parents[1]))
    __package__ = "odoo.addons.queue_job.jobrunner"

import logging
import signal
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
