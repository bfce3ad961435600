# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Databases: ready-made templates, cloned in a second or two for each use.

Three templates are kept in the cluster. ``base`` has base, web and mail and is
made once; ``app`` is a clone of it with our addons on top, made again when a file
of theirs changes (their fingerprint is in its name); ``demo`` is a clone of that with
more languages. Attachments are stored in the database, so that a clone needs no file
store.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql

from . import cache
from .console import SetupError, run
from .odoo_source import OdooSource

BASE_MODULES = ("base", "web", "mail", "base_sparse_field")
OUR_MODULES = ("queue_job", "queue_job_cron", "test_queue_job")
#: In no template: it brings the portal, with which each new user costs half a second.
PORTAL_MODULE = "queue_job_portal"
PREFIX = "queue_job_template"
KEPT_TEMPLATES = 9  # of past fingerprints, for other checkouts on the same cluster
ATTACHMENTS_IN_DATABASE = """
env["ir.config_parameter"].set_param("ir_attachment.location", "db")
env["ir.attachment"].force_storage()
env.cr.commit()
"""
# the tests' addon installs two, which look like those of a dead worker
NO_JOBS = """
env.cr.execute("DELETE FROM queue_job")
env.cr.commit()
"""
# Debian's package of Odoo leaves out a file of the mail addon (its licence), and Odoo
# complains in the log and in the browser whenever it makes the bundle. The bundles are
# made here, so that the first page comes as fast as the others.
DEMO = """
from odoo.tools.misc import file_path
from odoo.tools.translate import load_language
for code in {codes}:
    load_language(env.cr, code)
library = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
try:
    file_path(library)
except FileNotFoundError:
    env["ir.asset"].create({{
        "name": "A library that is not there",
        "bundle": "web.assets_backend",
        "directive": "remove",
        "path": library,
    }})
bundle = env["ir.qweb"]._get_asset_bundle
for name in ("web.assets_frontend", "web.assets_web"):
    bundle(name, js=False).css()
for name in ("assets_frontend_minimal", "assets_frontend_lazy", "assets_web"):
    bundle("web." + name, css=False).js()
env.cr.commit()
"""


def connect(name: str = "postgres"):
    """An autocommit connection, by the libpq environment."""
    try:
        connection = psycopg2.connect(dbname=name)
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise SetupError(f"cannot connect to PostgreSQL: {reason}") from error
    connection.autocommit = True
    return connection


def execute(statement, parameters=(), *, database: str = "postgres") -> list[tuple]:
    connection = connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def exists(name: str) -> bool:
    return bool(execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]))


def clone(template: str, name: str) -> None:
    drop(name)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def drop(name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    execute(statement.format(sql.Identifier(name)))


@contextmanager
def temporary(template: str, prefix: str = "queue_job") -> Iterator[str]:
    """A clone of ``template`` that is dropped at the end."""
    name = f"{prefix}_{secrets.token_hex(4)}"
    clone(template, name)
    try:
        yield name
    finally:
        drop(name)


class Templates:
    """The template databases of one Odoo."""

    def __init__(self, source: OdooSource, python: Path):
        self.source = source
        self.python = python

    def base(self) -> str:
        """A database with Odoo's modules that ours depend on."""
        release = (self.source.package / "release.py").read_bytes()
        name = f"{PREFIX}_base_{_digest(release, repr(BASE_MODULES).encode())}"
        if exists(name):  # whole, for it got its name last: no need to wait for others
            return name
        with cache.locked("templates"):
            if not exists(name):
                self._build(name, "template0", BASE_MODULES, ATTACHMENTS_IN_DATABASE)
        return name

    def app(self) -> str:
        """A database with our addons installed as they are now."""
        base = self.base()
        name = f"{PREFIX}_app_{_digest(base.encode(), *_sources())}"
        if exists(name):
            return name
        with cache.locked("templates"):
            if not exists(name):
                self._build(name, base, our_modules(), NO_JOBS)
                self._prune("app", keep=name)
        return name

    def demo(self, languages: tuple[str, ...]) -> str:
        """The same with these languages, as ``make run`` shows it."""
        app = self.app()
        script = DEMO.format(codes=languages)
        name = f"{PREFIX}_demo_{_digest(app.encode(), script.encode())}"
        if exists(name):
            return name
        with cache.locked("templates"):
            if not exists(name):
                self._build(name, app, (), script)
                self._prune("demo", keep=name)
        return name

    def _build(
        self, name: str, template: str, modules: tuple[str, ...], script: str
    ) -> None:
        """Install into a scratch database and rename it when all went well."""
        scratch = f"{PREFIX}_{secrets.token_hex(4)}"
        log = cache.LOGS / "template.log"
        try:
            clone(template, scratch)
            if modules:
                title = f"Installing {', '.join(modules)} into a template database"
                command = self._install_command(scratch, modules)
                run(command, title, log, env=self._env())
            self._shell(scratch, script)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            execute(rename.format(sql.Identifier(scratch), sql.Identifier(name)))
        finally:
            drop(scratch)

    def _install_command(self, name: str, modules: tuple[str, ...]) -> list:
        return [
            *self._odoo("-d", name, "-i", ",".join(modules)),
            "--stop-after-init",
            "--no-http",
            "--max-cron-threads=0",
        ]

    def _shell(self, name: str, script: str) -> None:
        path = cache.BUILD / "shell.py"
        path.write_text(script)
        command = ["sh", "-c", '"$@" < "$0"', path, *self._odoo("shell", "-d", name)]
        log = cache.LOGS / "shell.log"
        try:
            run([*command, "--no-http"], "Preparing it", log, env=self._env())
        finally:
            path.unlink()

    def _odoo(self, *arguments: str) -> list:
        addons = f"--addons-path={self.source.addons_path}"
        data = f"--data-dir={cache.BUILD / 'data'}"
        return [self.python, self.source.launcher(), *arguments, addons, data]

    def _env(self) -> dict[str, str]:
        python_path = str(self.source.python_path())
        return {**os.environ, "PYTHONPATH": python_path, "ODOO_RC": os.devnull}

    def _prune(self, kind: str, keep: str) -> None:
        """Drop the templates of addons as they were long ago."""
        names = execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s AND datname != %s"
            " ORDER BY oid DESC",
            [f"{PREFIX}_{kind}_%", keep],
        )
        for (name,) in names[KEPT_TEMPLATES:]:
            drop(name)


def our_modules() -> tuple[str, ...]:
    """Those of our addons that this checkout has."""
    root = cache.REPOSITORY
    manifests = {name: root / name / "__manifest__.py" for name in OUR_MODULES}
    return tuple(name for name, manifest in manifests.items() if manifest.exists())


def _sources() -> Iterator[bytes]:
    """Everything of our addons that may change what their installation does."""
    for module in our_modules():
        for path in sorted((cache.REPOSITORY / module).rglob("*")):
            relevant = path.suffix in (".py", ".xml", ".csv", ".sql")
            if relevant and not {"tests", "static"}.intersection(path.parts):
                yield str(path.relative_to(cache.REPOSITORY)).encode()
                yield path.read_bytes()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
