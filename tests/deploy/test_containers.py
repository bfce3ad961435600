# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the manifests of Docker and Kubernetes have a container do, done without one.

Their form is checked by `make lint`, by schemas. Here Odoo is started with their
arguments and environment, and must answer their probes and run jobs.
"""

import os
import subprocess

import pytest
import yaml

from setup import cache
from setup.postgres import free_port
from tests.harness.waiting import wait_for

from .processes import running

GUIDE = cache.REPOSITORY / "docs" / "deployment"
TOKEN = "the-token-of-the-test"
PORT = "8069"


def documents(path):
    return list(yaml.safe_load_all((GUIDE / path).read_text()))


def pod(path):
    """The container of the Deployment in a file."""
    (deployment,) = [d for d in documents(path) if d["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


def variables(container):
    """Its environment; secrets are what the test knows of them."""
    return {v["name"]: v.get("value", TOKEN) for v in container["env"]}


def odoo(stack, directory, database, arguments, environment, port):
    """Run Odoo as in the image, whose entry point adds the address of the database."""
    assert arguments[0] == "odoo"
    given = [a for a in arguments[1:] if not a.startswith(("--database", "--init"))]
    assert len(arguments) - len(given) in (2, 3)
    websocket = f"--gevent-port={free_port()}"
    command = [
        *(stack.python, stack.source.launcher(), *given, websocket),
        *(f"--database={database.name}", f"--data-dir={directory / 'data'}"),
        *(f"--addons-path={stack.source.addons_path}", f"--http-port={port}"),
        "--http-interface=127.0.0.1",
    ]
    inherited = {k: v for k, v in os.environ.items() if "ODOO" not in k}
    source = {"PYTHONPATH": str(stack.source.python_path()), "ODOO_RC": "/dev/null"}
    everything = {**inherited, **source, **environment}
    return running(command, directory / "odoo.log", env=everything)


def probe(command, environment, port):
    """Whether a probe's or health check's command is content."""
    command = [part.replace(PORT, str(port)) for part in command]
    environment = {**os.environ, **environment}
    result = subprocess.run(command, env=environment, capture_output=True, check=False)
    return result.returncode == 0


def curl(path):
    return ["curl", "--fail", "--silent", f"http://127.0.0.1:{PORT}{path}"]


def delay(database, uuid="from-sql"):
    """A job, enqueued by SQL: nobody has to log in."""
    database.rows(
        "INSERT INTO queue_job (uuid, name, state, channel, priority, retry,"
        " max_retries, date_created, user_id, model_name, method_name, records, args,"
        " kwargs) VALUES (%s, 'probe', 'pending', 'root', 10, 0, 5,"
        " now() AT TIME ZONE 'UTC', 1, 'test.queue.job.probe', 'record_run',"
        " to_jsonb(%s::text), to_jsonb('[]'::text), to_jsonb('{}'::text))",
        uuid,
        '{"_type": "odoo_recordset", "model": "test.queue.job.probe", "ids": [],'
        ' "uid": 1, "su": true, "context": {}}',
    )
    return uuid


@pytest.fixture
def token(database):
    database.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        f" VALUES ('queue_job.metrics_token', '{TOKEN}')"
    )


def test_pods_for_jobs(stack, log_directory, database, token):
    container, port = pod("kubernetes/jobs.yaml"), free_port()
    environment = variables(container)
    readiness = container["readinessProbe"]["exec"]["command"]
    alive = curl(container["livenessProbe"]["httpGet"]["path"])
    arguments = container["args"], environment, port
    with odoo(stack, log_directory, database, *arguments):
        wait_for(lambda: probe(alive, {}, port), "alive", seconds=60)
        wait_for(lambda: probe(readiness, environment, port), "ready", seconds=60)
        database.wait_state(delay(database), "done")
        wrong = {"METRICS_TOKEN": "another"}
        assert not probe(readiness, wrong, port)
    leaders = "SELECT count(*) FROM queue_job_runner WHERE leader"
    assert database.value(leaders) == 0


def test_pods_for_users(stack, log_directory, database):
    container, port = pod("kubernetes/web.yaml"), free_port()
    alive = curl(container["livenessProbe"]["httpGet"]["path"])
    arguments = container["args"], variables(container), port
    with odoo(stack, log_directory, database, *arguments):
        wait_for(lambda: probe(alive, {}, port), "alive", seconds=60)
        uuid = delay(database)
        wait_for(lambda: probe(curl("/web/login"), {}, port), "serves users")
        assert database.value("SELECT count(*) FROM queue_job_runner") == 0
        assert database.job(uuid, "state") == "pending"


def test_compose(stack, log_directory, database):
    (manifest,) = documents("docker/compose.yaml")
    service, port = manifest["services"]["odoo"], free_port()
    environment = {
        name: value
        for name, value in service["environment"].items()
        if name.startswith("ODOO_")
    }
    _form, *check = service["healthcheck"]["test"]
    arguments = service["command"], environment, port
    with odoo(stack, log_directory, database, *arguments):
        wait_for(lambda: probe(check, {}, port), "healthy", seconds=60)
        database.wait_state(delay(database), "done")


def test_the_image_starts_what_the_manifests_start():
    text = (GUIDE / "docker/Dockerfile").read_text()
    command = 'CMD ["odoo", "--load=base,web,queue_job"]'
    assert text.rstrip().endswith(command)
    for name in ("queue_job", "queue_job_cron"):
        assert f"COPY {name} " in text
        assert (cache.REPOSITORY / name / "__manifest__.py").is_file()
