# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs need goes away while they run: their database, their method."""

import json
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from tests.harness import journal
from tests.harness.database import Database
from tests.harness.waiting import wait_for

from . import network
from .arena import CAPACITY
from .cluster import TEMPLATE

NOTICED_SECONDS = 30.0
FEW = 12


@pytest.mark.long
def test_database_dropped(arena, make_db):
    """One of two databases is dropped under its running jobs; the other one runs on."""
    dropped = make_db()
    server = arena.server(options={"db_name": f"{arena.db.name},{dropped.name}"})
    arena.enqueue(server)
    _copy_jobs(arena, dropped)
    arena.wait_done(0.3)
    dropped.close()
    arena.cluster.execute(f'DROP DATABASE "{dropped.name}" WITH (FORCE)')
    arena.wait_done()
    arena.verdict("a database dropped while its jobs run", bound=3.0)


@pytest.mark.long
def test_runner_loses_two_databases(arena, make_db):
    """All its sessions break, again and again; the jobs of both go on, and share one
    capacity all the time."""
    other = make_db()
    relay = network.BrittleRelay(arena.cluster.port, tells=True)
    way = {
        "ODOO_QUEUE_JOB_JOBRUNNER_DB_HOST": "127.0.0.1",
        "ODOO_QUEUE_JOB_JOBRUNNER_DB_PORT": str(relay.port),
    }
    names = f"{arena.db.name},{other.name}"
    try:
        server = arena.server(workers=8, env=way, options={"db_name": names})
        arena.enqueue(server)
        _copy_jobs(arena, other)
        with arena.every(2.5, relay.cut):
            arena.wait_done()
    finally:
        relay.close()
    attempts = [*arena.attempts(), *journal.read(_other_journal(arena))]
    most = journal.most_at_once(attempts)
    assert most <= CAPACITY, f"{most} ran at once, of both databases"
    arena.verdict("the runner loses its databases, again and again", bound=5.0)


@pytest.mark.long
def test_databases_come_and_go(arena, make_db):
    """One is created, broken, mended and renamed, while the other runs its jobs; the
    server serves whatever there is and is not restarted."""
    server = arena.server(options={"db_name": "", "db_template": TEMPLATE})
    arena.enqueue(server)
    other = make_db()
    _copy_jobs(arena, other, FEW)
    _wait_all_done(other)
    other.rows("ALTER TABLE queue_job RENAME TO queue_job_broken")
    server.wait_log(f"{other.name}: (database lost|error)")
    other.rows("ALTER TABLE queue_job_broken RENAME TO queue_job")
    _run_again(other)
    renamed = Database(f"{other.name}_renamed")
    _rename(arena, other, renamed)
    _run_again(renamed)
    _rename(arena, renamed, other)
    arena.wait_done()
    arena.verdict("another database created, broken, renamed", bound=5.0)


def _run_again(db) -> None:
    db.rows("DELETE FROM test_queue_job_probe")
    db.rows("UPDATE queue_job SET state = 'pending', date_done = NULL")
    _wait_all_done(db)


def _wait_all_done(db) -> None:
    done = "SELECT bool_and(state = 'done') FROM queue_job"
    db.wait(done, seconds=NOTICED_SECONDS)


def _rename(arena, db, new) -> None:
    """As soon as nobody is connected; the runner tries to be, again and again."""
    db.close()

    def rename():
        arena.cluster.terminate_backends(db.name)
        with suppress(psycopg2.errors.ObjectInUse):
            statement = f'ALTER DATABASE "{db.name}" RENAME TO "{new.name}"'
            arena.cluster.execute(statement)
            return True
        return False

    wait_for(rename, f"{db.name} renamed")


def _other_journal(arena) -> Path:
    return arena.directory / "journal-of-the-other"


def _copy_jobs(arena, db, limit: int | None = None) -> None:
    """The same jobs in another database, with another journal."""
    columns = (
        "uuid, state, model_name, method_name, name, user_id, retry, max_retries,"
        " priority, date_created, channel, channel_method_name, records, args, kwargs"
    )
    other = str(_other_journal(arena))
    marks = ", ".join(["%s"] * len(columns.split(",")))
    for row in arena.db.rows(f"SELECT {columns} FROM queue_job LIMIT %s", limit):
        values = [row[0], "pending", *row[2:]]
        values[13] = json.dumps(values[13]).replace(str(arena.journal_path), other)
        values = [json.dumps(v) if isinstance(v, dict | list) else v for v in values]
        db.rows(f"INSERT INTO queue_job ({columns}) VALUES ({marks})", *values)
    started = "SELECT count(*) FROM test_queue_job_probe"
    wait_for(lambda: db.value(started), "its jobs run, too", seconds=NOTICED_SECONDS)


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
