# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settings of PostgreSQL and of Odoo, with which jobs run as they do without.

Each setting of PostgreSQL has a database of its own, where it is the default of all
sessions; one server serves them all.
"""

from dataclasses import dataclass

import pytest

from setup import database as databases
from tests.harness.fixtures import database_maker, make_log_directory, server_maker
from tests.harness.jobs import insert

#: Seconds: of the settings, and of a job that is longer.
TIMEOUT, LONG = 2, 4

SHORT_JOBS = 3

#: What passes through the sessions in between. Odoo's own, which read it, have the
#: encoding of the role.
TEXT = "é \\ '"


@dataclass(frozen=True)
class Cell:
    """Settings of one database, and what to look for there."""

    name: str
    settings: dict[str, str]
    since: int = 0  # version of PostgreSQL
    before: str = ""

    def __str__(self):
        return self.name


FORMS = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "array_nulls": "off",
    "xmlbinary": "hex",
    "row_security": "off",
    "synchronous_commit": "off",
    "quote_all_identifiers": "on",
    "lc_messages": "C",
    "client_min_messages": "error",
}
SECONDS = f"{TIMEOUT}s"

CELLS = [
    Cell("forms", FORMS),
    Cell("encoding", {"client_encoding": "LATIN1"}),
    Cell("search path", {"search_path": "public, extra"}, before="CREATE SCHEMA extra"),
    Cell("read only", {"default_transaction_read_only": "on"}),
    Cell(
        "serializable",
        {"default_transaction_isolation": "serializable"},
    ),
    Cell(
        "repeatable read",
        {"default_transaction_isolation": "repeatable read"},
    ),
    Cell("statement_timeout", {"statement_timeout": SECONDS}),
    Cell("lock_timeout", {"lock_timeout": SECONDS}),
    Cell(
        "idle_in_transaction",
        {"idle_in_transaction_session_timeout": SECONDS},
    ),
    Cell("idle_session", {"idle_session_timeout": SECONDS}, 14),
    Cell("transaction", {"transaction_timeout": SECONDS}, 17),
]


@pytest.fixture(scope="module")
def world(stack):
    """The server, and the database and the jobs of each cell."""
    version = int(databases.execute("SHOW server_version_num")[0][0]) // 10000
    directory = make_log_directory("test_settings")
    with database_maker(stack) as make_database:
        served = {cell.name: make_database() for cell in CELLS if cell.since <= version}
        jobs = {name: _insert(database) for name, database in served.items()}
        for cell in CELLS:
            if cell.name in served:
                _set(cell, served[cell.name])
        first = served[CELLS[0].name]
        with server_maker(stack, directory, first) as make_server:
            names = ",".join(each.name for each in served.values())
            server = make_server(
                channels=f"root:{2 * len(served)}",
                options={"db_name": names, "db_maxconn": "200"},
                start=False,
            )
            # the cells are judged one by one
            server.expect_log(".*")
            server.start()
            yield server, served, jobs


def _insert(database):
    return (
        insert(database, SHORT_JOBS, "record_run", TEXT),
        insert(database, 1, "record_run", "due", delay=TIMEOUT),
        insert(database, 1, "record_run", "long", LONG),
    )


def _set(cell, database):
    """For sessions to come: that of the test was there before."""
    if cell.before:
        database.rows(cell.before)
    for name, value in cell.settings.items():
        value = value if name in ("search_path", "DateStyle") else f"'{value}'"
        database.rows(f'ALTER DATABASE "{database.name}" SET {name} = {value}')


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_jobs_run(world, cell):
    """Each once, the due one when it is due, the long one to its end."""
    server, served, jobs = world
    if cell.name not in served:
        pytest.skip(f"PostgreSQL {cell.since} has it")
    database = served[cell.name]
    short, due, long = jobs[cell.name]
    assert database.wait_settled([*short, *due, *long], seconds=90) == {"done": 5}
    tags = [tag for tag, *_ in database.runs()]
    assert sorted(tags) == sorted([*[TEXT] * SHORT_JOBS, "due", "long"])
    for uuid in (*short, *due, *long):
        retry, waited, took = database.job(
            uuid,
            "retry",
            "extract(epoch FROM date_started - coalesce(eta, date_created))",
            "extract(epoch FROM date_done - date_started)",
        )
        assert retry == 1
        assert -1 <= waited <= 300
        assert (LONG - 1 if uuid in long else 0) <= took <= 60
    lost = f"{database.name}: database lost"
    assert lost not in server.text()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_sessions_of_the_runner_last(world, cell):
    """Whatever the workers do: it leads without a break, longer than the time-outs."""
    server, served, _jobs = world
    if cell.name not in served:
        pytest.skip(f"PostgreSQL {cell.since} has it")
    database = served[cell.name]
    age = """
        SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - date_started) > %s
           AND last_seen > now() AT TIME ZONE 'UTC' - interval '15 seconds'
          FROM queue_job_runner WHERE leader
    """
    database.wait(age, 3 * TIMEOUT, seconds=30)
    assert f"{database.name}: database lost" not in server.text()
    assert server.text().count(f"queue job runner ready for db {database.name}") == 1


ODOO = {
    "a name as interface": (
        0,
        {
            "http_interface": "localhost",
            "proxy_mode": "True",
            "x_sendfile": "True",
            "unaccent": "True",
            "log_db": "%s",
            "log_db_level": "info",
        },
        {},
    ),
    "all interfaces, few connections": (
        2,
        {
            "http_interface": "0.0.0.0",
            "db_maxconn": "3",
            "db_sslmode": "disable",
            "db_app_name": "odoo's {pid}",
        },
        {"ODOO_DEV": "replica,werkzeug,access"},
    ),
}


@pytest.mark.parametrize("case", ODOO)
def test_settings_of_odoo(make_server, database, case):
    workers, options, env = ODOO[case]
    options = {
        key: value.replace("%s", database.name) for key, value in options.items()
    }
    server = make_server(workers, channels="root:2", options=options, env=env)
    server.wait_runner()
    uuids = insert(database, 8, "record_run", "odoo")
    uuids += insert(database, 1, "record_run", "long", 1)
    assert database.wait_settled(uuids) == {"done": 9}
    assert len(database.runs()) == 9


def test_without_http(make_server, database):
    """Nobody takes the leases of such a server; it says so at its start, and the health
    page while it lasts."""
    server = make_server(
        channels="root:1", options={"http_enable": "False"}, start=False
    )
    server.expect_log("no HTTP", "no worker takes the leases")
    server.start(wait=False)
    server.wait_log("no HTTP")
    server.wait_runner()
    insert(database, 1)
    database.wait(
        "SELECT note LIKE 'unreachable: %%' FROM queue_job_runner WHERE leader",
        seconds=30,
    )
