# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases whose jobs wait lend their connections to each other."""

from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import psycopg2

from odoo.sql_db import db_connect
from odoo.tests import BaseCase, tagged
from odoo.tests.common import get_db_name

from ..sessions import lent_connections, prepared_statements
from ..sessions.lent_connections import lent
from ..sessions.transactions import autocommit


@tagged("post_install", "-at_install")
class TestLentConnections(BaseCase):
    def setUp(self):
        super().setUp()
        for name in ("_idle", "_lenders"):
            patcher = patch.dict(getattr(lent_connections, name), clear=True)
            patcher.start()
            self.addCleanup(patcher.stop)

    @contextmanager
    def cursor(self):
        with closing(db_connect(get_db_name()).cursor()) as cr, autocommit(cr):
            yield cr

    @staticmethod
    def backend(cr):
        cr.execute("SELECT pg_backend_pid(), current_setting('transaction_isolation')")
        pid, isolation = cr.fetchone()
        assert isolation == "read committed", isolation
        return pid

    def test_it_goes_on_with_the_same_if_nobody_wants_it(self):
        with self.cursor() as cr:
            before = self.backend(cr)
            with lent(cr):
                self.assertTrue(cr.closed)
            self.assertEqual(self.backend(cr), before)

    def test_another_lease_takes_it(self):
        with self.cursor() as first, self.cursor() as second, ExitStack() as jobs:
            pids = {self.backend(first), self.backend(second)}
            jobs.enter_context(lent(first))
            before = self.backend(second)
            with lent(second):
                pass
            self.assertIn(self.backend(second), pids)
            jobs.close()
            self.assertNotEqual(self.backend(first), self.backend(second))
            self.assertEqual({self.backend(first), self.backend(second)}, pids)
            self.assertIn(before, pids)

    def test_what_is_prepared_stays_with_its_connection(self):
        with self.cursor() as first, self.cursor() as second:
            prepared_statements.enable(first)
            for number in (1, 2):
                prepared_statements.execute(first, "SELECT %s::int", [number])
            with ExitStack() as jobs:
                jobs.enter_context(lent(second))
                with lent(first):
                    pass
                jobs.close()
            for cr in (first, second):
                for number in (3, 4):
                    prepared_statements.execute(cr, "SELECT %s::int", [number])
                    self.assertEqual(cr.fetchone()[0], number)

    def test_none_is_idle_when_all_leases_have_ended(self):
        pids, name = set(), get_db_name()
        with self.cursor() as first, self.cursor() as second:
            pids = {self.backend(first), self.backend(second)}
            with lent(first), lent(second):
                self.assertEqual(len(lent_connections._idle[name]), 2)
            self.assertEqual(lent_connections._idle[name], [])
            self.assertEqual({self.backend(first), self.backend(second)}, pids)

    def test_the_pool_gets_what_is_too_many(self):
        with self.cursor() as first, self.cursor() as second:
            pids = {self.backend(first), self.backend(second)}
            most = patch.object(lent_connections, "MOST", 1)
            with most, lent(first), lent(second):
                self.assertEqual(len(lent_connections._idle[get_db_name()]), 1)
                with self.cursor() as third:
                    self.assertIn(self.backend(third), pids)
            self.assertEqual({self.backend(first), self.backend(second)}, pids)

    def test_a_lost_connection_is_replaced(self):
        with self.cursor() as cr:
            before, connection = self.backend(cr), cr._cnx
            with lent(cr):
                connection.close()
            self.assertNotEqual(self.backend(cr), before)

    def test_without_a_connection_it_stays_closed(self):
        with self.cursor() as cr:
            connection, pool = cr._cnx, cr._Cursor__pool
            refused = patch.object(
                type(pool), "borrow", side_effect=psycopg2.OperationalError
            )
            with refused, self.assertRaises(psycopg2.OperationalError), lent(cr):
                connection.close()
            self.assertTrue(cr.closed)
