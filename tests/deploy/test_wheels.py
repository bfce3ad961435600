# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The wheels install beside Odoo, Odoo finds the addons in them, and the demo runs."""

import subprocess
import sysconfig
import venv

import pytest

from setup import cache, contacts, database, demo, wheels
from setup.odoo_server import OdooServer
from setup.postgres import free_port
from tests.harness.waiting import wait_for

WHERE = """
import odoo.addons.queue_job
print("loaded from", odoo.addons.queue_job.__file__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A new environment with the wheels, beside what Odoo requires."""
    built = wheels.build(tmp_path_factory.mktemp("wheels"))
    names = {path.name.split("-")[0] for path in built}
    assert {"odoo_addon_queue_job", "odoo_addon_queue_job_cron"} <= names
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    (site / "odoo_requirements.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = home / "bin" / "python"
    addons = [path for path in built if path.name.startswith("odoo_addon_")]
    command = [python, "-m", "pip", "install", "-q", "--no-deps", *addons]
    subprocess.run(command, check=True)
    assert (site / "odoo/addons/queue_job/__manifest__.py").is_file()
    return python


def odoo(stack, python, name, *arguments, script=None):
    """Run Odoo in the environment, without our checkout in its addons path."""
    environment = {
        "PYTHONPATH": str(stack.source.python_path()),
        "ODOO_RC": "/dev/null",
    }
    command = [
        *(python, stack.source.launcher(), *arguments, "-d", name),
        f"--addons-path={own_addons(stack)}",
        f"--data-dir={cache.BUILD / 'data'}",
        *("--load=base,web,queue_job", "--max-cron-threads=0"),
        f"--http-port={free_port()}",
    ]
    return subprocess.run(
        [str(part) for part in command],
        cwd="/",
        env={**subprocess.os.environ, **environment},
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )


def own_addons(stack):
    """Odoo's own addons."""
    paths = stack.source.addons_path.split(",")
    return ",".join(path for path in paths if path != str(cache.REPOSITORY))


def test_the_demo_import(stack, python, log_directory):
    """The import of `make run`, by what the wheels have installed."""
    with database.temporary(stack.templates.base(), "queue_job_wheels") as name:
        modules = "queue_job_cron,test_queue_job"
        install = ("-i", modules, "--stop-after-init", "--http-interface=::1")
        result = odoo(stack, python, name, *install)
        assert result.returncode == 0, result.stderr[-2000:]
        assert "Modules loaded" in result.stderr
        shell = odoo(stack, python, name, "shell", "--no-http", script=WHERE)
        assert f"loaded from {python.parents[1]}" in shell.stdout, shell.stderr[-2000:]
        # the tests' addon has installed jobs which look like those of a dead worker
        database.execute("DELETE FROM queue_job", database=name)
        with OdooServer(
            *(stack.source, python, log_directory, name),
            workers=4,
            channels="root:3",
            options={"addons_path": own_addons(stack)},
        ) as server:
            outcome = demo.import_contacts(server, "sample.csv", contacts.sample())
        assert outcome.as_expected(sample=True), outcome
        assert_runner(stack, python, name, log_directory)


def assert_runner(stack, python, name, directory):
    """The runner as a process of its own, by the name of its module."""
    command = [python, "-m", "odoo.addons.queue_job.jobrunner"]
    with (directory / "runner.log").open("wb") as log:
        runner = subprocess.Popen(
            [*map(str, command), "-c", str(directory / "odoo.conf")],
            cwd="/",
            env={
                **subprocess.os.environ,
                "PYTHONPATH": str(stack.source.python_path()),
                "ODOO_QUEUE_JOB_CHANNELS": "root:2",
            },
            stdout=log,
            stderr=log,
        )
    try:
        query = "SELECT pid FROM queue_job_runner WHERE leader"
        wait_for(
            lambda: database.execute(query, database=name) == [(runner.pid,)],
            "the runner leads",
        )
    finally:
        runner.terminate()
        assert runner.wait(10) == 0
