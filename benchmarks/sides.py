# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The two addons under comparison and their databases.

A side is an addons path and a template database in which `bench_jobs` is installed.
Templates are kept between runs, named after a digest of the code in them.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .cluster import Cluster, clean_environment
from .settings import BENCH_ADDONS, REPOSITORY, Paths

PREFIX = "bch"
REFERENCE = "reference"
OURS = "ours"
REFERENCE_REQUIREMENT = "odoo-addon-queue-job==19.0.2.4.0.*"
BASE_MODULES = "base,web,mail,base_sparse_field"


class Side:
    """One addon: where its code is, and databases that have it installed."""

    def __init__(self, name: str, addons: Path, cluster: Cluster, paths: Paths):
        self.name = name
        self.number = 1 if name == OURS else 0
        self.addons = addons
        self.cluster = cluster
        self.paths = paths

    @property
    def database(self) -> str:
        return f"{PREFIX}_{self.name}"

    @property
    def options(self) -> list[str]:
        """Odoo's options which both the server and the driver need."""
        addons = [*self.paths.odoo_addons, self.addons, BENCH_ADDONS]
        data = self.cluster.directory / f"data_{self.name}"
        return [
            "--addons-path=" + ",".join(map(str, addons)),
            f"--data-dir={data}",
            *self.cluster.odoo_options(),
        ]

    @property
    def environment(self) -> dict[str, str]:
        odoo = {"PYTHONPATH": str(self.paths.odoo_lib), "ODOO_RC": os.devnull}
        return {**clean_environment(), **odoo}

    def odoo(self, *arguments: str) -> list[str]:
        program = [str(self.paths.python), str(self.paths.odoo_bin)]
        return [*program, *arguments, *self.options]

    # -- databases -----------------------------------------------------------------

    def prepare(self) -> None:
        """A fresh database of this side, cloned from its template."""
        self.cluster.clone(self._template(), self.database)

    def extra_database(self, number: int) -> str:
        name = f"{self.database}_{number}"
        self.cluster.clone(self._template(), name)
        return name

    def drop_databases(self) -> None:
        for name in self.cluster.databases():
            if name.startswith(self.database):
                self.cluster.drop(name)

    def _template(self) -> str:
        name = f"{PREFIX}tpl_{self.name}_{self._digest()}"
        if not self.cluster.exists(name):
            self._drop_old_templates()
            self.cluster.clone(self._base_template(), f"{name}_new")
            self._install(f"{name}_new", "bench_jobs", self.options)
            with self.cluster.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
        return name

    def _base_template(self) -> str:
        name = f"{PREFIX}tpl_base"
        if not self.cluster.exists(name):
            self.cluster.drop(f"{name}_new")
            options = [
                "--addons-path=" + ",".join(self.paths.odoo_addons),
                f"--data-dir={self.cluster.directory / 'data_base'}",
                *self.cluster.odoo_options(),
            ]
            self._install(f"{name}_new", BASE_MODULES, options)
            with self.cluster.cursor(f"{name}_new") as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            with self.cluster.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
        return name

    def _install(self, database: str, modules: str, options: list[str]) -> None:
        program = [str(self.paths.python), str(self.paths.odoo_bin)]
        log = self.cluster.directory / f"install_{database}.log"
        arguments = ["-d", database, "-i", modules, "--without-demo=all"]
        result = subprocess.run(
            [*program, *arguments, "--stop-after-init", "--no-http", *options]
            + [f"--logfile={log}"],
            env=self.environment,
            timeout=600,
            check=False,
        )
        if result.returncode:
            raise SystemExit(f"Installing {modules} failed, see {log}")

    def _drop_old_templates(self) -> None:
        for name in self.cluster.databases():
            if name.startswith(f"{PREFIX}tpl_{self.name}_"):
                self.cluster.drop(name)

    def _digest(self) -> str:
        digest = hashlib.sha1()
        for root in (self.addons / "queue_job", BENCH_ADDONS):
            for path in sorted(root.rglob("*")):
                if path.suffix in {".py", ".xml", ".csv", ".sql"}:
                    digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def make_sides(cluster: Cluster, paths: Paths, wanted: list[str]) -> list[Side]:
    addons = {OURS: our_addons, REFERENCE: reference_addons}
    return [
        Side(name, addons[name](cluster.directory, paths), cluster, paths)
        for name in (REFERENCE, OURS)
        if name in wanted
    ]


def our_addons(directory: Path, paths: Paths) -> Path:
    return Path(os.environ.get("QUEUE_JOB_BENCH_OURS") or REPOSITORY)


def reference_addons(directory: Path, paths: Paths) -> Path:
    """The published addon's directory, fetched from PyPI once.

    It is installed beside everything else (`--target`) and never imported here.
    """
    target = directory / "reference"
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        pip = [str(paths.python), "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run(
            [*pip, "--target", str(target), REFERENCE_REQUIREMENT],
            check=True,
            timeout=300,
        )
        (target / "complete").touch()
    return target / "odoo" / "addons"
