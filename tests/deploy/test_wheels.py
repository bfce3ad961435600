# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The wheels install beside Odoo, and Odoo finds the addons in them."""

import subprocess
import sysconfig
import venv

import pytest

from setup import cache, database, wheels
from setup.postgres import free_port

ENQUEUE = """
partner = env["res.partner"].create({"name": "Wheel"})
partner.with_delay().write({"name": "Turned"})
env.cr.commit()
print("jobs:", env["queue.job"].search_count([]))
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


def test_install_and_enqueue(stack, python):
    with database.temporary(stack.templates.base(), "queue_job_wheels") as name:
        install = ("-i", "queue_job_cron", "--stop-after-init", "--http-interface=::1")
        result = odoo(stack, python, name, *install)
        assert result.returncode == 0, result.stderr[-2000:]
        assert "Modules loaded" in result.stderr
        shell = odoo(stack, python, name, "shell", "--no-http", script=ENQUEUE)
        assert "jobs: 1" in shell.stdout, shell.stderr[-2000:]
