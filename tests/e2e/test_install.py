# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""While modules are installed or updated, jobs wait: their code may be missing."""

from tests.harness.waiting import holds

CHANGE = "UPDATE ir_module_module SET state = %s WHERE name = 'base_sparse_field'"


def test_jobs_wait_for_the_modules(make_server, database, server_mode):
    server = make_server(server_mode, channels="root:2")
    server.wait_runner()
    client = server.client()
    database.rows(CHANGE, "to upgrade")
    uuid = client.delay("record_run", "patient")
    holds(lambda: database.job(uuid, "state") == "pending", "pending", seconds=2)
    database.rows(CHANGE, "installed")
    assert database.wait_state(uuid, "done", "failed", seconds=7) == "done"
