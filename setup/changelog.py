# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make changelog``: the news fragments of the addons, as a text for users.

Without ``VERSION`` it prints what no release contains yet. With it, the fragments move
into ``CHANGELOG.md`` under that version; the manifests must have it already. towncrier
does the work, by ``towncrier.toml``; ``docs/releasing.md`` has the steps around it.
"""

from __future__ import annotations

import os
import subprocess

from . import cache, python_env, readme
from .console import SetupError


def versions() -> dict[str, str]:
    """Return {addon: version}, from the manifests."""
    return {addon: readme.manifest(addon)["version"] for addon in readme.ADDONS}


def check(version: str) -> None:
    """Check that all addons have the version of the release.

    :raise SetupError: names the addons that have another one
    """
    others = [f"{name} has {found}" for name, found in versions().items()]
    others = [text for text in others if not text.endswith(f" {version}")]
    if others:
        raise SetupError(f"set the version in the manifests: {', '.join(others)}")


def arguments(version: str | None) -> list[str]:
    """Return the command line for towncrier.

    :param version: of the release; None prints a draft
    """
    if version:
        return ["build", "--yes", "--version", version]
    return ["build", "--draft", "--version", "Unreleased"]


def main(command: str) -> int:
    version = os.environ.get("VERSION") or None
    if version:
        check(version)
    program = [python_env.python(), "-m", "towncrier", *arguments(version)]
    return subprocess.run(program, cwd=cache.REPOSITORY, check=False).returncode
