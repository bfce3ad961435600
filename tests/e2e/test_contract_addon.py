# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""An addon as others write them (`tests/addons/contract_probe`), from its installation
to its end: XML in both forms, inherited views, hooks, overrides of create and write,
which send every row through the ORM."""

import pytest

from tests.harness.fixtures import database_maker, server_maker
from tests.harness.odoo import ADDONS, Odoo

MODEL = "contract.probe"
FUNCTIONS = """
SELECT f.name, f.channel, f.retry_pattern #>> '{}' AS pattern, count(d.id)
  FROM queue_job_function f
  JOIN ir_model_data d ON d.model = 'queue.job.function' AND d.res_id = f.id
 WHERE d.module IN ('contract_probe', 'contract_probe_more')
 GROUP BY f.id ORDER BY f.name
"""
CHANNELS = (
    "SELECT complete_name FROM queue_job_channel WHERE complete_name ~ 'contract'"
)
UNINSTALL = """
module = env["ir.module.module"].search([("name", "=", {name!r})])
module.button_immediate_uninstall()
"""


@pytest.fixture(scope="module")
def database(stack):
    with database_maker(stack) as make:
        yield make()


@pytest.fixture(scope="module")
def odoo(stack, database, tmp_path_factory):
    odoo = Odoo(stack, database.name, tmp_path_factory.mktemp("contract"))
    odoo.run("-i", "contract_probe,contract_probe_more")
    return odoo


@pytest.fixture(scope="module")
def server(stack, database, odoo, tmp_path_factory):
    directory = tmp_path_factory.mktemp("server")
    with server_maker(stack, directory, database) as make:
        addons_path = f"{stack.source.addons_path},{ADDONS}"
        server = make(channels="root:2", options={"addons_path": addons_path})
        server.wait_runner()
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.client()


@pytest.fixture
def record(client):
    """The id of a new record."""
    return client.call(MODEL, "create", [{"name": ""}])[0]


@pytest.fixture
def run(client, database, record):
    """Delay a method of the record, wait for its end, return columns of the job."""

    def run(method, *args, kwargs=None, options=None, columns=("state", "result")):
        uuid = client.call(MODEL, "delay_job", [record], method, args, kwargs, options)
        database.wait_state(uuid, "done", "failed")
        return database.job(uuid, *columns)

    return run


class TestDeclarations:
    def test_functions_in_both_forms(self, odoo, database):
        assert database.rows(FUNCTIONS) == [
            ("<contract.probe>.commit_twice", "root", None, 1),
            ("<contract.probe>.fail", "root", None, 1),
            ("<contract.probe>.flaky", "root.contract.slow", '{"1": 1, "3": 2}', 1),
            ("<contract.probe>.mixin_job", "root.contract", None, 1),
            ("<contract.probe>.my_method", "root.contract", None, 1),
            ("<res.partner>.name_create", "root.contract", '{"1": 11}', 2),
        ]

    def test_a_channel_of_two_modules_is_one(self, odoo, database):
        names = database.column(CHANNELS)
        assert sorted(names) == ["root.contract", "root.contract.slow"]


class TestJobs:
    def test_the_example_of_the_manual(self, run, server):
        columns = ("state", "channel", "name", "channel_method_name")
        assert run("my_method", "a", kwargs={"k": 2}, columns=columns) == (
            "done",
            "root.contract",
            "Do what the example of the manual does",
            "<contract.probe>.my_method",
        )
        server.wait_log("executed with a: a and k: 2")

    def test_a_mixin_has_a_function_for_each_model(self, run, client, database):
        assert run("mixin_job", columns=("result", "channel")) == (
            "by contract.probe",
            "root.contract",
        )
        uuid = client.call("contract.probe.twin", "delay_mixin_job")
        database.wait_state(uuid, "done")
        assert database.job(uuid, "result", "channel") == (
            "by contract.probe.twin",
            "root",
        )

    def test_retry_pattern(self, run):
        columns = ("state", "result", "retry", "channel")
        assert run("flaky", 2, columns=columns) == (
            "done",
            "at last",
            2,
            "root.contract.slow",
        )

    def test_own_columns_and_overridden_create_and_write(self, run):
        columns = ("contract_tag", "contract_writes")
        # written at the creation, the start and the end; the claim is SQL
        tag, writes = run("flaky", 1, columns=columns)
        assert tag == "flaky"
        assert writes >= 2
        assert run("rename", "x", columns=("contract_tag",)) == "of the method"

    def test_failure(self, run, client, database, record, server):
        server.expect_log("As it was told")
        columns = ("id", "state", "exc_name", "exc_message", "contract_tag")
        job, *values = run("fail", columns=columns)
        assert values == [
            "failed",
            "odoo.exceptions.UserError",
            "As it was told",
            "fail failed, told",
        ]
        (probe,) = client.call(MODEL, "read", [record], ["name", "failure"])
        assert not probe["name"]
        assert probe["failure"] == "odoo.exceptions.UserError: As it was told"
        (message,) = database.column(
            "SELECT body FROM mail_message WHERE model = 'queue.job' AND res_id = %s"
            " AND subtype_id IS NOT NULL AND body LIKE '%%Something bad%%'",
            job,
        )
        assert "Said the addon." in message
        followers = database.value(
            "SELECT count(*) FROM mail_followers WHERE res_model = 'queue.job'"
            " AND res_id = %s",
            job,
        )
        assert followers == 1  # admin, of the domain and the creator

    def test_commit_on_an_own_cursor(self, run, client, record):
        assert run("commit_twice", columns=("state",)) == "done"
        assert client.call(MODEL, "read", [record], ["name"])[0]["name"] == "two"

    def test_context_keys(self, client, record, database):
        first, second = client.call(
            MODEL, "delay_same", [record], context={"contract_key": 1, "other": 2}
        )
        assert first == second  # the same identity key
        records = database.job(first, "records")
        assert '"contract_key": 1' in records
        assert '"other"' not in records

    def test_auto_delay(self, client, record, database):
        uuid = client.call(MODEL, "delay_auto", [record], "later")
        database.wait_state(uuid, "done")
        name, key = database.job(uuid, "name", "identity_key")
        assert name == "auto later"
        assert len(key) == 40
        assert client.call(MODEL, "auto", [record], "now") == "now"

    def test_graph(self, client, record, database, server):
        uuids = client.call(MODEL, "delay_graph", [record], ["a", "b", "c"])
        assert database.wait_settled(uuids) == {"done": 6}
        assert client.call(MODEL, "read", [record], ["name"])[0]["name"] == "abc"
        server.wait_log("dependents of")

    @staticmethod
    def shown(database, record):
        return database.value(
            "SELECT job_state FROM contract_probe WHERE id = %s", record
        )

    def test_stored_fields_show_that_a_job_runs(self, client, record, database):
        """And the job, which writes the same row at its end, meets no conflict."""
        with database.connect() as session, session.cursor() as holder:
            holder.execute("SELECT pg_advisory_lock(77)")
            uuid = client.call(MODEL, "delay_watched", [record], "hold", 77)
            assert self.shown(database, record) == "pending"
            database.wait(
                "SELECT job_state = 'started' FROM contract_probe WHERE id = %s", record
            )
            assert database.job(uuid, "state") == "started"
        database.wait_state(uuid, "done")
        columns = ("result", "retry")
        seen = "its job is started, stored: started"
        assert database.job(uuid, *columns) == (seen, 1)
        assert self.shown(database, record) == "done"

    def test_a_start_does_not_wait_for_a_locked_row(
        self, client, record, database, server
    ):
        server.expect_log("stored fields of other addons do not show")
        with database.connect() as session, session.cursor() as holder:
            holder.execute("SELECT pg_advisory_lock(78)")
            arguments = ([record], "on_done", "hold", 78)
            child = client.call(MODEL, "delay_watched_child", *arguments)
            lock = "SELECT 1 FROM contract_probe WHERE id = %s FOR UPDATE"
            holder.execute(
                "BEGIN; " + lock + "; SELECT pg_advisory_unlock(78)", [record]
            )
            server.wait_log("stored fields of other addons do not show")
            database.wait_state(child, "started")
        database.wait_state(child, "done")
        assert self.shown(database, record) == "done"

    def test_stored_fields_show_what_a_lease_releases(self, client, record, database):
        arguments = ([record], "on_failed", "rename", "x")
        child = client.call(MODEL, "delay_watched_child", *arguments)
        assert self.shown(database, record) == "wait_dependencies"
        database.wait_state(child, "cancelled")
        database.wait(
            "SELECT job_state = 'cancelled' FROM contract_probe WHERE id = %s", record
        )

    def test_related_actions(self, client, record, server):
        server.expect_log("No action available for this job")
        action = self._open(client, record, "flaky", 1)
        assert (action["name"], action["res_id"]) == ("Probe", record)
        with pytest.raises(Exception, match="No action available for this job"):
            self._open(client, record, "my_method", 1)
        action = self._open(client, record, "rename", "x")
        assert (action["name"], action["res_id"]) == ("Related Record", record)

    @staticmethod
    def _open(client, record, method, *args):
        uuid = client.call(MODEL, "delay_job", [record], method, args)
        ids = client.call("queue.job", "search", [("uuid", "=", uuid)])
        return client.call("queue.job", "open_related_action", ids)


class TestViews:
    @pytest.mark.parametrize(
        "view, words",
        [
            ("form", ['name="contract"', "Written below by the queue", "Graph"]),
            ("list", ["contract_tag"]),
            ("search", ["contract_tag", "The group_by_graph"]),
        ],
    )
    def test_inherited_views(self, client, view, words):
        arch = client.call("queue.job", "get_view", None, view)["arch"]
        assert [word for word in words if word not in arch] == []


class TestLife:
    """The tests below change the installation: they are the last, in this order."""

    def test_update(self, odoo, server, database):
        server.stop()
        before = database.rows(FUNCTIONS)
        odoo.run("-u", "queue_job")
        assert database.rows(FUNCTIONS) == before

    def test_uninstall_of_one_of_two(self, odoo, database):
        odoo.shell(UNINSTALL.format(name="contract_probe_more"))
        functions = {
            name: count for name, _channel, _p, count in database.rows(FUNCTIONS)
        }
        assert functions["<res.partner>.name_create"] == 1
        assert "root.contract" in database.column(CHANNELS)

    def test_uninstall_of_the_last(self, odoo, database):
        jobs = database.value("SELECT count(*) FROM queue_job")
        assert jobs
        odoo.shell(UNINSTALL.format(name="contract_probe"))
        assert database.rows(FUNCTIONS) == []
        assert database.column(CHANNELS) == []
        assert database.value("SELECT count(*) FROM queue_job") == jobs

    def test_its_jobs_can_be_read_and_deleted(self, odoo):
        """Their model is gone by now."""
        script = """
jobs = env["queue.job"].search([("model_name", "=", "contract.probe")])
jobs.mapped("display_name")
jobs.button_cancelled()
ended = jobs.filtered(lambda job: job.state in ("done", "failed", "cancelled"))
ended.action_delete_final()
answer = len(jobs - ended), len(ended) > 5
"""
        assert odoo.shell(script) == "(0, True)"
