# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the manual promises about servers: settings, log lines, channels, restarts.

`docs/evidence/promises.md` lists all promises and what shows each of them.
"""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from setup import database as databases
from setup.postgres import free_port
from tests.harness.database import Database
from tests.harness.odoo import Odoo

RUNNER = "odoo.addons.queue_job.jobrunner.runner"
LINES = (
    "starting",
    "initializing database connections",
    "queue job runner ready for db {db}",
    "database connections ready",
)
CHANNELS = "root:5,root.heavy:1,root.small:4"
STUCK = """
INSERT INTO queue_job (uuid, state, model_name, method_name, name, user_id, records,
                       args, kwargs, priority, retry, max_retries, channel,
                       date_created, date_enqueued, date_started)
SELECT gen_random_uuid()::text, state, 'res.users', 'exists', 'stuck', 1,
       to_jsonb('{"_type": "odoo_recordset", "model": "res.users", "ids": [1],
                  "uid": 1, "su": true, "context": {}}'::text),
       to_jsonb('[]'::text), to_jsonb('{}'::text), 10, 0, 5, 'root',
       now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM unnest(ARRAY['started', 'enqueued']) AS state
"""

# Installs the addon, and tells the other processes only when a file is there.
INSTALL = """
import pathlib, time
from odoo.orm.registry import Registry

signal_changes = Registry.signal_changes

def signal_late(registry):
    while not pathlib.Path({told!r}).exists():
        time.sleep(0.05)
    signal_changes(registry)

Registry.signal_changes = signal_late
modules = env['ir.module.module']
modules.update_list()
modules.search([('name', '=', 'queue_job')]).button_install()
env.cr.commit()
Registry.new(env.cr.dbname, update_module=True)
"""


def start(make_server, workers=0, **options):
    server = make_server(workers, **options)
    server.wait_runner()
    return server


class TestConfigurationFile:
    """One server, configured by its file alone; DEBUG for the addon's loggers."""

    @pytest.fixture
    def server(self, make_server):
        return start(
            make_server,
            options={"log_handler": ":INFO,odoo.addons.queue_job:DEBUG"},
            sections={"queue_job": {"channels": CHANNELS}},
        )

    def test_log_and_channels(self, server, database):
        self._check_lines(server, database)
        self._check_channels(server, database)
        server.wait_log(r" DEBUG \S+ odoo.addons.queue_job")

    @staticmethod
    def _check_lines(server, database):
        """The four lines of a start, at INFO, in this order."""
        lines = [
            record.message.strip()
            for record in server.records()
            if record.logger == RUNNER and record.level == "INFO"
        ]
        assert lines[:4] == [line.format(db=database.name) for line in LINES]

    @staticmethod
    def _check_channels(server, database):
        """Heavy jobs one at a time, while the small ones run four at a time."""
        client = server.client()
        heavy = client.delay_many(3, "record_run", "heavy", 0.4, channel="root.heavy")
        small = client.delay_many(12, "record_run", "small", 0.2, channel="root.small")
        assert database.wait_settled([*heavy, *small]) == {"done": 15}
        runs = database.runs()
        assert _most(runs, "heavy") == 1
        assert 2 <= _most(runs, "small") <= 4
        heavy_ends = [end for tag, _pid, _uid, _start, end in runs if tag == "heavy"]
        assert any(
            tag == "small" and begin < max(heavy_ends)
            for tag, _pid, _uid, begin, _end in runs
        )


def _most(runs, wanted):
    events = []
    for tag, _pid, _uid, begin, end in runs:
        if tag == wanted:
            events += [(begin, 1), (end, -1)]
    running = most = 0
    for _moment, step in sorted(events):
        running += step
        most = max(most, running)
    return most


class TestEnvironment:
    def test_it_wins_over_the_file(self, make_server, database):
        port = free_port()
        server = start(
            make_server,
            channels="root:1",
            port=port,
            env={"ODOO_QUEUE_JOB_PORT": str(port)},
            sections={"queue_job": {"channels": "root:4", "port": "1"}},
        )
        uuids = server.client().delay_many(4, "record_run", "one", 0.1)
        assert database.wait_settled(uuids) == {"done": 4}
        assert database.most_at_once() == 1

    def test_no_delay(self, make_server, database):
        server = make_server(env={"QUEUE_JOB__NO_DELAY": "1"})
        server.expect_log("`QUEUE_JOB__NO_DELAY` env var found")
        uuid = server.client().delay("record_run", "now")
        assert database.rows("SELECT FROM queue_job WHERE uuid = %s", uuid) == []
        assert [tag for tag, *_ in database.runs()] == ["now"]


class TestLife:
    def test_shutdown_waits_for_running_jobs(self, make_server, database, server_mode):
        server = start(make_server, server_mode, channels="root:2")
        uuid = server.client().delay("record_run", "last", 1.5)
        database.wait_state(uuid, "started")
        server.process.send_signal(signal.SIGTERM)
        assert database.wait_state(uuid, "done", "failed", "pending") == "done"
        assert [tag for tag, *_ in database.runs()] == ["last"]

    def test_rows_put_back_by_hand(self, make_server, database):
        """As after a crash, with the statement that the manual has always told."""
        database.rows(STUCK)
        database.rows(
            "UPDATE queue_job SET state = 'pending'"
            " WHERE state IN ('started', 'enqueued')"
        )
        start(make_server, channels="root:2")
        uuids = database.column("SELECT uuid FROM queue_job WHERE name = 'stuck'")
        assert database.wait_settled(uuids) == {"done": 2}

    def test_what_a_crash_left_is_recovered(self, make_server, database):
        database.rows(STUCK)
        server = start(make_server, channels="root:2")
        server.expect_log("dead", "enqueued")
        uuids = database.column("SELECT uuid FROM queue_job WHERE name = 'stuck'")
        assert database.wait_settled(uuids, seconds=30) == {"done": 2}

    def test_the_runner_is_a_process_of_a_prefork_server(self, make_server):
        server = start(make_server, workers=2, channels="root:1")
        assert server.runner_pid() not in [server.process.pid, *server.http_pids()]

    def test_a_fresh_installation_needs_no_restart(
        self, make_server, database, stack, log_directory
    ):
        name = f"{database.name}_new"
        databases.clone(stack.templates.base(), name)
        new = Database(name)
        try:
            names = f"{database.name},{name}"
            server = start(make_server, channels="root:2", options={"db_name": names})
            headers = {"X-Odoo-Database": name}
            server.get("/web/login", headers=headers)  # a registry without jobs
            told = log_directory / "told"
            odoo = Odoo(stack, name, log_directory)
            with ThreadPoolExecutor() as pool:
                script = INSTALL.format(told=str(told))
                installation = pool.submit(odoo.shell, script)
                try:
                    server.wait_log(
                        f"queue job runner ready for db {name}", seconds=120
                    )
                    new.rows(
                        STUCK.replace("'started', 'enqueued'", "'pending', 'pending'")
                    )
                    uuids = new.column("SELECT uuid FROM queue_job WHERE name='stuck'")
                    assert new.wait_settled(uuids, seconds=60) == {"done": 2}
                finally:
                    told.touch()
                installation.result()
            server.stop()
        finally:
            new.close()
            databases.drop(name)
