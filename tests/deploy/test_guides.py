# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The commands of the guides that no other test runs, as they are written there."""

import os
import re
import shlex
import subprocess

import pytest

from setup import cache
from setup.postgres import free_port
from tests.harness.waiting import wait_for

from .processes import running

DOCS = cache.REPOSITORY / "docs"
TOKEN = "the-token-of-the-test"


def block(page, start):
    """The code block of a page which begins with this text."""
    blocks = re.findall(r"```\w*\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    (found,) = [text for text in blocks if text.startswith(start)]
    return found


def environment(stack, **more):
    source = {"PYTHONPATH": str(stack.source.python_path()), "ODOO_RC": "/dev/null"}
    return {**os.environ, **source, **more}


def paths(stack):
    addons = f"--addons-path={stack.source.addons_path}"
    return [addons, f"--data-dir={cache.BUILD / 'data'}"]


def test_a_developer_s_machine(stack, database, log_directory):
    line = block("deployment.md", "ODOO_QUEUE_JOB_CHANNELS").strip()
    setting, odoo, *arguments = shlex.split(line)
    assert odoo == "odoo"
    command = [
        *(stack.python, stack.source.launcher(), *arguments, *paths(stack)),
        *("-d", database.name, f"--http-port={free_port()}", "--max-cron-threads=0"),
    ]
    log = log_directory / "odoo.log"
    more = dict([setting.split("=", 1)])
    with running(command, log, env=environment(stack, **more)):
        ready = f"queue job runner ready for db {database.name}"
        wait_for(lambda: ready in log.read_text(), ready, seconds=60)


def test_the_doors_of_the_operators(make_server, database):
    database.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        f" VALUES ('queue_job.metrics_token', '{TOKEN}')"
    )
    server = make_server(3, channels="root:2")
    server.wait_runner()
    line = block("operations/README.md", "curl").strip()
    for old, new in (("TOKEN", TOKEN), ("localhost:8069", f"127.0.0.1:{server.port}")):
        assert old in line
        line = line.replace(old, new)

    def answer():
        return subprocess.run(shlex.split(line), capture_output=True, text=True).stdout

    expected = block("operations/README.md", '{"status"').strip()
    wait_for(answer, "all is well", until=lambda text: text.strip() == expected)


def command_lines():
    """The commands of the page, without what is said beside them."""
    lines = block("how-to/command_line.md", "odoo-bin").splitlines()
    return [re.split(r"\s{3,}", line)[0] for line in lines]


@pytest.fixture
def jobs(database):
    """A failed job, one that waits, an old one that is done."""
    database.rows(
        "INSERT INTO queue_job_channel"
        "       (name, complete_name, parent_id, removal_interval)"
        " SELECT 'shop', 'root.shop', id, 30 FROM queue_job_channel"
        "  WHERE complete_name = 'root'"
    )
    states = {"failed": "NULL", "pending": "NULL", "done": "date '2020-01-01'"}
    for state, ended in states.items():
        database.rows(
            "INSERT INTO queue_job (uuid, name, state, channel, priority, retry,"
            " max_retries, date_created, date_done, user_id, model_name, method_name,"
            " records, args, kwargs) VALUES (%s, 'a job', %s, 'root.shop', 10, 0, 5,"
            f" now() AT TIME ZONE 'UTC' - interval '1 hour', {ended}, 1,"
            " 'res.partner', 'exists', to_jsonb(%s::text), to_jsonb('[]'::text),"
            " to_jsonb('{}'::text))",
            *(f"the-{state}", state),
            '{"_type": "odoo_recordset", "model": "res.partner", "ids": [1],'
            ' "uid": 1, "su": true, "context": {}}',
        )
    return database


#: command -> exit codes: 4 where nothing matches, 1 where something was found.
EXIT_CODES = {"doctor": (0, 1), "requeue": (4,), "cancel": (4,), "purge": (0, 4)}


def test_the_command_line(stack, jobs):
    """Each line as it stands; the addons path comes before the command."""
    outputs = {}
    for line in command_lines():
        program, name, *arguments = shlex.split(line)
        assert program == "odoo-bin"
        command, *rest = arguments
        rest = [{"DB": jobs.name, "UUID": "the-pending"}.get(a, a) for a in rest]
        if command == "run" and "UUID" not in line:
            jobs.rows("UPDATE queue_job SET state = 'pending' WHERE state = 'failed'")
        addons, data = paths(stack)
        odoo = (stack.python, stack.source.launcher(), addons, name, command)
        result = subprocess.run(
            [*map(str, odoo), *rest, data],
            env=environment(stack),
            capture_output=True,
            text=True,
            check=False,
        )
        allowed = EXIT_CODES.get(command, (0,))
        assert result.returncode in allowed, (line, result.stdout, result.stderr)
        outputs[line] = result.stdout
    assert "the-failed" in next(
        text for line, text in outputs.items() if "list" in line
    )
    assert jobs.job("the-pending", "state") == "done"
    assert jobs.job("the-failed", "state") == "done"
    assert jobs.value("SELECT count(*) FROM queue_job WHERE uuid = 'the-done'") == 0
