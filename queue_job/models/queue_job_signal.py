# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How to speak to a started job.

Nobody but its worker writes the row of a started job: under REPEATABLE READ any
other write would make the job fail at its end. Who wants to stop it leaves a signal
here instead, and interrupts the database session in which the job runs. The worker
finds the signal and settles the job as cancelled; the runner repeats the interrupt,
and ends the session for good when a second later the job is still there.

Which session runs a job is not a guess: while it runs, its session holds one of the
advisory locks of `claims.HELD`. The lock dies with the session, wherever the worker is,
so a started job without it is dead.
"""

import logging

from odoo import fields, models
from odoo.sql_db import db_connect

from ..claim.claims import HELD, SETTLE_LOCK, SHOWS_LIFE

_logger = logging.getLogger(__name__)


LIVE_SESSIONS = f"""
    SELECT j.id AS job_id, held.pid
    FROM queue_job j JOIN ({HELD}) AS held ON {SHOWS_LIFE}
    WHERE j.id = ANY(%(ids)s) AND held.space <> {SETTLE_LOCK}
"""

CANCEL_SESSIONS = f"SELECT pg_cancel_backend(pid) FROM ({LIVE_SESSIONS}) AS live"


class QueueJobSignal(models.Model):
    _name = "queue.job.signal"
    _description = "Job Signal"
    _log_access = False
    _order = "date, id"
    _rec_name = "kind"

    job_id = fields.Many2one(
        comodel_name="queue.job",
        readonly=True,
        required=True,
        ondelete="cascade",
        index=True,
    )
    claim_token = fields.Integer(
        readonly=True, help="The attempt which is meant; a later one is not."
    )
    kind = fields.Selection(
        selection=[("cancel", "Cancel"), ("timeout", "Timeout")],
        readonly=True,
        required=True,
    )
    user_id = fields.Many2one(comodel_name="res.users", readonly=True)
    message = fields.Char(readonly=True)
    date = fields.Datetime(default=fields.Datetime.now, readonly=True)
    stack = fields.Text(
        readonly=True, help="Where the code was when its worker had to be killed."
    )

    def _interrupt_after_commit(self):
        """Interrupt the sessions of the signalled jobs once the signals are visible.

        Earlier would be too early: the worker, woken up, would not find out why.
        """
        dbname, job_ids = self.env.cr.dbname, self.job_id.ids
        if job_ids:
            self.env.cr.postcommit.add(lambda: interrupt_sessions(dbname, job_ids))


def interrupt_sessions(dbname: str, job_ids: list[int]) -> None:
    """Cancel the running statement of the sessions which run these jobs."""
    try:
        with db_connect(dbname).cursor() as cr:
            cr.execute(CANCEL_SESSIONS, {"ids": job_ids})
            _logger.info(
                "%s: interrupted %s session(s) of jobs %s",
                dbname,
                cr.rowcount,
                job_ids,
            )
    except Exception:
        # The signals are committed; the runner acts on them within a second.
        _logger.warning("%s: jobs %s not interrupted", dbname, job_ids, exc_info=True)
