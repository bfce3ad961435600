# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The edges of the job graphs: `child_id` waits for `parent_id`.

The job's JSON field `dependencies` says the same with uuids, for those who read it;
everything that decides reads this table. `condition` tells which end of the parent
the child waits for: `done` (the usual one), `failed`, or `always`. An edge without a
parent is one whose parent was deleted before it ended like that: see `dependencies`.
"""

from odoo import api, fields, models

from ..storage import caches

# A row of JSON on one side is enough: either job may have been stored first.
EDGES_FROM_JSON = """
    INSERT INTO queue_job_dependency (parent_id, child_id, condition)
    SELECT parent.id, child.id, 'done'
    FROM (
        SELECT job.id,
               job.uuid,
               CASE WHEN job.dependencies LIKE '{%%'
                    THEN job.dependencies::jsonb END AS links
        FROM queue_job job
        WHERE %(everything)s OR job.id = ANY(%(ids)s)
    ) job
    CROSS JOIN LATERAL (
        SELECT link.uuid AS parent_uuid, job.uuid AS child_uuid
        FROM jsonb_array_elements_text(
            CASE WHEN jsonb_typeof(job.links -> 'depends_on') = 'array'
                 THEN job.links -> 'depends_on' ELSE '[]' END
        ) AS link(uuid)
        UNION
        SELECT job.uuid, link.uuid
        FROM jsonb_array_elements_text(
            CASE WHEN jsonb_typeof(job.links -> 'reverse_depends_on') = 'array'
                 THEN job.links -> 'reverse_depends_on' ELSE '[]' END
        ) AS link(uuid)
    ) AS edge
    JOIN queue_job parent ON parent.uuid = edge.parent_uuid
    JOIN queue_job child ON child.uuid = edge.child_uuid
    WHERE parent.id <> child.id
    ON CONFLICT (child_id, parent_id) DO NOTHING
    RETURNING parent_id, child_id
"""


class QueueJobDependency(models.Model):
    _name = "queue.job.dependency"
    _description = "Job Dependency"
    _log_access = False
    _rec_name = "parent_id"

    parent_id = fields.Many2one(
        comodel_name="queue.job",
        string="Depends on",
        readonly=True,
        ondelete="cascade",
        index=True,
    )
    child_id = fields.Many2one(
        comodel_name="queue.job",
        string="Dependent",
        readonly=True,
        required=True,
        ondelete="cascade",
    )
    condition = fields.Selection(
        selection=[
            ("done", "When it is done"),
            ("failed", "When it has failed"),
            ("always", "When it has ended"),
        ],
        default="done",
        readonly=True,
        required=True,
    )

    _child_parent_uniq = models.UniqueIndex("(child_id, parent_id)")

    @api.model
    def _add_from_json(self, jobs=None):
        """Add the edges which the JSON of `jobs` (all jobs if None) speaks of."""
        self.env["queue.job"].flush_model(["uuid", "dependencies"])
        self.env.cr.execute(
            EDGES_FROM_JSON,
            {"everything": jobs is None, "ids": [] if jobs is None else jobs.ids},
        )
        self.invalidate_model()
        if jobs is not None:
            ends = {job_id for edge in self.env.cr.fetchall() for job_id in edge}
            caches.written(self.env, ends, caches.EDGES)
