# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Several databases, twins among them: in one server, and each with its own."""

from pathlib import Path

from setup import database as databases
from tests.harness.database import Database
from tests.harness.waiting import holds

NEUTRALIZE = Path(__file__).parents[2] / "queue_job" / "data" / "neutralize.sql"

JOBS = 20
LONG_SECONDS = 8


def _make_twins(make_server, make_database, database, *jobs):
    """A copy of a database, with the same uuids all over.

    :param jobs: (count, method, arguments) of jobs that are there before
    :return: the copy, and the uuids of each kind of jobs
    """
    first = make_server(channels="root:0")
    client = first.client()
    uuids = [client.delay_many(count, *call) for count, *call in jobs]
    first.stop()
    twin = make_database()
    database.close()
    databases.clone(database.name, twin.name)
    return twin, uuids


def test_twins_on_two_servers(make_server, make_database, database):
    """Jobs with equal uuids and ids run at the same time; what is done to one of them
    is not done to the other."""
    twin, (long, short) = _make_twins(
        make_server,
        make_database,
        database,
        (1, "record_run", "long", LONG_SECONDS),
        (JOBS, "record_run", "twin", 0.1),
    )
    servers = [
        make_server(workers=3, channels="root:2", db=each) for each in (database, twin)
    ]
    for each in (database, twin):
        each.wait_state(long[0], "started")
    servers[1].expect_log("ends without its worker", "nothing in flight")
    job_id = twin.job(long[0], "id")
    servers[1].client().call("queue.job", "button_cancelled", [job_id])
    assert twin.wait_state(long[0], "cancelled", "done") == "cancelled"
    for each in (database, twin):
        assert each.wait_settled(short) == {"done": JOBS}
    ends = ("cancelled", "done", "failed")
    assert database.wait_state(long[0], *ends, seconds=60) == "done"
    assert database.job(long[0], "retry") == 1
    assert (len(database.runs()), len(twin.runs())) == (JOBS + 1, JOBS)
    _drop_one(servers[1], twin, database)
    uuids = servers[0].client().delay_many(JOBS, "record_run", "after")
    assert database.wait_settled(uuids) == {"done": JOBS}


class TestCopies:
    """Of a production database: its jobs are the business of the original."""

    def test_with_an_identity_of_its_own(self, make_server, make_database, database):
        """As Odoo's "Duplicate" makes it; until somebody says that it may run."""
        first = make_server(channels="root:1")
        first.wait_runner()
        known = "SELECT value FROM ir_config_parameter WHERE key = %s"
        database.wait(known, "queue_job.database_uuid")
        first.stop()
        twin, (uuids,) = _make_twins(
            make_server, make_database, database, (3, "record_run", "copy")
        )
        rename = "UPDATE ir_config_parameter SET value = 'other' WHERE key = %s"
        twin.rows(rename, "database.uuid")
        server = make_server(channels="root:2", db=twin)
        server.expect_log("is a copy of another one")
        server.wait_log("is a copy of another one")
        self._stays(twin, uuids)
        twin.rows(
            "DELETE FROM ir_config_parameter WHERE key = 'queue_job.database_uuid'"
        )
        assert twin.wait_settled(uuids) == {"done": 3}

    def test_neutralized(self, make_server, make_database, database):
        twin, (uuids,) = _make_twins(
            make_server, make_database, database, (3, "record_run", "copy")
        )
        twin.rows(NEUTRALIZE.read_text())
        make_server(channels="root:2", db=twin).wait_runner()
        self._stays(twin, uuids)

    @staticmethod
    def _stays(twin, uuids):
        holds(lambda: twin.states(uuids) == {"pending": 3}, "all pending", seconds=3)


def test_twins_run_side_by_side(make_server, make_database, database):
    """Both in one server; then one is dropped."""
    twin, (uuids,) = _make_twins(
        make_server, make_database, database, (JOBS, "record_run", "twin", 0.1)
    )
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
    runs = len(database.runs())
    server.expect_log(
        twin.name, "odoo.sql_db: bad query", "odoo.http: Exception during"
    )
    columns = "state = 'pending', date_done = NULL"
    for each in (twin, database):
        each.rows(f"UPDATE queue_job SET {columns}")
    database.wait("SELECT count(*) > 0 FROM queue_job WHERE state = 'started'")
    twin.close()
    databases.drop(twin.name)
    database.wait("SELECT bool_and(state = 'done') FROM queue_job", seconds=60)
    assert len(database.runs()) == 2 * runs
