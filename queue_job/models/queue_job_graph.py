# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that wait for others: dependencies, the graph, and changes that spread in it.

The edges are in `queue_job_dependency`. A change of state by a user is written at
once for all selected jobs, none of which is decoded: it works as well for thousands
of jobs as for one whose code does not exist any more. What follows from it:

- done: children whose parents have all ended as they wanted become pending;
- cancelled: what waits for the job, directly or not, is cancelled with it, on the
  same date; by this date a requeue finds what was cancelled because of it;
- requeued: waits again where a parent has to run first; stays cancelled if a parent was
  deleted before it had run;
- deleted: what waited for the job goes on if the job ended as it wanted, or else is
  cancelled. The database sees to it for other ways to delete, see `dependencies`.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from markupsafe import escape

from odoo import api, fields, models
from odoo.tools.misc import file_open

# a server-wide module is loaded before its dependencies: name the class itself
from odoo.addons.base_sparse_field.models.fields import Serialized

from ..core import events, texts
from ..core.states import CANCELLED, DONE, PENDING, WAIT_DEPENDENCIES
from ..job import Job
from ..settle import end_notice
from ..storage import dependencies, identity_slots, job_graph, row_mapper
from .base import Base

_logger = logging.getLogger(__name__)

# What a node is made of; the rest of thousands of rows is not read for it.
NODE_FIELDS = ("name", "func_string", "state", "channel_method_name")

#: Characters of the call in the title of a node: a graph has thousands of them.
TASK_LENGTH = 200

# Fill and border of a node.
NODE_COLORS = {
    "done": ("#C2FABC", "#4AD63A"),
    "failed": ("#FB7E81", "#FA0A10"),
    "started": ("#FFFF00", "#FFA500"),
}
DEFAULT_NODE_COLORS = ("#D2E5FF", "#2B7CE9")

#: event -> what the journal calls it
JOURNAL_ACTIONS = {
    events.DONE: "set_done",
    events.ENQUEUED: "requeue",
    events.CANCELLED: "cancel",
}


class Dependencies(Serialized):
    """The uuids on both sides, each under its key whenever there are any."""

    def convert_to_cache(
        self, value: Any, record: models.BaseModel, validate: bool = True
    ) -> str | None:
        """Return the JSON text, with both keys."""
        if isinstance(value, dict):
            value = _with_both_sides(value)
        text: str | None = super().convert_to_cache(value, record, validate)
        return text

    def convert_to_record(self, value: Any, record: models.BaseModel) -> dict[str, Any]:
        """Return the dictionary in a text, an empty one where SQL has written none."""
        try:
            found = super().convert_to_record(value, record)
        except ValueError:
            return {}
        return _with_both_sides(found) if isinstance(found, dict) else {}


def _with_both_sides(uuids: dict[str, Any]) -> dict[str, Any]:
    return uuids and {"depends_on": [], "reverse_depends_on": [], **uuids}


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    dependencies = Dependencies(readonly=True)
    parent_edge_ids = fields.One2many(
        comodel_name="queue.job.dependency", inverse_name="child_id", readonly=True
    )
    child_edge_ids = fields.One2many(
        comodel_name="queue.job.dependency", inverse_name="parent_id", readonly=True
    )
    dependency_ids = fields.Many2many(
        comodel_name="queue.job",
        string="Depends on",
        compute="_compute_dependency_ids",
        search="_search_dependency_ids",
    )
    dependent_ids = fields.Many2many(
        comodel_name="queue.job",
        string="Dependents",
        compute="_compute_dependent_ids",
        search="_search_dependent_ids",
    )
    dependency_graph = Serialized(compute="_compute_dependency_graph")
    graph_jobs_count = fields.Integer(compute="_compute_graph_jobs_count")

    def init(self) -> None:  # pylint: disable=missing-return
        """Create the trigger which keeps the edges of deleted parents."""
        super().init()
        with file_open("queue_job/sql/dependencies.sql") as script:
            self.env.cr.execute(script.read())

    # -- dependencies --------------------------------------------------------------

    @api.depends("dependencies", "parent_edge_ids")
    def _compute_dependency_ids(self):
        for job in self:
            parents = job.sudo().parent_edge_ids.parent_id
            job.dependency_ids = parents.sudo(self.env.su)._filtered_access("read")

    @api.depends("dependencies", "child_edge_ids")
    def _compute_dependent_ids(self):
        for job in self:
            children = job.sudo().child_edge_ids.child_id
            job.dependent_ids = children.sudo(self.env.su)._filtered_access("read")

    def _search_dependency_ids(self, operator, value):
        return self._search_edges("parent_edge_ids", "parent_id", operator, value)

    def _search_dependent_ids(self, operator, value):
        return self._search_edges("child_edge_ids", "child_id", operator, value)

    def _search_edges(self, edges, end, operator, value):
        if operator not in ("in", "any", "any!"):
            return NotImplemented
        domain = [(edges, "any", [(end, operator, value)])]
        if operator == "in" and False in value:
            return ["|", (edges, "=", False), *domain]
        return domain

    @api.model_create_multi
    def create(self, vals_list: list[dict[str, Any]]) -> QueueJob:
        """Create jobs, with the edges which their `dependencies` name."""
        jobs = super().create(vals_list)
        if any(vals.get("dependencies") for vals in vals_list):
            self.env["queue.job.dependency"]._add_from_json(jobs)
        return jobs

    def write(self, vals: dict[str, Any]) -> bool:
        """Write jobs, and add the edges which `dependencies` names."""
        result = super().write(vals)
        if vals.get("dependencies"):
            self.env["queue.job.dependency"]._add_from_json(self)
        return result

    def unlink(self) -> bool:
        """Delete jobs; what waits for them is released or cancelled."""
        children = set(self._graph_query(dependencies.WAITING_CHILDREN))
        result = super().unlink()
        self._repair(children.difference(self.ids))
        return result

    def _repair(self, job_ids):
        """Release or cancel the waiting jobs among these, as their parents decide."""
        if job_ids:
            cancelled = job_graph.repair(self.env, list(job_ids))
            for job in self.sudo().browse(cancelled):
                _logger.info("job %s: %s", job.uuid, job.result)

    # -- the graph -----------------------------------------------------------------

    @api.depends("graph_uuid")
    def _compute_graph_jobs_count(self):
        uuids = [uuid for uuid in self.mapped("graph_uuid") if uuid]
        counts = dict(
            self._read_group([("graph_uuid", "in", uuids)], ["graph_uuid"], ["__count"])
            if uuids
            else ()
        )
        for job in self:
            job.graph_jobs_count = counts.get(job.graph_uuid, 0)

    def _compute_dependency_graph(self):
        for job in self:
            jobs = self.browse()
            if job.graph_uuid:
                jobs = self.search_fetch(
                    [("graph_uuid", "=", job.graph_uuid)], NODE_FIELDS
                )
            job.dependency_graph = jobs._dependency_graph() if jobs else {}

    def _dependency_graph(self):
        """Return the nodes and edges of these jobs, for the graph widget."""
        edges = self.env["queue.job.dependency"].sudo()
        return {
            "nodes": [job._dependency_graph_vis_node() for job in self],
            "edges": [
                (edge.parent_id.id, edge.child_id.id)
                for edge in edges.search(
                    [("parent_id", "in", self.ids), ("child_id", "in", self.ids)]
                )
            ],
        }

    def _dependency_graph_vis_node(self):
        """Return the node of the job; vis-network takes title, color and border."""
        fill, border = NODE_COLORS.get(self.state, DEFAULT_NODE_COLORS)
        task = escape(texts.cut(self.func_string or "", TASK_LENGTH))
        name = escape(self.display_name)
        return {
            "id": self.id,
            "name": self.display_name,
            "state": self.state,
            "kind": self.channel_method_name or "",
            "title": f"<strong>{name}</strong><br/>{task}",
            "color": fill,
            "border": border,
            "shadow": True,
        }

    def open_graph_jobs(self) -> dict[str, Any]:
        """Return the action which lists all jobs of the same graph."""
        self.ensure_one()
        jobs = self.search([("graph_uuid", "=", self.graph_uuid)])
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "queue_job.action_queue_job"
        )
        return {
            **action,
            "name": self.env._("Jobs for graph %s", self.graph_uuid),
            "context": {},
            "domain": [("id", "in", jobs.ids)],
        }

    # -- state changes by users ----------------------------------------------------

    def _change_job_state(self, state, result=None):
        """Set jobs to done, pending or cancelled, with what follows in their graphs."""
        changes = {
            DONE: self._set_to_done,
            PENDING: self._set_to_pending,
            CANCELLED: self._set_to_cancelled,
        }
        if state not in changes:
            raise ValueError(f"State not supported: {state}")
        changes[state]({} if result is None else {"result": result})

    def _set_to_done(self, values):
        now = fields.Datetime.now()
        rows = self._note_change(events.DONE, now)
        self.write(
            {
                **values,
                "state": DONE,
                "date_done": now,
                "exc_name": False,
                "exc_info": False,
                "lease_id": False,
            }
        )
        self._write_store_hooks()
        rows._keep_followers(job_graph.release_children(self.env, self.ids))
        self._tell_of_change(events.DONE)

    def _set_to_pending(self, values):
        dependents = self.browse(self._graph_query(dependencies.CANCELLED_WITH_THEM))
        # another job may do the work of what was cancelled with them by now
        jobs = self | (dependents - dependents._with_held_key())
        waiting = self.browse(jobs._graph_query(dependencies.WAITING_FOR_PARENTS))
        values = {
            **values,
            "date_runnable": datetime.now(),
            "date_enqueued": False,
            "date_started": False,
            "date_done": False,
            "date_cancelled": False,
            "worker_pid": False,
            "worker_host": False,
            "lease_id": False,
            "retry": 0,
        }
        for part, state in ((waiting, WAIT_DEPENDENCIES), (jobs - waiting, PENDING)):
            part.write({**values, "state": state})
        identity_slots.take_free(jobs)
        end_notice.forget(jobs)
        jobs._write_store_hooks()
        jobs._note_change(events.ENQUEUED)
        jobs._tell_of_change(events.ENQUEUED)
        self._repair(jobs._graph_query(dependencies.WITHOUT_PARENT))

    def _set_to_cancelled(self, values):
        dependents = self.browse(self._graph_query(dependencies.DEPENDENTS))
        jobs = self | dependents
        now = fields.Datetime.now()
        rows = jobs._note_change(events.CANCELLED, now)
        values = {
            **values,
            "state": CANCELLED,
            "date_cancelled": now,
            "lease_id": False,
        }
        reason = job_graph.reasons(self.env).parent_cancelled
        (self - dependents).write(values)
        dependents.write({**values, "result": reason})
        jobs._write_store_hooks()
        rows._keep_followers(job_graph.release_children(self.env, jobs.ids))
        jobs._tell_of_change(events.CANCELLED)

    def _note_change(self, event, date=None):
        """Note in the journal what a user does to jobs; return its rows.

        :param date: of the change; what the jobs are is kept before it, for an undo
        """
        self.env["queue.job"].flush_model()
        action = JOURNAL_ACTIONS[event]
        return self.env["queue.job.journal"]._add_jobs(action, self, date)

    def _tell_of_change(self, event):
        """Log what a user did to each job, and tell who listens to events."""
        change = "requeued" if event == events.ENQUEUED else event
        for uuid in self.mapped("uuid"):
            _logger.info("job %s: %s by user %s", uuid, change, self.env.uid)
        self.env["queue.job"].flush_model()
        events.tell_ids_after_commit(self.env.cr, event, self.ids)
        if event != events.ENQUEUED:
            end_notice.keep_changed(self)

    def _graph_query(self, query):
        """Return the ids which `query` finds for the ids of the jobs."""
        self.env["queue.job"].flush_model()
        self.env["queue.job.dependency"].flush_model()
        self.env.cr.execute(query, {"ids": self.ids})
        return [job_id for (job_id,) in self.env.cr.fetchall()]

    def _write_store_hooks(self):
        """Write what other addons add to the row of a job when it is stored."""
        for job in self.filtered(lambda job: job._has_store_hook()):
            values = row_mapper.hook_values(Job._load_from_db_record(job))
            if values:
                job.write(values)

    def _has_store_hook(self):
        """Whether the model of the job extends `_job_store_values`; nothing is decoded.

        Most models do not, and thousands of jobs need not be loaded then.
        """
        self.ensure_one()
        name, method = self._present_call()
        if name not in self.env:
            return False
        model = self.env.registry[name]
        return model._job_store_values is not Base._job_store_values or hasattr(
            model, f"_job_store_values_for_{method}"
        )
