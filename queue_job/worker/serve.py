# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Serve a lease in the worker that received it."""

from ..claim.lease import FINALIZE, Lease
from ..sessions.transactions import autocommit
from . import active_leases, stale_registry
from .control_session import ControlSession
from .finalize_run import FinalizeRun
from .lease_run import LeaseRun


def serve(env, lease: Lease, runjob) -> dict:
    """Serve a lease.

    :param env: environment of the request; its cursor becomes the control session
    :param lease: what the runner has granted
    :param runjob: as for :class:`.lease_run.LeaseRun`
    :return: the report for the runner
    :raise LeaseRefused: the request is a replay
    """
    run_class = FinalizeRun if lease.kind == FINALIZE else LeaseRun
    with active_leases.served(), autocommit(env.cr) as cr:
        registry = env.registry
        if "queue.job" not in registry:  # its installation was not yet told
            registry = stale_registry.renewed(registry, cr) or registry
        control = ControlSession(cr, lease.id, lease.runner)
        return run_class(registry, control, lease, runjob).run()
