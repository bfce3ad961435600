# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that do nothing, for trying out a server: see `controllers/sample_jobs.py`."""

import logging
from random import random
from time import sleep

from odoo import models

from ..exception import JobError, RetryableJobError

_logger = logging.getLogger(__name__)


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    def _test_job(
        self,
        failure_rate=0,
        job_duration=0,
        commit_within_job=False,
        failure_retry_seconds=0,
    ):
        """Do nothing for a while, and fail now and then."""
        _logger.info("Running test job.")
        if random() <= failure_rate:
            if failure_retry_seconds:
                raise RetryableJobError("Job failed", seconds=failure_retry_seconds)
            raise JobError("Job failed")
        if job_duration:
            sleep(job_duration)
        if commit_within_job:
            self.env.cr.commit()  # pylint: disable=invalid-commit

    def _test_on_fail(self, **kwargs):
        """Do nothing; it is there to be watched."""
