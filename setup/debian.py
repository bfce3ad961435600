# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Debian's packages: installed into the system where a privilege is there, or
unpacked into the cache by an apt with a state of its own, which changes nothing.

The archive is the one the machine uses already: apt itself is asked for its
sources, so both formats of source lists, mirrors and proxies are respected.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from . import cache
from .console import SetupError, read, run, say

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)
TARGET_FORMAT = "$(SITE)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"


def is_debian() -> bool:
    return _os_release().get("ID") == "debian" and bool(shutil.which("apt-get"))


def _os_release() -> dict[str, str]:
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def install_packages(*packages: str) -> None:
    """Install system packages, or say the one command that does it."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    shown = " ".join(packages)
    if not shutil.which("apt-get"):
        raise SetupError(f"please install {shown} with your package manager")
    if os.geteuid():
        raise SetupError(f"a privileged step is needed: sudo {' '.join(command)}")
    log = cache.path("logs", "apt-install.log")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if run(command, f"Installing {shown}", log, check=False, env=environment):
        run(["apt-get", "update"], "Updating the package lists", log)
        run(command, f"Installing {shown} again", log, env=environment)


def unpack(target: Path, suite: str, packages: list[str]) -> None:
    """Download ``packages`` of ``suite`` and unpack them below ``target``."""
    options = _private_apt(suite)
    log = cache.path("logs", f"apt-{suite}.log")
    run(["apt-get", *options, "update"], f"Reading Debian's {suite} suite", log)
    downloads = cache.path("apt", f"download-{os.getpid()}")
    downloads.mkdir(parents=True)
    try:
        command = ["apt-get", *options, "download", *packages]
        run(command, f"Downloading {_shown(packages)}", log, cwd=downloads)
        script = 'for archive in *.deb; do dpkg -x "$archive" "$0"; done'
        command = ["sh", "-ec", script, target]
        run(command, f"Unpacking {_shown(packages)}", log, cwd=downloads)
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


def _shown(packages: list[str]) -> str:
    more = f" and {len(packages) - 1} more" if len(packages) > 1 else ""
    return packages[0] + more


def _private_apt(suite: str) -> list[str]:
    """Options that give apt lists and a state of its own for ``suite`` alone."""
    base = cache.path("apt", suite)
    for part in ("lists/partial", "cache/archives/partial", "state"):
        (base / part).mkdir(parents=True, exist_ok=True)
    source = base / "sources.list"
    source.write_text(_source_line(suite))
    (base / "state" / "status").touch()
    settings = {
        "Dir::Etc::SourceList": source,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": base / "state",
        "Dir::State::Lists": base / "lists",
        "Dir::State::Status": base / "state" / "status",
        "Dir::Cache": base / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "APT::Update::Error-Mode": "any",
        # the _apt user cannot write below a home directory
        "APT::Sandbox::User": "root",
        "APT::Get::List-Cleanup": "0",
    }
    return [f"-o{key}={value}" for key, value in settings.items()]


def _source_line(suite: str) -> str:
    keyring = next((name for name in KEYRINGS if os.path.exists(name)), None)
    signed = f"[signed-by={keyring}] " if keyring else ""
    return f"deb {signed}{_archive()} {suite} main\n"


def codename() -> str:
    """The suite this machine was installed from."""
    return _os_release().get("VERSION_CODENAME") or "sid"


def _archive() -> str:
    """The archive that this machine's apt takes the main component from."""
    command = ["apt-get", "indextargets", "--format", TARGET_FORMAT]
    targets = (read([*command, "Created-By: Packages"]) or "").splitlines()
    suites = {codename(), "stable", "testing", "unstable", "sid", "oldstable"}
    for target in targets:
        site, release, component, origin = target.split("|")
        if release in suites and component == "main" and origin in ("", "Debian"):
            return site
    raise SetupError("apt knows no Debian archive: set ODOO_PATH to an Odoo 19")


def unpack_own(target: Path, packages: list[str]) -> None:
    """Unpack packages of this machine's own suite."""
    say(f"Adding what Odoo links to from {codename()}")
    unpack(target, codename(), packages)
