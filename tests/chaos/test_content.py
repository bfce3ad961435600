# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs need goes away while they run: their database, their method."""

import json

import pytest

from tests.harness.waiting import wait_for


@pytest.mark.long
def test_database_dropped(arena, make_db):
    """One of two databases is dropped under its running jobs; the other one runs on."""
    doomed = make_db()
    server = arena.server(options={"db_name": f"{arena.db.name},{doomed.name}"})
    arena.enqueue(server)
    _copy_jobs(arena, doomed)
    arena.wait_done(0.3)
    doomed.close()
    arena.cluster.execute(f'DROP DATABASE "{doomed.name}" WITH (FORCE)')
    arena.wait_done()
    arena.verdict("a database dropped while its jobs run", bound=3.0)


def _copy_jobs(arena, db) -> None:
    """The same jobs in another database, with another journal."""
    columns = (
        "uuid, state, model_name, method_name, name, user_id, retry, max_retries,"
        " priority, date_created, channel, channel_method_name, records, args, kwargs"
    )
    other = str(arena.directory / "journal-of-the-other")
    marks = ", ".join(["%s"] * len(columns.split(",")))
    for row in arena.db.rows(f"SELECT {columns} FROM queue_job"):
        values = [row[0], "pending", *row[2:]]
        values[13] = json.dumps(values[13]).replace(str(arena.journal_path), other)
        values = [json.dumps(v) if isinstance(v, dict | list) else v for v in values]
        db.rows(f"INSERT INTO queue_job ({columns}) VALUES ({marks})", *values)
    started = "SELECT count(*) FROM test_queue_job_probe"
    wait_for(lambda: db.value(started), "jobs of the doomed database run")


def test_method_removed(arena):
    """A deployment without the method of jobs that wait: these fail, no other."""
    server = arena.server()
    uuids = arena.enqueue(server)
    broken = arena.db.column(
        "UPDATE queue_job SET method_name = 'no_longer_there'"
        " WHERE uuid = ANY(%s) AND state = 'pending' RETURNING uuid",
        uuids[-10:],
    )
    assert broken
    arena.wait_done()
    failed = arena.db.column("SELECT uuid FROM queue_job WHERE state = 'failed'")
    assert sorted(failed) == sorted(broken)
    arena.verdict("a method removed while its jobs wait", 3.0, failed=len(broken))
