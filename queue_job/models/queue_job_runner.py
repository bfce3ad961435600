# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The heartbeat of each job runner process, for the health page.

A runner writes its own row every few seconds, in a table apart from the jobs, so
that a beat never touches the queue. A row whose `last_seen` is old belongs to a
process that is gone.
"""

from odoo import fields, models

from ..jobrunner.server import shared_heap


class QueueJobRunner(models.Model):
    _name = "queue.job.runner"
    _description = "Job Runner"
    _log_access = False
    _order = "leader DESC, last_seen DESC"
    _rec_name = "host"

    uuid = fields.Char(string="UUID", readonly=True, required=True)
    host = fields.Char(readonly=True)
    pid = fields.Integer(string="PID", readonly=True)
    date_started = fields.Datetime(string="Start Date", readonly=True)
    last_seen = fields.Datetime(readonly=True)
    leader = fields.Boolean(
        readonly=True, help="This process schedules the jobs of the database."
    )
    listening = fields.Boolean(
        readonly=True,
        help="Notifications of the database arrive; otherwise the runner polls.",
    )
    root_capacity = fields.Integer(
        readonly=True, help="How many jobs this runner may run at the same time."
    )
    running = fields.Integer(readonly=True, help="How many jobs run now.")
    total_capacity = fields.Integer(
        readonly=True,
        help="How many jobs all databases of this runner may run together; 0 for no "
        "maximum.",
    )
    total_running = fields.Integer(
        readonly=True, help="How many jobs run now in all databases of this runner."
    )
    shared_load = fields.Json(
        readonly=True,
        help="Of each channel and pool of workers that the databases of this runner "
        "share: how many jobs it has room for, how many run in all databases, and in "
        "this one.",
    )
    note = fields.Text(readonly=True)
    drained = fields.Boolean(
        readonly=True, help="Neither this runner nor its leases start jobs any more."
    )

    _uuid_uniq = models.UniqueIndex("(uuid)")

    def _register_hook(self) -> None:
        """Let the registry be freed which this one replaces in its process."""
        super()._register_hook()
        shared_heap.thaw(self.env.registry.db_name)
