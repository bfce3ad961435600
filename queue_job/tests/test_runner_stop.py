# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A runner stops at once, also where it hasn't begun to lead a database."""

import socket
import threading
import time
from contextlib import closing
from unittest.mock import patch

from odoo.tests import BaseCase

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.jobrunner import runner
from odoo.addons.queue_job.jobrunner.session import connection

#: Seconds in which it has to end; all that it may wait for takes longer.
AT_ONCE = 1.5


class TestStop(BaseCase):
    def setUp(self):
        super().setUp()
        self.thread = jobrunner.QueueJobRunnerThread()
        self.addCleanup(self.thread.stop)

    def stop(self):
        began = time.monotonic()
        self.thread.stop()
        self.thread.join(10)
        self.assertFalse(self.thread.is_alive())
        self.assertLess(time.monotonic() - began, AT_ONCE)

    def names(self, function):
        """Replace the list of the databases."""
        self.startPatcher(patch.object(runner.QueueJobRunner, "get_db_names", function))

    def test_in_its_start_delay(self):
        self.startPatcher(patch.object(jobrunner, "START_DELAY", 60))
        self.thread.start()
        with patch.object(self.thread.runner, "run") as run:
            self.stop()
        run.assert_not_called()

    def test_before_it_is_started(self):
        self.thread.stop()
        self.thread.start()
        self.stop()

    def test_while_the_databases_are_listed(self):
        asked, answer = threading.Event(), threading.Event()
        self.addCleanup(answer.set)

        def hang(_runner):
            asked.set()
            answer.wait(30)
            return ["queue_job_no_such_database"]

        self.names(hang)
        self.thread.start()
        self.assertTrue(asked.wait(5))
        self.stop()
        self.assertFalse(self.thread.runner.loops)

    def test_in_its_first_connection(self):
        """The server accepts the connection, and says nothing."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            server.settimeout(5)
            address = {"host": "127.0.0.1", "port": server.getsockname()[1]}
            info = {"dbname": "silent", "connect_timeout": 10, **address}
            self.names(lambda _runner: ["silent"])
            self.startPatcher(
                patch.object(connection, "_connection_info_for", lambda _name: info)
            )
            self.thread.start()
            accepted, _address = server.accept()
            with closing(accepted):
                self.stop()
