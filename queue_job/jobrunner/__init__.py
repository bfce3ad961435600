# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The job runner: it decides which job may start, and sends it to a worker.

| module or folder | duty |
|---|---|
| `runner` | which databases there are; what they share |
| `leader_loop`, `leadership`, `inbox` | the loop of one database, and one leadership |
| `session/` | settings, sessions, LISTEN, all statements |
| `schedule/` (public as `channels`) | what may start now |
| `dispatch/` | claims, leases, HTTP requests to the workers, and what they answer |
| `recovery/` | jobs whose worker has died |
| `server/` | start and stop with the Odoo server; job workers |

Importing the package installs the server hooks; it reads no configuration.
"""

from typing import Any

from . import channels, runner
from .server import server_hooks
from .session import config
from .runner import QueueJobRunner, _channels
from .server.server_hooks import (
    START_DELAY,
    QueueJobRunnerThread,
    WorkerJobRunner,
    _is_runner_enabled,
    _start_runner_thread,
    orig_prefork__init__,
    orig_prefork_process_spawn,
    orig_prefork_worker_pop,
    orig_threaded_start,
    orig_threaded_stop,
    prefork__init__,
    prefork_process_spawn,
    prefork_worker_pop,
    threaded_start,
    threaded_stop,
)

#: The thread of a threaded server, once it is started.
runner_thread: QueueJobRunnerThread | None = None

server_hooks.install()


def __getattr__(name: str) -> Any:
    """Read the section `queue_job` of the configuration when it is asked for."""
    if name == "queue_job_config":
        return config.read_section()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
