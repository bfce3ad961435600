# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What hostile jobs do to their process and its thread."""

import ctypes
import decimal
import gc
import locale
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from odoo import http, models

from .hostile_neighbour import LEFT_BEHIND


def _ignore_alarms():
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


def _set_locale():
    before = locale.setlocale(locale.LC_TIME)
    locale.setlocale(locale.LC_TIME, "C" if before != "C" else "C.UTF-8")


def _set_thread_user():
    threading.current_thread().uid = 4711


def _set_thread_database():
    threading.current_thread().dbname = "nowhere"


#: What a job may change in its process.
LEFT_IN_PROCESS = {
    "directory": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o177),
    "alarm": _ignore_alarms,
    "locale": _set_locale,
    "warnings": lambda: warnings.simplefilter("error"),
    "recursion": lambda: sys.setrecursionlimit(12_345),
    "gc": gc.disable,
    "timeout": lambda: socket.setdefaulttimeout(47.11),
    "environ": lambda: os.environ.update(HOSTILE="left"),
    "working_directory_gone": lambda: _enter_and_remove(),
}

#: What a job may change in its thread.
LEFT_IN_THREAD = {
    "user": _set_thread_user,
    "database": _set_thread_database,
    "context": lambda: LEFT_BEHIND.set("left"),
    "decimal": lambda: setattr(decimal.getcontext(), "prec", 3),
    "request": lambda: http._request_stack.push(SimpleNamespace(left="behind")),
}


def _enter_and_remove():
    path = Path(f"/tmp/queue_job_hostile_{os.getpid()}_{threading.get_ident()}")
    path.mkdir(exist_ok=True)
    os.chdir(path)
    path.rmdir()


class TestQueueJobHostileProcess(models.AbstractModel):
    _name = "test.queue.job.hostile.process"
    _description = "What hostile jobs do to their process"

    def _do_leave_in_process(self, what):
        self._work()
        LEFT_IN_PROCESS[what]()

    def _do_leave_in_thread(self, what):
        self._work()
        LEFT_IN_THREAD[what]()

    def _do_leave_thread(self, seconds):
        """A thread that goes on after the end."""
        self._work()
        threading.Thread(target=time.sleep, args=(seconds,), daemon=True).start()

    def _do_fork(self, first):
        """Both processes return.

        :param first: who does it first, "parent" or "child"
        """
        self._work()
        is_child = not os.fork()
        if is_child is (first == "parent"):
            time.sleep(0.5)

    def _do_run_process(self, seconds):
        """Wait for another process, which bears the job's uuid as its name."""
        self._work()
        name = self.env.context["job_uuid"]
        subprocess.run([name, str(seconds)], executable="/bin/sleep", check=False)

    def _do_die(self, how):
        """Take the worker down."""
        self._work()
        ways = {
            "exit": lambda: os._exit(4),  # 3 stops the whole server, Odoo has it so
            "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "segfault": lambda: ctypes.string_at(0),
        }
        ways[how]()
        time.sleep(5)  # should it be a moment too slow
