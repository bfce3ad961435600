# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Odoo run as a command: install, update, uninstall, a script for its shell.

    odoo = Odoo(stack, database.name, directory, addons=[...])
    odoo.run("-i", "my_addon")
    odoo.shell("print(env['res.users'].search_count([]))")

Each command has a log file of its own; an alarming record in it fails the test.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from setup.odoo_log import parse, stray
from setup.stack import Stack

ADDONS = Path(__file__).resolve().parents[1] / "addons"
TIMEOUT_SECONDS = 600
OPTIONS = ("--stop-after-init", "--no-http", "--max-cron-threads=0")


class Odoo:
    """Odoo's command line on one database, with more addons than the project's."""

    def __init__(
        self,
        stack: Stack,
        database: str,
        directory: Path,
        *,
        addons: Iterable[Path] = (ADDONS,),
        load: str = "base,web,queue_job",
    ):
        self.stack = stack
        self.database = database
        self.directory = directory
        self.addons_path = ",".join([stack.source.addons_path, *map(str, addons)])
        self.load = load
        self._runs = 0

    def run(self, *arguments: str, expected: Iterable[str] = ()) -> str:
        """Run the program with these options; the text of its log."""
        return self._run(arguments, OPTIONS, expected=expected)

    def shell(self, script: str, *, expected: Iterable[str] = ()) -> str:
        """Run a script in Odoo's shell; what it printed."""
        output = self.directory / "shell.out"
        ending = (
            f"\nwith open({str(output)!r}, 'w') as stream: stream.write(str(answer))"
        )
        script = f"answer = None\n{script}\nenv.cr.commit(){ending}\n"
        self._run(["shell"], ["--no-http"], script=script, expected=expected)
        return output.read_text()

    def queue_job(self, *arguments: str, databases: Iterable[str] = ()) -> tuple:
        """Run ``odoo-bin queue_job``; its exit code and what it has written.

        :param databases: others than that of this object
        """
        names = ",".join(databases or [self.database])
        result = subprocess.run(
            [
                *(self.stack.python, self.stack.source.launcher()),
                *(f"--addons-path={self.addons_path}", "queue_job", *arguments),
                *("-d", names),
            ],
            text=True,
            capture_output=True,
            env=self._environment(),
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert "Traceback" not in result.stderr, result.stderr
        return result.returncode, result.stdout

    def _run(self, command, options, *, script: str = "", expected=()) -> str:
        self._runs += 1
        log = self.directory / f"odoo-{self._runs}.log"
        result = subprocess.run(
            [
                *(self.stack.python, self.stack.source.launcher(), *command),
                *("-d", self.database, f"--addons-path={self.addons_path}"),
                *(f"--data-dir={self.directory / 'data'}", f"--logfile={log}"),
                *(f"--load={self.load}", *options),
            ],
            input=script,
            text=True,
            capture_output=True,
            env=self._environment(),
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        text = log.read_text(errors="replace") if log.exists() else ""
        assert not result.returncode, f"{result.stderr[-2000:]}\n{text[-2000:]}"
        assert "Traceback" not in result.stderr, result.stderr
        strays = [str(record) for record in stray(parse(text), expected)]
        assert not strays, f"stray log records in {log}:\n" + "\n".join(strays)
        return text

    def _environment(self) -> dict[str, str]:
        python_path = str(self.stack.source.python_path())
        return {**os.environ, "PYTHONPATH": python_path, "ODOO_RC": os.devnull}
