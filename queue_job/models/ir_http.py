# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A page of the web client knows from the start how many jobs its user has."""

import logging

import psycopg2

from odoo import models

_logger = logging.getLogger(__name__)


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    def session_info(self) -> dict:
        """Return what the client knows of the session, with the news of the jobs."""
        info = super().session_info()
        if self.env.user._is_internal():
            news = self._news_of_jobs()
            if news:
                info["queue_job"] = news
        return info

    def _news_of_jobs(self):
        """Return the news; None where the database is not updated to this code yet."""
        try:
            with self.env.cr.savepoint(flush=False):
                return self.env["queue.job.mine"].get_news()
        except psycopg2.Error as error:  # a counter is no reason for no page
            _logger.warning(
                "%s: the web client shows no number of jobs to user %s; if the module"
                " was not updated yet, update it (-u queue_job): %s",
                self.env.cr.dbname,
                self.env.uid,
                error,
            )
            return None
