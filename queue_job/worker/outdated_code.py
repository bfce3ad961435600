# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs of code that is newer than that of this process.

An update (`-u`) in another process brings methods and models that this one doesn't
have before its restart, however often it loads its registry. A job of them is no
failure: it waits, and says so (`monitoring.waiting_reason`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from odoo.modules.module import Manifest
from odoo.tools.parse_version import parse_version

from ..claim.claims import UTC_NOW
from ..core.errors import OUTDATED_CODE
from ..storage import caches

_logger = logging.getLogger(__name__)

#: What a job raises whose model or method is not there.
NAMES_ARE_MISSING = (KeyError, AttributeError)

#: Seconds until such a job is tried again.
PAUSE = 30

VERSIONS = """
SELECT name, latest_version FROM ir_module_module
 WHERE state = 'installed' AND latest_version IS NOT NULL ORDER BY name
"""
#: The modules that declare a model; NULL for one that a user has made.
DECLARED_BY = """
SELECT DISTINCT d.module
  FROM ir_model m
  LEFT JOIN ir_model_data d ON d.model = 'ir.model' AND d.res_id = m.id
 WHERE m.model = %s
"""

# The attempt doesn't count; the history keeps the last one of its kind.
PUT_BACK = f"""
WITH waits AS (
    UPDATE queue_job
       SET state = 'pending', scheduled = TRUE,
           eta = {UTC_NOW} + %(pause)s * interval '1 second', lease_id = NULL,
           date_enqueued = NULL, date_started = NULL, worker_pid = NULL
     WHERE id = %(id)s AND claim_token = %(token)s AND state = 'started'
 RETURNING id, retry
), before AS (
    DELETE FROM queue_job_attempt a USING waits
     WHERE a.job_id = waits.id AND a.exc_name = '{OUTDATED_CODE}'
)
INSERT INTO queue_job_attempt
       (job_id, number, date_start, date_end, outcome, exc_name, message)
SELECT id, coalesce(retry, 0), %(date_started)s, {UTC_NOW}, 'returned',
       '{OUTDATED_CODE}', %(message)s
  FROM waits
"""

#: What the statement writes.
COLUMNS = (
    "state",
    "scheduled",
    "eta",
    "lease_id",
    "date_enqueued",
    "date_started",
    "worker_pid",
    "attempt_ids",
)


def newer_modules(
    in_database: Iterable[tuple[str, str]], loaded: dict[str, str]
) -> list[str]:
    """Return the modules whose version in the database is newer than the loaded one.

    :param in_database: (name, version) of each
    :param loaded: {name: version}; a module that is not there is none of them
    """
    return [
        name
        for name, version in in_database
        if name in loaded and parse_version(version) > parse_version(loaded[name])
    ]


def what_is_newer(registry, cr: Any, model: str, error: Exception) -> str:
    """Return what the database has and this process doesn't; "" if there is nothing.

    :param registry: with which a job can't be loaded
    :param cr: cursor that sees what is committed
    :param model: name of the model of the job
    :param error: why it can't be loaded
    """
    if not isinstance(error, NAMES_ARE_MISSING):
        return ""
    if model not in registry:
        cr.execute(DECLARED_BY, [model])
        if any(_is_here(module) for (module,) in cr.fetchall()):
            return f"the model {model}"
    cr.execute(VERSIONS)
    found = newer_modules(cr.fetchall(), _loaded_versions(registry))
    return f"a newer version of {', '.join(found)}" if found else ""


def _is_here(module: str | None) -> bool:
    """Tell whether a restart would load a module: its code is on this machine.

    One that was removed without being uninstalled is not: waiting for it has no end.
    """
    return not module or bool(Manifest.for_addon(module, display_warning=False))


def _loaded_versions(registry) -> dict[str, str]:
    """Return the version of each module whose code this process has.

    Odoo reads a manifest once in a process, when it loads the code.
    """
    manifests = (
        Manifest.for_addon(name, display_warning=False)
        for name in registry._init_modules
    )
    return {manifest.name: manifest.version for manifest in manifests if manifest}


def put_back(env, outside_cr: Any, values: dict, newer: str) -> None:
    """Let a started job wait for a process that has its code.

    :param env: in which it could not be loaded
    :param outside_cr: cursor in autocommit mode
    :param values: its row
    :param newer: what the database has and this process doesn't
    """
    message = (
        f"{newer} is in the database, and not in this server: restart it with"
        " the code of now"
    )
    _logger.warning("%s: job %s waits: %s", env.cr.dbname, values["uuid"], message)
    env.cr.rollback()  # which holds the row
    outside_cr.execute(
        PUT_BACK,
        {
            "id": values["id"],
            "token": values["claim_token"],
            "date_started": values["date_started"],
            "pause": PAUSE,
            "message": message,
        },
    )
    caches.written(env, [values["id"]], COLUMNS)
    env.cr.commit()
