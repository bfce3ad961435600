# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""In a fresh environment with Odoo, our wheels and nothing else, the tests of an addon
of somebody else run, with all helpers for tests that ours has."""

import shutil
import subprocess
import venv

import pytest

from setup import cache, database, wheels
from setup.postgres import free_port

ADDON = cache.REPOSITORY / "tests" / "addons" / "third_party"
REQUIREMENTS = cache.REPOSITORY / "setup" / "requirements-odoo.txt"
#: Tests of the addon.
TESTS = 3


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A new environment with what Odoo requires, and our wheels."""
    built = wheels.build(tmp_path_factory.mktemp("wheels"))
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    ours = [path for path in built if path.name.startswith("odoo_addon_queue_job-")]
    environment = {**subprocess.os.environ, "PIP_CACHE_DIR": str(cache.path("pip"))}
    for what in (["-r", REQUIREMENTS], ["--no-deps", *ours]):
        command = [python, "-m", "pip", "install", "-q", "--no-input", *what]
        subprocess.run(command, env=environment, check=True)
    return python


def test_the_tests_of_a_third_addon(stack, python, tmp_path):
    shutil.copytree(ADDON, tmp_path / ADDON.name)
    paths = stack.source.addons_path.split(",")
    paths = [path for path in paths if path != str(cache.REPOSITORY)]
    with database.temporary(stack.templates.base(), "queue_job_third") as name:
        result = subprocess.run(
            [
                *(python, stack.source.launcher(), "-d", name),
                *("-i", ADDON.name, f"--test-tags=/{ADDON.name}"),
                f"--addons-path={','.join([*paths, str(tmp_path)])}",
                *(f"--data-dir={tmp_path / 'data'}", f"--http-port={free_port()}"),
                *("--load=base,web,queue_job", "--max-cron-threads=0"),
                "--stop-after-init",
            ],
            cwd="/",
            env={
                **subprocess.os.environ,
                "PYTHONPATH": str(stack.source.python_path()),
                "ODOO_RC": "/dev/null",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 0, result.stderr[-3000:]
    assert f"0 failed, 0 error(s) of {TESTS} tests" in result.stderr


def test_nothing_else_is_installed(python):
    """What our own tests use is not there, and queue_job is not our checkout's."""
    found = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.lower()
    assert "odoo-addon-queue_job==" in found.replace("queue-job", "queue_job")
    for name in ("hypothesis", "pytest", "odoo-test-helper", "websocket-client"):
        assert f"\n{name}==" not in found
