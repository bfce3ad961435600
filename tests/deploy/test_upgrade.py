# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Databases of the community's addon: tables as 16.0 and 18.0 had them, built by SQL,
updated by ``-u queue_job``, and their jobs run."""

import json

import pytest

from setup import database as databases
from tests.harness.database import Database
from tests.harness.fixtures import server_maker
from tests.harness.odoo import Odoo

TABLES = """
CREATE TABLE queue_job_channel (
    id serial PRIMARY KEY, name varchar, complete_name varchar, parent_id integer,
    removal_interval integer NOT NULL, create_uid integer, write_uid integer,
    create_date timestamp, write_date timestamp,
    CONSTRAINT queue_job_channel_name_uniq UNIQUE (complete_name));
CREATE TABLE queue_job_function (
    id serial PRIMARY KEY, name varchar, model_id integer, method varchar,
    channel_id integer NOT NULL, channel varchar,
    retry_pattern {serialized}, related_action {serialized});
CREATE TABLE queue_job (
    id serial PRIMARY KEY, uuid varchar NOT NULL, graph_uuid varchar, user_id integer,
    company_id integer, name varchar, model_name varchar, method_name varchar,
    records {serialized}, args {serialized}, kwargs {serialized}, dependencies text,
    func_string varchar, state varchar NOT NULL, priority integer, exc_name varchar,
    exc_message varchar, exc_info text, result text, date_created timestamp,
    date_started timestamp, date_enqueued timestamp, date_done timestamp,
    date_cancelled timestamp, exec_time double precision, eta timestamp, retry integer,
    max_retries integer, channel_method_name varchar, job_function_id integer,
    channel varchar, identity_key varchar, worker_pid integer);
CREATE INDEX queue_job__state_index ON queue_job (state);
CREATE INDEX queue_job__uuid_index ON queue_job (uuid);
CREATE INDEX queue_job__channel_index ON queue_job (channel);
CREATE INDEX queue_job_channel_date_done_date_created_index
    ON queue_job (channel, date_done, date_created);
CREATE FUNCTION queue_job_notify() RETURNS trigger AS $$
BEGIN PERFORM pg_notify('queue_job', NEW.uuid); RETURN NULL; END
$$ LANGUAGE plpgsql;
CREATE TRIGGER queue_job_notify AFTER INSERT OR UPDATE ON queue_job
    FOR EACH ROW EXECUTE PROCEDURE queue_job_notify();
INSERT INTO queue_job_channel (name, complete_name, removal_interval)
    VALUES ('root', 'root', 30);
INSERT INTO queue_job_channel (name, complete_name, parent_id, removal_interval)
    VALUES ('mine', 'root.mine', 1, 60);
INSERT INTO ir_model_data (module, name, model, res_id, noupdate)
    VALUES ('queue_job', 'channel_root', 'queue.job.channel', 1, true);
UPDATE ir_module_module SET state = 'installed', latest_version = %s
    WHERE name = 'queue_job';
"""

INSERT = """
INSERT INTO queue_job (uuid, name, state, user_id, company_id, model_name, method_name,
    records, args, kwargs, dependencies, priority, retry, max_retries, channel,
    channel_method_name, func_string, date_created, date_done, eta, identity_key)
VALUES (%(uuid)s, 'Job', %(state)s, 1, 1, 'res.partner', 'write', %(records)s, %(args)s,
    %(kwargs)s, %(dependencies)s, 10, 0, 5, 'root.mine', '<res.partner>.write', 'write',
    now(), %(date_done)s, %(eta)s, %(identity_key)s)
"""

#: version -> type of serialized columns, and how a text is written into them
FORMATS = {
    "16.0.2.6.8": ("text", str),
    "18.0.1.2.0": ("jsonb", json.dumps),
}


@pytest.fixture(params=FORMATS)
def old(request, stack):
    """A database with the tables of this version, and jobs in them."""
    serialized, encode = FORMATS[request.param]
    with databases.temporary(stack.templates.base(), "queue_job_upgrade") as name:
        db = Database(name)
        db.rows(TABLES.format(serialized=serialized), request.param)
        for uuid, values in jobs().items():
            values = {**DEFAULTS, "uuid": uuid, **values}
            for column in ("records", "args", "kwargs"):
                values[column] = encode(json.dumps(values[column]))
            db.rows(INSERT % _quoted(db, values))
        yield db
        db.close()


DEFAULTS = {
    "state": "pending",
    "records": {
        "_type": "odoo_recordset",
        "model": "res.partner",
        "ids": [1],
        "uid": 1,
        "su": False,
    },
    "args": [{"ref": "upgraded"}],
    "kwargs": {},
    "dependencies": None,
    "date_done": None,
    "eta": None,
    "identity_key": None,
}


def jobs():
    edge = {"depends_on": ["parent"], "reverse_depends_on": []}
    back = {"depends_on": [], "reverse_depends_on": ["child"]}
    return {
        "pending": {"identity_key": "the-key"},
        "parent": {"dependencies": json.dumps(back)},
        "child": {"state": "wait_dependencies", "dependencies": json.dumps(edge)},
        "future": {"eta": "2999-01-01 00:00:00"},
        "failed": {"state": "failed"},
        "done": {"state": "done", "date_done": "2026-01-01 00:00:00"},
        "dead": {"state": "started"},
    }


def _quoted(db, values):
    with db.connect() as connection, connection.cursor() as cursor:
        return {
            key: cursor.mogrify("%s", [value]).decode() for key, value in values.items()
        }


def test_old_tables_are_taken_over(stack, old, log_directory):
    odoo = Odoo(stack, old.name, log_directory, addons=())
    for _twice in range(2):
        odoo.run("-u", "queue_job")
        assert old.job("future", "scheduled") is True
        assert old.job("pending", "identity_slot") == "the-key"
        assert old.value("SELECT count(*) FROM queue_job_dependency") == 1
        assert (
            old.value(
                "SELECT removal_interval FROM queue_job_channel"
                " WHERE complete_name = 'root.mine'"
            )
            == 60
        )
        assert old.states(list(jobs())) == {
            "pending": 3,
            "wait_dependencies": 1,
            "failed": 1,
            "done": 1,
            "started": 1,
        }
    with server_maker(stack, log_directory, old) as make_server:
        server = make_server(2, channels="root:2")
        server.expect_log("re-queued dead job")
        for uuid in ("pending", "parent", "child", "dead"):
            old.wait_state(uuid, "done", seconds=40)
    assert old.value("SELECT ref FROM res_partner WHERE id = 1") == "upgraded"
    assert old.job("future", "state") == "pending"
