# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The key of a job: its columns and indexes, and what users see of it.

For the rules see `keys.rules`, for who is admitted `keys.admission`.
"""

from odoo import api, fields, models
from odoo.tools.misc import file_open

from ..claim.claims import NOT_BLOCKED
from ..keys.admission import BUSY, HOLDER, MARKED
from ..storage import caches

#: What the trigger of the keys looks at.
WATCHED = frozenset({"state", "channel", "priority", "eta"})

HELD_BY = f"""
SELECT held.id, other.id AS other, other.state
  FROM queue_job held CROSS JOIN LATERAL ({HOLDER}) other
 WHERE held.id = ANY(%s)
"""


class QueueJob(models.Model):
    _inherit = "queue.job"

    gate = fields.Char(
        string="Key",
        readonly=True,
        help="Jobs of the same channel and key run one after the other, or only so "
        "many at a time.",
    )
    gate_limit = fields.Integer(
        string="At a Time",
        readonly=True,
        help="How many jobs of the key run at a time; 0 for one, in strict order.",
    )
    gate_state = fields.Selection(
        selection=[
            ("new", "To be judged"),
            ("waiting", "Held by its key"),
            ("later", "Before its date"),
            ("open", "Let through"),
        ],
        string="Key State",
        readonly=True,
    )
    held_by = fields.Char(
        string="Held",
        compute="_compute_held_by",
        help="Why a job does not run although it is pending.",
    )

    # Of the jobs that are scheduled, those that wait for a date: the first ones of
    # each channel, where order counts more than eta, and the next to become due.
    _scheduled_idx = models.Index(
        "(channel, priority, date_created, id)"
        f" WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}"
    )
    _due_idx = models.Index(
        f"(eta) WHERE state = 'pending' AND scheduled AND {NOT_BLOCKED}"
    )
    # What is held, by channel.
    _held_idx = models.Index(
        "(channel) WHERE state = 'pending' AND gate_state IN ('new', 'waiting')"
    )
    # The line of each key, what takes places in it, and which keys are to be judged.
    _gate_line_idx = models.Index(
        "(gate, channel, gate_state, priority, date_created, id)"
        " WHERE state = 'pending' AND gate IS NOT NULL"
    )
    _gate_busy_idx = models.Index(f"(gate, channel) WHERE {BUSY}")
    _gate_marked_idx = models.Index(f"(id) WHERE {MARKED}")

    def init(self) -> None:  # pylint: disable=missing-return
        """Create the triggers which hold jobs with a key."""
        super().init()
        with file_open("queue_job/sql/gates.sql") as script:
            self.env.cr.execute(script.read())

    def write(self, vals) -> bool:
        """Write values; what the trigger of the keys made of them is read anew."""
        result = super().write(vals)
        if not WATCHED.isdisjoint(vals):
            held = self.sudo().filtered("gate")
            if held:  # the trigger writes when the ORM does
                held.flush_recordset()
                caches.written(self.env, held.ids, caches.TRIGGERED)
        return result

    @api.depends("state", "gate", "gate_state")
    def _compute_held_by(self):
        held = self.filtered(
            lambda job: job.state == "pending" and job.gate_state in ("new", "waiting")
        )
        (self - held).held_by = False
        reasons = {}
        if held:
            self.flush_model()
            self.env.cr.execute(HELD_BY, [held.ids])
            reasons = {row[0]: row[1:] for row in self.env.cr.fetchall()}
        for job in held:
            job.held_by = job._held_text(*reasons.get(job.id, (None, None)))

    def _held_text(self, other_id, state):
        """Return in words what a held job waits for."""
        if not other_id:
            return self.env._("Held: its key is to be judged")
        other = self.browse(other_id)
        visible = other.has_access("read")
        name = other.display_name if visible else self.env._("of another company")
        if state == "failed":
            return self.env._(
                "Held: job %s of its key has failed; requeue it, cancel it or set it "
                "to done",
                name,
            )
        return self.env._("Held: waits for job %s of its key", name)
