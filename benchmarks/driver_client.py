# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark's end of the enqueuing process (`driver`)."""

import json
import subprocess
from pathlib import Path
from typing import Any

from . import processes
from .sides import Side


class Driver:
    """`Driver(side).loop(count=100)` runs the operation in the side's process."""

    def __init__(self, side: Side, database: str | None = None) -> None:
        self.log = side.cluster.directory / f"driver_{side.name}.log"
        program = [str(side.paths.python), str(Path(__file__).with_name("driver.py"))]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, database or side.database, *side.options]
                + ["--log-level=warn"],
                env=side.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=processes.die_with_parent(),
            )
        self._ready = False

    def wait_until_ready(self) -> None:
        """Starting takes seconds: several drivers may start at the same time."""
        if not self._ready:
            self._answer()
            self._ready = True

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def __getattr__(self, operation: str):
        """Any other name is an operation of the driver."""

        def call(**arguments: Any) -> Any:
            self.wait_until_ready()
            self.process.stdin.write(json.dumps([operation, arguments]) + "\n")
            self.process.stdin.flush()
            return self._answer()

        return call

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The driver ended, see {self.log}")
        return json.loads(line)
