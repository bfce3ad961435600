# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How much time the server leaves to a job and to a lease."""

import math

from odoo.tools import config as odoo_config

from .lease import LEASE_SECONDS, LONGEST_SECONDS

#: Seconds before the server's ``limit_time_real`` at which a job is stopped.
LIMIT_MARGIN = 5.0


def job_time_limit() -> float:
    """Seconds a job may take before the server kills its worker; 0 for no limit."""
    limit = odoo_config["limit_time_real"] or 0
    return max(limit - LIMIT_MARGIN, limit * 0.8) if limit > 0 else 0


def longest_lease(databases: int) -> float:
    """Seconds for which a lease may go on: well within the server's time limit, which
    counts from the lease's first job, while the last one needs its own time.

    :param databases: how many this runner leads; others must not be kept waiting
    """
    if databases > 1:
        return LEASE_SECONDS
    limit = odoo_config["limit_time_real"] or 0
    margin = (limit - job_time_limit()) / 2 if limit > 0 else math.inf
    return min(LONGEST_SECONDS, margin)
