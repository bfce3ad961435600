# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Several databases in one server, twins among them."""

from setup import database as databases
from tests.harness.database import Database

JOBS = 20


def test_twins_run_side_by_side(make_server, make_database, database):
    """A copy of a database, with the same uuids all over; then one is dropped."""
    first = make_server(channels="root:0")
    uuids = first.client().delay_many(JOBS, "record_run", "twin", 0.1)
    first.stop()
    twin = make_database()
    database.close()
    databases.clone(database.name, twin.name)
    server = make_server(
        workers=2,
        channels="root:2",
        options={"db_name": f"{database.name},{twin.name}"},
    )
    for each in (database, twin):
        assert each.wait_settled(uuids) == {"done": JOBS}
        assert len(each.runs()) == JOBS
    _drop_one(server, twin, database)


def _drop_one(server, twin: Database, database: Database):
    """Under its running jobs; those of the other end well."""
    server.expect_log(
        twin.name, "odoo.sql_db: bad query", "odoo.http: Exception during"
    )
    columns = "state = 'pending', date_done = NULL"
    for each in (twin, database):
        each.rows(f"UPDATE queue_job SET {columns}")
    database.wait("SELECT count(*) > 0 FROM queue_job WHERE state = 'started'")
    twin.close()
    databases.drop(twin.name)
    database.wait("SELECT bool_and(state = 'done') FROM queue_job")
    assert len(database.runs()) == 2 * JOBS
