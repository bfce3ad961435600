# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Finds or fetches Odoo 19 and says which one it took.

In this order: ``ODOO_PATH``; an ``odoo`` or ``odoo-bin`` on PATH; a Python that
can import odoo 19; Debian's package ``odoo-19`` unpacked into the cache; a clone
of Odoo's repository. Only the source is taken: it always runs in the project's
own virtual environment.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from . import cache, debian
from .console import SetupError, read, run, say

SERIES = (19, 0)
DEBIAN_PACKAGE = "odoo-19"
# Odoo's web assets in Debian are links to files of these packages.
DEBIAN_ASSETS = [
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-font-awesome",
    "fonts-inconsolata",
    "fonts-roboto-unhinted",
]
CLONE_URL = "https://github.com/odoo/odoo.git"
LAUNCHER = "import odoo.cli\n\nodoo.cli.main()\n"
WHERE = "import odoo; print(list(odoo.__path__)[0])"


@dataclass(frozen=True)
class OdooSource:
    """One Odoo 19 on this machine."""

    package: Path  # the directory of the Python package "odoo"
    origin: str  # for the user: where it came from

    @property
    def addons_path(self) -> str:
        """Odoo's own addons (a checkout has two directories), then ours."""
        beside = self.package.parent / "addons"
        own = [path for path in (beside, self.package / "addons") if path.is_dir()]
        return ",".join(str(path) for path in [*own, cache.REPOSITORY])

    def python_path(self) -> Path:
        """A directory to import Odoo from, and nothing else that matters."""
        if self.package.parent.name not in ("site-packages", "dist-packages"):
            return self.package.parent
        if self.package.is_relative_to(cache.root()):
            return self.package.parent
        # other packages live beside it, made for another Python: link it alone
        link = cache.path("odoo-link", "odoo")
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self.package)
        return link.parent

    def launcher(self) -> Path:
        """The program to start. A script, for prefork mode runs it again by name."""
        script = cache.path("bin", "odoo")
        if not script.exists() or script.read_text() != LAUNCHER:
            script.write_text(LAUNCHER)
        return script


def find() -> OdooSource:
    """The Odoo to use, fetched if there is none."""
    source = _given() or _installed() or _importable() or _cached()
    if source is None:
        with cache.locked("odoo"):
            source = _cached() or _fetch()
    return source


def _given() -> OdooSource | None:
    given = os.environ.get("ODOO_PATH")
    if not given:
        return None
    root = Path(given).expanduser().resolve()
    for part in ("odoo", ".", "usr/lib/python3/dist-packages/odoo"):
        source = _source(root / part, f"ODOO_PATH ({root})")
        if source:
            return source
    raise SetupError(f"ODOO_PATH={given} holds no Odoo {SERIES[0]}.{SERIES[1]}")


def _installed() -> OdooSource | None:
    """The Odoo that a program on PATH starts."""
    for name in ("odoo", "odoo-bin"):
        program = shutil.which(name)
        if not program:
            continue
        program = Path(program).resolve()
        source = _source(program.parent / "odoo", f"{program} on PATH")
        source = source or _of_interpreter(_shebang(program), f"{program} on PATH")
        if source:
            return source
    return None


def _shebang(program: Path) -> list[str]:
    with program.open("rb") as stream:
        line = stream.readline().decode(errors="replace")
    return line[2:].split() if line.startswith("#!") else []


def _importable() -> OdooSource | None:
    for interpreter in ("python3", sys.executable):
        source = _of_interpreter([interpreter], f"the odoo package of {interpreter}")
        if source:
            return source
    return None


def _of_interpreter(interpreter: list[str], origin: str) -> OdooSource | None:
    if not interpreter:
        return None
    found = read([*interpreter, "-c", WHERE], cwd="/")
    return _source(Path(found), origin) if found else None


def _cached() -> OdooSource | None:
    package = cache.path("odoo", "usr", "lib", "python3", "dist-packages", "odoo")
    if cache.is_complete(cache.path("odoo")):
        return _source(package, f"Debian's package in {cache.path('odoo')}")
    if cache.is_complete(cache.path("odoo-clone")):
        clone = cache.path("odoo-clone")
        return _source(clone / "odoo", f"the clone in {clone}")
    return None


def _fetch() -> OdooSource:
    if debian.is_debian():
        try:
            _unpack_debian()
        except SetupError as error:
            say(f"{error}; trying a clone")
            _clone()
    else:
        _clone()
    source = _cached()
    if source is None:
        raise SetupError("what was fetched is not Odoo 19")
    return source


def _unpack_debian() -> None:
    say(f"Odoo 19 is not installed: taking Debian's package {DEBIAN_PACKAGE}")
    with cache.fresh_directory(cache.path("odoo")) as target:
        debian.unpack(target, "sid", [DEBIAN_PACKAGE])
        debian.unpack_own(target, DEBIAN_ASSETS)


def _clone() -> None:
    branch = f"{SERIES[0]}.{SERIES[1]}"
    command = ["git", "clone", "--depth=1", f"--branch={branch}", "--progress"]
    with cache.fresh_directory(cache.path("odoo-clone")) as target:
        run(
            [*command, CLONE_URL, target],
            f"Cloning Odoo {branch}",
            cache.path("logs", "git.log"),
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )


def _source(package: Path, origin: str) -> OdooSource | None:
    """The Odoo in ``package`` if it is one of our series."""
    try:
        text = (package / "release.py").read_text()
    except OSError:
        return None
    version = re.search(r"^version_info = \((\d+), (\d+)", text, re.MULTILINE)
    if not version or tuple(map(ast.literal_eval, version.groups())) != SERIES:
        return None
    return OdooSource(package.resolve(), origin)
