# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A disk whose flush takes as long as wished, for the PostgreSQL of the benchmark.

`slow_flush.c` is compiled and preloaded into PostgreSQL. It waits where a slow disk
would: in the flush itself, while other commits gather for the next one. `commit_delay`
of PostgreSQL waits before the flush, and takes with it what is committed meanwhile.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

# microseconds, and how many flushes there were
_NUMBERS = struct.Struct("=qq")
_SOURCE = Path(__file__).with_name("slow_flush.c")


class SlowDisk:
    """The preloaded library and its delay.

    :param directory: where they are kept; the user that runs PostgreSQL can read it
    :raise RuntimeError: there is no C compiler
    """

    def __init__(self, directory: Path) -> None:
        self._library = directory / "slow_flush.so"
        self._numbers = directory / "slow_flush.numbers"
        self._numbers.write_bytes(_NUMBERS.pack(0, 0))
        self._numbers.chmod(0o666)  # for the user that runs PostgreSQL
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not compiler:
            raise RuntimeError("A slow disk needs a C compiler (cc) to be made")
        options = ["-O2", "-shared", "-fPIC", "-o", str(self._library)]
        subprocess.run([compiler, *options, str(_SOURCE)], check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL has to be started with."""
        return {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "SLOW_FLUSH_FILE": str(self._numbers),
        }

    def set_delay(self, seconds: float) -> None:
        """How much longer a flush takes, from now on."""
        with self._numbers.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1e6)))

    @property
    def flushes(self) -> int:
        """How often PostgreSQL has flushed its log."""
        return _NUMBERS.unpack(self._numbers.read_bytes())[1]
