# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A step of the controller, overridden as a class method."""

import logging

from odoo.addons.queue_job.controllers.main import RunJobController

_logger = logging.getLogger(__name__)


class ProbeController(RunJobController):
    @classmethod
    def _enqueue_dependent_jobs(cls, env, job):
        _logger.info("dependents of %s", job.uuid)
        return super()._enqueue_dependent_jobs(env, job)
