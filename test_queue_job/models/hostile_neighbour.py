# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The neighbour of a hostile job in its lease: it writes down how it finds the session,
the process and the caches, and leaves an effect."""

import decimal
import gc
import locale
import os
import signal
import socket
import sys
import threading
import warnings
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path

from odoo import http, models

#: Set by a behaviour, never set otherwise.
LEFT_BEHIND: ContextVar[str] = ContextVar("left_behind", default="")

SETTINGS = """
SELECT coalesce(jsonb_object_agg(name, setting), '{}')
  FROM pg_settings WHERE source = 'session'
"""

# The locks, the prepared statements of the queue itself are left out.
SESSION = """
SELECT current_user::text AS role,
       current_setting('transaction_read_only') AS read_only,
       current_setting('transaction_isolation') AS isolation,
       coalesce(current_setting('hostile.flag', true), '') AS flag,
       current_schemas(false)::text AS schemas,
       (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temp,
       (SELECT count(*) FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'advisory'
           AND classid::bigint NOT BETWEEN 1904281950 AND 1904281999) AS locks,
       (SELECT count(*) FROM pg_listening_channels()) AS listens,
       (SELECT count(*) FROM pg_cursors WHERE name LIKE 'hostile%%') AS cursors,
       (SELECT count(*) FROM pg_prepared_statements
         WHERE name LIKE 'hostile%%') AS prepared
"""


class TestQueueJobHostileNeighbour(models.AbstractModel):
    _name = "test.queue.job.hostile.neighbour"
    _description = "What its neighbours do"

    def _do_look_around(self, parameter):
        cr = self.env.cr
        cr.execute(SETTINGS)
        (settings,) = cr.fetchone()
        cr.execute(SESSION)
        session = cr.dictfetchone()
        found = {
            "session": {**session, "settings": settings},
            "thread": self._thread_state(),
            "process": self._process_state(),
            "parameter": self.env["ir.config_parameter"].sudo().get_param(parameter),
            "backend": cr._cnx.get_backend_pid(),
            "pid": [os.getpid(), threading.get_ident()],
        }
        self._work(details=found)

    @staticmethod
    def _thread_state():
        thread = threading.current_thread()
        names = ("uid", "dbname", "cursor_mode", "testing", "lang", "tz")
        return {
            **{name: repr(getattr(thread, name, None)) for name in names},
            "request": bool(http.request),
            "context": LEFT_BEHIND.get(),
            "decimal": decimal.getcontext().prec,
        }

    @staticmethod
    def _process_state():
        status = Path("/proc/self/status").read_text()
        filters = [str(entry[:4]) for entry in warnings.filters]
        return {
            "directory": str(Path.cwd()),
            "umask": status.partition("Umask:")[2].split()[0],
            "alarm": str(signal.getsignal(signal.SIGALRM)),
            "timer": list(signal.getitimer(signal.ITIMER_REAL)),
            "locale": locale.setlocale(locale.LC_ALL),
            "warnings": sha256("\n".join(filters).encode()).hexdigest()[:12],
            "recursion": sys.getrecursionlimit(),
            "gc": gc.isenabled(),
            "timeout": socket.getdefaulttimeout(),
            "environ": os.environ.get("HOSTILE", ""),
        }
