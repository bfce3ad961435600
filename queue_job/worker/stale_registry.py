# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A registry that another process has outdated without having told so yet.

Odoo commits each module that it installs, and tells the other processes at the end,
seconds later. Jobs that were committed meanwhile may need models which this process
doesn't know. Rather than fail them, a worker loads its registry anew.
"""

from __future__ import annotations

import logging
from typing import Any

from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)

INSTALLED = "SELECT name FROM ir_module_module WHERE state = 'installed'"

#: Attribute of a registry: the modules that it could not load.
_MISSING = "_queue_job_missing"


def renewed(registry: Registry, cr: Any) -> Registry | None:
    """A new registry, if modules were installed that the present one doesn't know.

    :param registry: the registry with which a job can't be run
    :param cr: cursor that sees what is committed
    :return: None if the present one is up to date, or a new one would be the same
    """
    cr.execute(INSTALLED)
    missing = {name for (name,) in cr.fetchall()} - registry._init_modules
    if missing <= vars(registry).get(_MISSING, set()):
        return None
    _logger.info(
        "%s: loading the registry again, which does not have: %s",
        registry.db_name,
        ", ".join(sorted(missing)),
    )
    new = Registry.new(registry.db_name)
    vars(new)[_MISSING] = missing - new._init_modules
    return new
