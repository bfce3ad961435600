# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The worked example of `docs/contributing.md`: its patch applies to the addons as they
are now, and its own test passes in Odoo."""

import shutil
import subprocess

from setup import cache, database
from setup.postgres import free_port

EXAMPLE = cache.REPOSITORY / "docs" / "contributing" / "an_option.patch"
TESTS = 3


def patched(target):
    """A copy of the addons with the example."""
    for name in (*database.our_modules(), database.PORTAL_MODULE):
        shutil.copytree(cache.REPOSITORY / name, target / name)
    command = ["git", "apply", "-C1", f"--directory={target.name}", EXAMPLE]
    environment = {**subprocess.os.environ, "GIT_CEILING_DIRECTORIES": str(target)}
    subprocess.run(command, cwd=target.parent, env=environment, check=True)
    return target


def test_the_worked_example(stack, tmp_path):
    addons = patched(tmp_path / "addons")
    paths = stack.source.addons_path.replace(str(cache.REPOSITORY), str(addons))
    assert str(addons) in paths
    with database.temporary(stack.templates.app(), "queue_job_example") as name:
        result = subprocess.run(
            [
                *(stack.python, stack.source.launcher(), "-d", name),
                *("-u", "queue_job", "--test-tags=/test_queue_job:TestSlowAfter"),
                *(f"--addons-path={paths}", f"--data-dir={cache.BUILD / 'data'}"),
                *("--load=base,web,queue_job", "--max-cron-threads=0"),
                *(f"--http-port={free_port()}", "--stop-after-init"),
            ],
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
