# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``odoo-bin queue_job drain``: before a deployment, with jobs in flight."""

import json

import pytest

from setup import database as databases
from tests.harness.database import Database
from tests.harness.odoo import Odoo

CHANNELS = "SELECT complete_name FROM queue_job_channel WHERE paused"
PAUSE = "UPDATE queue_job_channel SET paused = TRUE WHERE complete_name = 'root.low'"


@pytest.fixture
def command(stack, database, log_directory):
    """Runs ``odoo-bin queue_job``; its exit code and what it has written."""
    return Odoo(stack, database.name, log_directory).queue_job


def test_a_deployment(make_server, database, command):
    """Short jobs flow, a long one runs: it ends, and nothing starts until told."""
    server = make_server(workers=4, channels="root:2")
    server.wait_runner()
    database.rows(PAUSE)
    client = server.client()
    uuids = client.delay_many(600, "record_run", "flood", 0.05)
    long = client.delay("record_run", "long", 20, priority=1)
    database.wait_state(long, "started")

    code, text = command("drain", "--wait", "0.1")
    assert code == 1
    assert text.startswith(f"{database.name}: drained: no job starts until")
    assert [
        line for line in text.splitlines() if "still started" in line and long in line
    ]

    code, text = command("drain", "--wait", "60")
    assert (code, text.splitlines()[-1]) == (0, f"{database.name}: 0 job(s) running")
    done = database.states(uuids)["done"]
    assert database.job(long, "state") == "done"
    assert 0 < done < 600, "some ran before, and some wait"

    server.stop()
    server = make_server(workers=4, channels="root:2")
    server.wait_runner()
    waiting = server.client().delay("record_run", "waits")
    code, text = command("why", waiting)
    assert code == 0
    assert "drained for an update" in text
    assert database.states(uuids)["done"] == done
    assert (
        database.wait("SELECT note FROM queue_job_runner WHERE note IS NOT NULL")
        == "drained"
    )

    code, text = command("drain", "--resume")
    assert (code, text) == (0, f"{database.name}: resumed: jobs start\n")
    database.wait_settled([*uuids, waiting])
    assert database.column(CHANNELS) == ["root.low"], "its own pause stays"


def test_several_databases(stack, make_server, database, command):
    """All of them stop at once, and are waited for together."""
    with databases.temporary(stack.templates.app(), "queue_job_drain") as name:
        other = Database(name)
        server = make_server(
            workers=4,
            channels="root:2",
            options={"db_name": f"{database.name},{name}"},
        )
        server.wait_runner()
        names = [database.name, name]
        code, text = command("drain", "--wait", "--json", databases=names)
        assert code == 0
        assert json.loads(text) == [
            {"database": each, "drained": True, "running": []} for each in names
        ]
        for each in (database, other):
            assert each.value("SELECT drained FROM queue_job_runner WHERE leader")
        assert command("drain", "--resume", databases=names)[0] == 0
        other.close()
        server.stop()


def test_one_database_is_missing(database, command):
    code, _text = command(
        "drain", "--wait", databases=[database.name, "no_such_database"]
    )
    assert code == 2
    assert not database.column(
        "SELECT key FROM ir_config_parameter WHERE key = 'queue_job.drained'"
    )
