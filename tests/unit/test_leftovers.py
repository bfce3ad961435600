# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Statements that leave something behind in their session, and those that don't."""

import pytest

from queue_job.sessions.leftovers import LONG, leaves_something

HARMLESS = [
    'SELECT "res_partner"."id" FROM "res_partner" WHERE "id" IN %s',
    "\n   select 1",
    "(SELECT 1) UNION (SELECT 2)",
    "INSERT INTO a (b) VALUES (%s) ON CONFLICT DO NOTHING RETURNING id",
    'UPDATE "res_partner" SET "name" = %s WHERE id = %s',
    "DELETE FROM a",
    "WITH x AS (SELECT 1) UPDATE a SET b = 1 FROM x",
    'SAVEPOINT "abc"',
    'ROLLBACK TO SAVEPOINT "abc"',
    'RELEASE SAVEPOINT "abc"',
    "PREPARE queue_job_3 AS SELECT $1",
    "EXECUTE queue_job_3 (%s, %s)",
    "SELECT pg_notify('queue_job', 'jobs')",
    "LOCK TABLE a IN SHARE MODE",
    "INSERT INTO mail_template SELECT 1",
]
LEFT = [
    "SET statement_timeout = '1ms'",
    "set session characteristics as transaction read only",
    "SET LOCAL lock_timeout = 0",  # harmless, but not known to be
    "SET ROLE somebody",
    "RESET ALL",
    "SELECT set_config('search_path', 'nowhere', false)",
    "SELECT SET_CONFIG(%s, %s, false)",
    "CREATE TEMP TABLE t (id int)",
    "CREATE TEMPORARY SEQUENCE s",
    "SELECT 1 INTO TEMP t",
    "SELECT * INTO LOCAL TEMPORARY t FROM a",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock_shared(1, 2)",
    "LISTEN imbus",
    "UNLISTEN *",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "LOAD 'auto_explain'",
    "DO $$ BEGIN PERFORM set_config('a.b', 'c', false); END $$",
    "CALL something()",
    "-- a comment\nSET a.b = 1",
    "/* another */ SET a.b = 1",
    "SELECT 1; SET a.b = 1",
    "SELECT setseed(0.5)",
    "SELECT dblink_connect('x', 'dbname=y')",
    "",
]


@pytest.mark.parametrize("query", HARMLESS)
def test_harmless(query):
    assert not leaves_something(query)


@pytest.mark.parametrize("query", LEFT)
def test_left(query):
    assert leaves_something(query)


def test_long_statements_are_judged_as_well():
    values = ", ".join(["1"] * LONG)
    assert not leaves_something(f"SELECT {values}")
    assert leaves_something(f"SELECT {values}; SET a.b = 1")
