# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A notification that comes with the answer to a statement is not slept over."""

import select
from contextlib import closing
from types import SimpleNamespace

from odoo.tests import TransactionCase

from ..jobrunner.leadership import Leadership
from ..jobrunner.session.database import Database, connect


class TestNotifications(TransactionCase):
    def test_it_comes_with_the_answer_to_a_statement(self):
        database = Database.__new__(Database)
        with closing(connect(self.env.cr.dbname)) as database.conn:
            database.execute("LISTEN queue_job_with_an_answer")
            self.assertFalse(database.has_notifications)
            database.execute("NOTIFY queue_job_with_an_answer, 'jobs'")
            readable, _w, _x = select.select([database.conn], [], [], 0)
            self.assertFalse(readable)
            self.assertTrue(database.has_notifications)
            self.assertEqual(database.notifications(), {"jobs"})
            self.assertFalse(database.has_notifications)

    def test_the_leadership_does_not_wait_then(self):
        leadership = Leadership.__new__(Leadership)
        leadership.database = SimpleNamespace(has_notifications=True)
        leadership._wait()  # it has no other attribute that a sleep would need
