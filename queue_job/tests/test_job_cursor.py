# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of a job, its COMMIT and the start of the next, in one message."""

import io
from unittest.mock import patch

import psycopg2
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from odoo.sql_db import db_connect
from odoo.tests import BaseCase, TransactionCase, get_db_name, tagged
from odoo.tools import SQL

from ..sessions import job_session
from ..sessions.job_cursor import JobConnection
from ..sessions.leftovers import is_flush

END = "UPDATE life SET state = 'done' WHERE id = 1 AND 1 / claimed = 1"
START = "UPDATE life SET state = 'started' WHERE id = %s RETURNING state"

FLUSH = """ UPDATE "life" SET "state" = "__tmp"."state"::text
    FROM (VALUES (%s, %s)) AS "__tmp"("id", "state")
    WHERE "life"."id" = "__tmp"."id" """


class JobCursorCase(BaseCase):
    """A session of its own, with a table of three jobs in it."""

    def setUp(self):
        super().setUp()
        self.cr = db_connect(get_db_name()).cursor()
        self.addCleanup(self.close)
        self.cr.execute("""
            CREATE TEMP TABLE life (
                id int, state text, claimed int DEFAULT 1,
                CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED);
            INSERT INTO life VALUES (1, 'started'), (2, 'enqueued'), (3, 'enqueued')
            """)
        self.cr.commit()
        self.jobs = JobConnection(self.cr._cnx)
        self.jobs.attach()
        self.cr._obj.close()
        self.cr._obj = self.cr._cnx.cursor()
        self.jobs.next_start = lambda: [(START, [2])]

    def close(self):
        self.jobs.detach()
        self.cr._cnx.rollback()
        self.cr._cnx.close()
        self.cr.close()

    def end_job(self):
        self.jobs.defer_last()
        self.assertTrue(self.jobs.take_last(END, []))
        self.jobs.commit_last(self.cr)

    def states(self):
        self.cr.execute("SELECT state FROM life ORDER BY id")
        return [state for (state,) in self.cr.fetchall()]

    def in_transaction(self):
        """Whether the statement that was executed last began a transaction."""
        self.cr.execute("SELECT now() = statement_timestamp()")
        return not self.cr.fetchone()[0]


@tagged("post_install", "-at_install")
class TestOneMessage(JobCursorCase):
    def test_ends_one_and_starts_the_next(self):
        self.end_job()
        self.assertEqual(self.jobs.started, [("started",)])
        self.assertTrue(self.jobs.begin_is_due)
        self.assertEqual(self.states(), ["done", "started", "enqueued"])

    def test_a_commit_alone_starts_the_next(self):
        """As for a failed job, whose row is written earlier."""
        self.cr.execute("UPDATE life SET state = 'failed' WHERE id = 1")
        self.jobs.begin_settlement(goes_with_commit=False)
        self.jobs.commit_last(self.cr)
        self.assertEqual(self.jobs.started, [("started",)])
        self.assertEqual(self.states(), ["failed", "started", "enqueued"])

    def test_a_commit_starts_one_only(self):
        self.jobs.begin_settlement(goes_with_commit=False)
        self.jobs.commit_last(self.cr)
        self.jobs.next_start = lambda: [(START, [3])]
        self.jobs.commit_last(self.cr)
        self.assertEqual(self.states(), ["started", "started", "enqueued"])

    def test_which_session_may_settle(self):
        """One that the method has left as it was, with nothing under way in it."""
        self.assertTrue(self.jobs.is_clean)
        for query, is_clean in (
            ("UPDATE life SET state = 'worked'", True),
            ("CREATE TEMP TABLE queue_job (id int)", False),
        ):
            with self.subTest(query=query):
                self.cr.execute(query)
                self.assertFalse(self.jobs.is_clean)
                self.cr.rollback()
                self.assertEqual(self.jobs.is_clean, is_clean)

    def test_a_session_with_another_mode_may_not_settle(self):
        self.cr._cnx.autocommit = True
        self.assertFalse(self.jobs.is_clean)
        self.cr._cnx.autocommit = False
        self.assertTrue(self.jobs.is_clean)

    def test_a_void_claim_commits_nothing_and_starts_nothing(self):
        self.cr.execute("UPDATE life SET claimed = 0")
        self.cr.commit()
        self.cr.execute("UPDATE life SET state = 'worked' WHERE id = 3")
        with self.assertRaises(psycopg2.errors.DivisionByZero):
            self.end_job()
        self.assertIsNone(self.jobs.started)
        self.cr.rollback()
        self.assertEqual(self.states(), ["started", "enqueued", "enqueued"])

    def test_an_error_of_the_commit_starts_nothing(self):
        self.cr.execute("INSERT INTO life VALUES (3, 'twice')")
        with self.assertRaises(psycopg2.errors.UniqueViolation):
            self.end_job()
        self.cr.rollback()
        self.assertEqual(self.states(), ["started", "enqueued", "enqueued"])

    def test_an_error_of_the_start_leaves_the_job_done(self):
        self.jobs.next_start = lambda: [("SELECT 1 / 0", [])]
        with self.assertRaises(psycopg2.errors.DivisionByZero):
            self.end_job()
        self.cr.rollback()
        self.assertEqual(self.states(), ["done", "enqueued", "enqueued"])

    def test_nothing_is_started_before_hooks_have_run(self):
        self.cr.postcommit.add(lambda: None)
        self.end_job()
        self.assertIsNone(self.jobs.started)
        self.assertEqual(self.states(), ["done", "enqueued", "enqueued"])

    def test_nothing_is_started_in_a_session_that_is_given_up(self):
        self.cr.execute("SET TIME ZONE 'Asia/Tokyo'")
        self.end_job()
        self.assertIsNone(self.jobs.started)

    def test_a_limit_of_the_job_is_none_of_its_end(self):
        self.cr.execute("SET statement_timeout = '20ms'")
        self.jobs.defer_last()
        self.jobs.take_last(f"{END} AND pg_sleep(0.1) IS NOT NULL", [])
        self.jobs.commit_last(self.cr)
        self.assertEqual(self.states()[0], "done")

    def test_a_start_whose_answer_is_lost(self):
        """It may have been executed, so no other one is sent."""
        send = self.jobs.send

        def interrupt(*args):
            send(*args)
            raise KeyboardInterrupt

        with (
            patch.object(self.jobs, "send", interrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.end_job()
        self.assertTrue(self.jobs.start_was_sent)
        self.assertIsNone(self.jobs.started)
        self.jobs.next_start = lambda: [(START, [3])]
        self.jobs.begin_settlement(goes_with_commit=False)
        self.jobs.commit_last(self.cr)
        self.assertEqual(self.states(), ["done", "started", "enqueued"])

    def test_an_error_says_that_nothing_was_started(self):
        for end, start in ((END, "SELECT 1 / 0"), ("SELECT 1 / 0", START % 2)):
            with self.subTest(end=end, start=start):
                self.jobs.next_start = lambda start=start: [(start, [])]
                self.jobs.defer_last()
                self.jobs.take_last(end, [])
                with self.assertRaises(psycopg2.errors.DivisionByZero):
                    self.jobs.commit_last(self.cr)
                self.assertFalse(self.jobs.start_was_sent)
                self.cr.rollback()
        self.assertEqual(self.states()[1], "enqueued")

    def test_what_goes_before_a_start_lasts_no_longer(self):
        setting = "SELECT current_setting('queue_job.test', true)"
        self.jobs.next_start = lambda: [
            ("SET LOCAL queue_job.test = 'on'", []),
            (f"{setting}, %s", [2]),
        ]
        self.end_job()
        self.assertEqual(self.jobs.started, [("on", 2)])
        self.cr.execute(setting)
        self.assertFalse(self.cr.fetchone()[0])
        self.assertFalse(self.cr._cnx.notices)

    def test_autocommit_of_the_job(self):
        """It ends as it would without us, and the session is known to be spoilt."""
        self.cr._cnx.autocommit = True
        self.end_job()
        self.assertFalse(self.jobs.has_its_mode)
        self.assertIsNone(self.jobs.started)
        self.cr._cnx.autocommit = False
        self.assertEqual(self.states(), ["done", "enqueued", "enqueued"])

    def test_nothing_is_left_on_the_connection(self):
        self.jobs.detach()
        names = {"commit", "rollback", "cursor", "_queue_job_connection"}
        self.assertFalse(names & vars(self.cr._cnx).keys())
        self.cr.execute("SELECT 1")  # a cursor that somebody has kept

    def test_nothing_is_started_where_nothing_is_to_follow(self):
        self.jobs.next_start = lambda: None
        self.end_job()
        self.assertIsNone(self.jobs.started)
        self.assertEqual(self.states(), ["done", "enqueued", "enqueued"])


@tagged("post_install", "-at_install")
class TestBegin(JobCursorCase):
    """Whatever comes first in a job is in its transaction."""

    def setUp(self):
        super().setUp()
        self.jobs.next_start = None
        self.end_job()
        self.assertTrue(self.jobs.begin_is_due)

    def assertRolledBack(self):
        self.assertFalse(self.jobs.begin_is_due)
        self.cr.rollback()
        self.assertEqual(self.states(), ["done", "enqueued", "enqueued"])

    def test_cursors_of_another_class(self):
        with self.cr._cnx.cursor(cursor_factory=RealDictCursor) as other:
            other.execute("UPDATE life SET state = 'worked'")
        self.assertRolledBack()

    def test_no_text_is_executed_twice(self):
        """Not even one that ends its transaction before it fails."""
        with self.assertRaises(psycopg2.errors.DivisionByZero):
            self.cr.execute(
                "INSERT INTO life VALUES (7, 'once'); COMMIT; SELECT 1 / 0",
                log_exceptions=False,
            )
        self.cr.rollback()
        self.cr.execute("SELECT count(*) FROM life WHERE id = 7")
        self.assertEqual(self.cr.fetchone(), (1,))

    def test_an_isolation_level_of_the_job(self):
        """psycopg2 begins anew then, by itself and as it was told."""
        level = psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED
        self.cr._cnx.set_isolation_level(level)
        self.cr.execute("SHOW transaction_isolation")
        self.assertEqual(self.cr.fetchone(), ("read committed",))
        self.assertFalse(self.jobs.has_its_mode)

    def test_texts_bytes_and_composed(self):
        change = "UPDATE life SET state = 'worked'"
        for query in (change, change.encode(), sql.SQL(change)):
            with self.subTest(type=type(query).__name__):
                self.cr._obj.execute(query)
                self.assertEqual(self.cr._obj.rowcount, 3)
                self.assertRolledBack()
                self.end_job()

    def test_isolation_is_that_of_any_other_transaction(self):
        self.cr.execute("SHOW transaction_isolation")
        self.assertEqual(self.cr.fetchone(), ("repeatable read",))
        self.assertTrue(self.in_transaction())

    def test_no_statement_goes_on_after_a_mistake(self):
        for mistake in ("SELECT FROM WHERE", "SELECT nothing_of_the_kind"):
            with self.subTest(mistake=mistake):
                with self.assertRaises(psycopg2.ProgrammingError):
                    self.cr.execute(mistake, log_exceptions=False)
                with self.assertRaises(psycopg2.errors.InFailedSqlTransaction):
                    self.cr.execute("SELECT 1", log_exceptions=False)
                self.cr.rollback()
                self.end_job()

    def test_values_that_cannot_be_sent(self):
        with self.assertRaises(psycopg2.ProgrammingError):
            self.cr._obj.execute("SELECT %s", (object(),))
        self.cr.execute("UPDATE life SET state = 'worked'")
        self.assertRolledBack()

    def test_many_at_once(self):
        self.cr._obj.executemany("UPDATE life SET state = %s", [("a",), ("b",)])
        self.assertRolledBack()

    def test_copies(self):
        self.cr._obj.copy_expert("COPY life FROM STDIN", io.StringIO("9\tx\t1\n"))
        self.assertRolledBack()
        self.end_job()
        self.cr._obj.copy_from(io.StringIO("9\tx\t1\n"), "life")
        self.assertRolledBack()
        self.end_job()
        self.cr._obj.copy_to(io.StringIO(), "life")
        self.assertRolledBack()

    def test_named_cursors(self):
        with self.cr._cnx.cursor("reader") as reader:
            reader.execute("SELECT id FROM life ORDER BY id")
            self.assertEqual(reader.fetchall(), [(1,), (2,), (3,)])
        self.assertRolledBack()

    def test_functions(self):
        self.cr._obj.callproc("set_config", ["a.b", "c", False])
        self.assertRolledBack()
        self.assertTrue(self.jobs.left_something)

    def test_commit_and_rollback_of_nothing(self):
        """PostgreSQL would warn of each that is outside of a transaction."""
        for end, is_sent in ((self.cr.commit, True), (self.cr.rollback, False)):
            with self.subTest(end=end.__name__):
                self.cr._cnx.notices.clear()
                end()
                self.assertEqual(self.cr._cnx.notices, [])
                self.assertEqual(self.jobs.begin_is_due, not is_sent)
                self.end_job()


@tagged("post_install", "-at_install")
class TestKeptFlush(JobCursorCase):
    """What the ORM flushes last goes with the COMMIT."""

    def flush(self, *values):
        with self.jobs.keeping_flushed():
            self.cr.execute(FLUSH, values)

    def forbid(self, check):
        self.cr.execute(f"ALTER TABLE life ADD CHECK ({check})")
        self.jobs.left_something = False  # what is kept is not for such jobs

    def messages(self):
        """Count the messages that are sent from now on."""
        sent = []
        send = self.jobs.send
        self.jobs.send = lambda cursor, statements: (
            sent.append(statements),
            send(cursor, statements),
        )
        return sent

    def test_goes_with_the_commit_and_the_start(self):
        sent = self.messages()
        self.flush(3, "worked")
        self.flush(3, "worked twice")
        self.end_job()
        self.assertEqual(len(sent), 1)
        self.assertEqual(self.jobs.started, [("started",)])
        self.assertEqual(self.states(), ["done", "started", "worked twice"])

    def test_begins_the_transaction(self):
        self.jobs.next_start = None
        self.end_job()
        self.assertTrue(self.jobs.begin_is_due)
        self.flush(3, "worked")
        self.cr.rollback()
        self.assertEqual(self.states()[2], "enqueued")
        self.cr.commit()
        self.flush(3, "worked")
        self.end_job()
        self.assertEqual(self.states(), ["done", "enqueued", "worked"])

    def test_whatever_follows_finds_it(self):
        connection = self.cr._cnx
        queries = {
            "select": lambda: self.cr.execute("SELECT state FROM life WHERE id = 3"),
            "copy": lambda: self.cr._obj.copy_to(io.StringIO(), "life"),
            "savepoint": lambda: self.cr.savepoint().close(rollback=True),
            "other cursor": lambda: connection.cursor(cursor_factory=RealDictCursor),
            "named": lambda: connection.cursor("n").execute("SELECT 1"),
            "commit": self.cr.commit,
        }
        for name, query in queries.items():
            with self.subTest(name):
                self.flush(3, f"before {name}")
                query()
                with type(connection).cursor(connection) as plain:
                    plain.execute("SELECT state FROM life WHERE id = 3")
                    self.assertEqual(plain.fetchone(), (f"before {name}",))
                self.cr.rollback()

    def test_a_rollback_forgets_it(self):
        self.flush(3, "worked")
        self.cr.rollback()
        self.end_job()
        self.assertEqual(self.states(), ["done", "started", "enqueued"])

    def test_its_error_commits_nothing(self):
        self.forbid("1 / (length(state) - 3) > -9")
        self.cr.commit()
        self.flush(3, "bad")
        with self.assertRaises(psycopg2.errors.DivisionByZero):
            self.end_job()
        self.assertIsNone(self.jobs.started)
        self.cr.rollback()
        self.assertEqual(self.states(), ["started", "enqueued", "enqueued"])

    def test_its_error_comes_before_the_hooks(self):
        """They might swallow it."""
        ran = []
        self.cr.precommit.add(lambda: ran.append(1))
        self.forbid("state <> 'bad'")
        self.flush(3, "bad")
        with self.assertRaises(psycopg2.errors.CheckViolation):
            self.end_job()
        self.assertFalse(ran)

    def test_its_error_is_not_logged_as_that_of_another_statement(self):
        self.forbid("state <> 'bad'")
        self.flush(3, "bad")
        with (
            self.assertNoLogs("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.CheckViolation),
        ):
            job_session.send_kept(self.cr)

    def test_many_are_not_kept(self):
        sent = self.messages()
        for number in range(3):
            self.flush(3, "x" * 40_000 + str(number))
        self.assertEqual([len(statements) for statements in sent], [3])

    def test_not_under_a_limit_of_the_job(self):
        sent = self.messages()
        self.cr.execute("SET statement_timeout = '20ms'")
        self.flush(3, "worked")
        self.assertFalse(self.jobs._kept or sent)

    def test_not_in_a_mode_of_the_job(self):
        self.cr._cnx.autocommit = True
        self.flush(3, "worked")
        self.cr._cnx.autocommit = False
        self.assertEqual(self.states()[2], "worked")

    def test_no_other_statement_is_kept(self):
        sent = self.messages()
        with self.jobs.keeping_flushed():
            self.cr.execute("UPDATE life SET state = 'worked' WHERE id = 3")
            self.assertEqual(self.cr.rowcount, 1)
        self.assertFalse(sent)


@tagged("post_install", "-at_install")
class TestFlushOfTheOrm(TransactionCase):
    def test_is_known_by_its_shape(self):
        """The UPDATE of this version of Odoo, and nothing else that it executes."""
        partner = self.env["res.partner"].create({"name": "A"})
        self.env.flush_all()
        partner.write({"name": "B", "color": 3})
        executed = []
        execute = type(self.env.cr).execute

        def spy(cr, query, params=None, **options):
            executed.append(query.code if isinstance(query, SQL) else query)
            return execute(cr, query, params, **options)

        with patch.object(type(self.env.cr), "execute", spy):
            self.env.flush_all()
            partner.search([("name", "=", "B")])
        flushed = [text for text in executed if is_flush(text)]
        self.assertEqual(len(flushed), 1)
        self.assertIn('UPDATE "res_partner"', flushed[0])
        self.assertGreater(len(executed), 1)
