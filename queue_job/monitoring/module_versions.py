# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which version of a module came when: what changed may have changed a job's ways.

Odoo knows the present version only. After modules were installed or updated, and
whenever the kinds of failures are counted, a row is added for each whose version is not
the last one that is known; what was there before has no date.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..claim.claims import UTC_NOW

HAS_TABLE = "SELECT to_regclass('queue_job_module_version') IS NOT NULL"

NOTE = f"""
WITH last AS (
    SELECT DISTINCT ON (module) module, version
      FROM queue_job_module_version
     ORDER BY module, date DESC NULLS LAST
), first AS (
    SELECT NOT EXISTS (SELECT FROM queue_job_module_version) AS is_empty
)
INSERT INTO queue_job_module_version (module, version, date)
SELECT module.name, module.latest_version, CASE WHEN NOT is_empty THEN {UTC_NOW} END
  FROM first, ir_module_module AS module
  LEFT JOIN last ON last.module = module.name
 WHERE module.state = 'installed' AND module.latest_version IS NOT NULL
   AND module.latest_version IS DISTINCT FROM last.version
"""

CHANGES = """
SELECT module, version, date
  FROM queue_job_module_version
 WHERE module = ANY(%(modules)s) AND date >= %(since)s
 ORDER BY date, module
 LIMIT 50
"""


def defining(model: type, method: str) -> list[str]:
    """Return the modules whose classes define a method, that of the last one first.

    :param model: class of a model in a registry
    :param method: name of the method
    """
    classes = (cls for cls in model.mro() if method in vars(cls))
    modules = (getattr(cls, "_module", None) for cls in classes)
    return list(dict.fromkeys(filter(None, modules)))


def note(cr: Any) -> None:
    """Remember the versions that are installed now.

    :param cr: a cursor; an older database, before its update, is left alone
    """
    cr.execute(HAS_TABLE)
    if cr.fetchone()[0]:
        cr.execute(NOTE)


def changes(cr: Any, modules: list[str], since: datetime) -> list[dict[str, Any]]:
    """Return what came since a moment: module, version and date (UTC) of each.

    :param cr: a cursor
    :param modules: their names
    :param since: in UTC
    """
    cr.execute(CHANGES, {"modules": modules, "since": since})
    return cr.dictfetchall()
