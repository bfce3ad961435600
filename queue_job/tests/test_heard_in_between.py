# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The bell that rings while the runner asks PostgreSQL something is not slept over."""

import select
from contextlib import closing
from types import SimpleNamespace

from odoo.tests import TransactionCase

from ..jobrunner.leader_loop import DatabaseLoop
from ..jobrunner.session.database import Database, connect


class TestHeardInBetween(TransactionCase):
    def test_it_comes_with_the_answer_to_a_statement(self):
        database = Database.__new__(Database)
        with closing(connect(self.env.cr.dbname)) as database.conn:
            database.execute("LISTEN queue_job_heard_in_between")
            self.assertFalse(database.has_news)
            database.execute("NOTIFY queue_job_heard_in_between, 'jobs'")
            readable, _w, _x = select.select([database.conn], [], [], 0)
            self.assertFalse(readable)
            self.assertTrue(database.has_news)
            self.assertEqual(database.notifications(), {"jobs"})
            self.assertFalse(database.has_news)

    def test_the_loop_does_not_wait_then(self):
        loop = DatabaseLoop.__new__(DatabaseLoop)
        loop.database = SimpleNamespace(has_news=True)
        loop._wait()  # it has no other attribute that a sleep would need
