# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The other children of the prefork server to which the runner belongs."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

import psutil

from odoo.service import server


def end_sibling(host: str | None, pid: int | None) -> bool:
    """Kill a worker of the same server, which replaces it.

    :param host: name of the worker's host
    :param pid: id of its process there
    :return: False if it isn't such a worker
    """
    prefork = isinstance(server.server, server.PreforkServer)
    if not (prefork and pid and host == socket.gethostname()) or pid == os.getpid():
        return False
    with suppress(psutil.Error, OSError):
        if psutil.Process(pid).ppid() == os.getppid():
            os.kill(pid, signal.SIGKILL)
            return True
    return False
