# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``-i`` and ``-u`` in another process while a server runs jobs.

The update enqueues jobs of a model and of a method that the running server has never
seen. They wait, and say why; none of the others fails; a restart runs them.
"""

import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.odoo import ADDONS, Odoo

ADDON = "update_probe"
MANIFEST = """
{{
    "name": "Update Probe",
    "version": "19.0.{version}",
    "author": "Tests",
    "license": "LGPL-3",
    "depends": ["queue_job"],
}}
"""
BEFORE = """
from odoo import fields, models


class Probe(models.Model):
    _name = "update.probe"
    _description = "Probe"

    name = fields.Char()

    def first(self):
        self.create({"name": "first"})
"""
AFTER = (
    BEFORE
    + """
    def second(self):
        self.create({"name": "second"})


class Newcomer(models.Model):
    _name = "update.newcomer"
    _description = "Newcomer"

    def greet(self, probe):
        probe.create({"name": "greeted"})
"""
)
# Slow, so that the server has time to run into the middle of it.
MIGRATION = """
import time

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    probe = env["update.probe"]
    probe.with_delay(description="known").first()
    probe.with_delay(description="new method").second()
    env["update.newcomer"].with_delay(description="new model").greet(probe)
    time.sleep(1)
"""
NO_RIGHTS = ["have no access rules"]
JOBS = "SELECT name, state FROM queue_job WHERE model_name LIKE 'update.%%'"
RUNS = "SELECT name FROM update_probe ORDER BY name"
OF_NAME = "SELECT uuid FROM queue_job WHERE name = %s"
TRIED = """
SELECT count(*) FROM queue_job_attempt a JOIN queue_job j ON j.id = a.job_id
 WHERE a.exc_name = 'OutdatedCode' AND j.retry = 0
"""


class Addon:
    """The addon on disk; its code changes while a server runs."""

    def __init__(self, directory: Path):
        self.directory = directory / ADDON
        self.directory.mkdir(parents=True)

    def write(self, version: str, code: str) -> None:
        (self.directory / "__init__.py").write_text(textwrap.dedent(code))
        manifest = MANIFEST.format(version=version)
        (self.directory / "__manifest__.py").write_text(manifest)

    def add_migration(self, version: str, code: str) -> None:
        path = self.directory / "migrations" / f"19.0.{version}" / "post-migration.py"
        path.parent.mkdir(parents=True)
        path.write_text(code)


@pytest.fixture
def addon(tmp_path):
    return Addon(tmp_path / "addons")


def test_an_update_under_load(stack, make_server, database, addon, log_directory):
    addon.write("1.0.0", BEFORE)
    odoo = Odoo(
        stack,
        database.name,
        log_directory,
        addons=(ADDONS, addon.directory.parent),
    )
    odoo.run("-i", ADDON, expected=NO_RIGHTS)
    options = {"addons_path": odoo.addons_path}
    server = make_server(workers=4, channels="root:2", options=options)
    server.wait_runner()
    server.expect_log("waits: .* is in the database, and not in this server")
    client = server.client()
    flood = client.delay_many(300, "record_run", "flood", 0.02)

    addon.write("2.0.0", AFTER)
    addon.add_migration("2.0.0", MIGRATION)
    with ThreadPoolExecutor() as pool:
        update = pool.submit(odoo.run, "-u", ADDON, expected=NO_RIGHTS)
        during = client.delay("record_run", "during")
        update.result()
    database.wait_settled([*flood, during])
    assert database.states([*flood, during]) == {"done": 301}

    database.wait(TRIED, what="both were tried", until=lambda count: count == 2)
    assert dict(database.rows(JOBS)) == {
        "known": "done",
        "new method": "pending",
        "new model": "pending",
    }
    for name in ("new method", "new model"):
        uuid = database.value(OF_NAME, name)
        reason = client.call("queue.job", "waiting_reason", uuid)
        assert reason["code"] == "outdated_code", reason
        assert "Restart the server" in reason["text"]

    server.stop()
    server = make_server(workers=4, channels="root:2", options=options)
    database.wait_settled(database.column("SELECT uuid FROM queue_job"))
    assert database.column(RUNS) == ["first", "greeted", "second"]
