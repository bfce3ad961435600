# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What jobs were before a user cancelled them or set them to done, to undo it.

A row is a job of one change in the journal, as it was; it is kept as long as the row
of the journal, or until the job is put back. `core/undo` decides which jobs go back;
here are their facts, read under locks: a job that a worker or somebody else writes at
that moment is left out, and so is one whose children are being claimed.

`date` is that of the change, which is also the `date_done` or `date_cancelled` of the
job as long as nobody changes it again. A running job has none: it was told to stop.
"""

import logging
from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

from odoo import fields, models

from ..core import events, undo
from ..core.states import CANCELLED, DONE, FAILED, PENDING, STARTED, WAIT_DEPENDENCIES
from ..settle import end_notice
from ..storage import caches, dependencies, identity_slots

_logger = logging.getLogger(__name__)

#: Jobs that are kept of one row of the journal.
KEPT_JOBS = 100_000

#: What a change replaces, and an undo writes back.
REPLACED = ("result", "exc_name", "exc_info", "date_done", "date_cancelled")
_REPLACED = ", ".join(REPLACED)

KEEP = f"""
INSERT INTO queue_job_undo (journal_id, job_id, state, date, claim_token, {_REPLACED})
SELECT %(journal)s, id, state, %(date)s, coalesce(claim_token, 0), {_REPLACED}
  FROM queue_job WHERE id = ANY(%(ids)s) ORDER BY id LIMIT %(room)s"""

# Jobs that were cancelled in the course of a change: they waited for those it touched.
KEEP_FOLLOWERS = """
INSERT INTO queue_job_undo (journal_id, job_id, state, date, claim_token)
SELECT %(journal)s, id, 'wait_dependencies', date_cancelled, coalesce(claim_token, 0)
  FROM queue_job WHERE id = ANY(%(ids)s) ORDER BY id"""

LOCK = "SELECT id FROM queue_job WHERE id = ANY(%(ids)s) FOR NO KEY UPDATE SKIP LOCKED"

# A child for which the parent, as it was before, would not do: it waits again.
_WAITS_AGAIN = "NOT (undo.state = 'failed' AND edge.condition IN ('failed', 'always'))"

FACTS = f"""
SELECT undo.id, undo.journal_id, undo.job_id, undo.state AS was,
       coalesce(job.claim_token, 0) = undo.claim_token
       AND (undo.date IS NULL OR undo.date IS NOT DISTINCT FROM
            CASE job.state WHEN 'done' THEN job.date_done
                           WHEN 'cancelled' THEN job.date_cancelled END)
       AND NOT EXISTS (SELECT FROM queue_job_undo later
                        WHERE later.job_id = undo.job_id AND later.id > undo.id)
       AS untouched,
       EXISTS (SELECT FROM queue_job_dependency edge
                 JOIN queue_job child ON child.id = edge.child_id
                WHERE edge.parent_id = undo.job_id AND {_WAITS_AGAIN}
                  AND (child.state IN ('enqueued', 'started')
                       OR child.date_started
                          >= coalesce(undo.date, job.date_cancelled)
                       OR EXISTS (SELECT FROM queue_job_attempt attempt
                                   WHERE attempt.job_id = child.id
                                     AND attempt.date_start
                                         >= coalesce(undo.date, job.date_cancelled))))
       AS built_on
  FROM queue_job_undo undo LEFT JOIN queue_job job ON job.id = undo.job_id
 WHERE undo.journal_id = ANY(%(journals)s) AND undo.job_id = ANY(%(ids)s)
 ORDER BY undo.job_id, undo.id"""

JOB_IDS = """
SELECT DISTINCT job_id FROM queue_job_undo
 WHERE journal_id = ANY(%(journals)s) AND job_id >= %(first)s AND job_id < %(end)s
 ORDER BY job_id"""

#: Beyond all ids.
ENDLESS = 2**31 - 1

WITH_ROWS = """
SELECT line.id FROM unnest(%(journals)s::int[]) AS line (id)
 WHERE EXISTS (SELECT FROM queue_job_undo WHERE journal_id = line.id)"""

# What was released by a parent that goes back, and has not begun.
RELEASED_CHILDREN = f"""
SELECT edge.parent_id, child.id
  FROM queue_job_undo undo
  JOIN queue_job_dependency edge ON edge.parent_id = undo.job_id AND {_WAITS_AGAIN}
  JOIN queue_job child ON child.id = edge.child_id AND child.state = 'pending'
 WHERE undo.id = ANY(%(rows)s)"""

# Edges that are satisfied only if the parent is put back.
NEEDED_PARENTS = """
SELECT edge.child_id, edge.parent_id
  FROM queue_job_dependency edge
  LEFT JOIN queue_job parent ON parent.id = edge.parent_id
 WHERE edge.child_id = ANY(%(ids)s)
   AND (parent.id IS NULL
        OR edge.condition = 'done' AND parent.state = 'cancelled'
        OR edge.condition = 'failed' AND parent.state IN ('done', 'cancelled'))"""

WITH_PARENTS = """
SELECT DISTINCT child_id FROM queue_job_dependency WHERE child_id = ANY(%(ids)s)"""

KEPT_AMONG = "SELECT DISTINCT job_id FROM queue_job_undo WHERE job_id = ANY(%(ids)s)"

# An attempt that was stopped does not count.
WRITE_BACK = f"""
UPDATE queue_job job
   SET ({_REPLACED}) = (SELECT {", ".join("undo." + name for name in REPLACED)}),
       retry = CASE undo.state WHEN 'started' THEN greatest(job.retry - 1, 0)
                               ELSE job.retry END
  FROM queue_job_undo undo
 WHERE undo.id = ANY(%(rows)s) AND job.id = undo.job_id"""

FORGET = "DELETE FROM queue_job_undo WHERE id = ANY(%(rows)s)"


class Kept(NamedTuple):
    """A job of a change: its row here, and why it is not put back, None if it is."""

    row_id: int
    journal_id: int
    job_id: int
    was: str
    reason: str | None


class QueueJobUndo(models.Model):
    _name = "queue.job.undo"
    _description = "Job before a Change"
    _log_access = False

    journal_id = fields.Many2one(
        "queue.job.journal", required=True, readonly=True, ondelete="cascade"
    )
    # no foreign key: of a deleted job it is said that it is gone
    job_id = fields.Integer(required=True, readonly=True, index=True)
    state = fields.Char(required=True, readonly=True)
    date = fields.Datetime(readonly=True)
    claim_token = fields.Integer(readonly=True)
    result = fields.Text(readonly=True)
    exc_name = fields.Char(readonly=True)
    exc_info = fields.Text(readonly=True)
    date_done = fields.Datetime(readonly=True)
    date_cancelled = fields.Datetime(readonly=True)

    _journal_job_idx = models.Index("(journal_id, job_id)")

    def _keep(self, journal, jobs, date):
        """Keep what jobs are, before a change.

        :param journal: the row of the change, `job_count` of which are kept already
        :param date: of the change; None where running jobs are told to stop
        """
        room = max(0, KEPT_JOBS - journal.job_count)
        values = {"journal": journal.id, "ids": jobs.ids, "date": date, "room": room}
        self.env.cr.execute(KEEP, values)

    def _keep_followers(self, journal, job_ids):
        """Keep jobs that were cancelled because of those of a change."""
        self.env.cr.execute(KEEP_FOLLOWERS, {"journal": journal.id, "ids": job_ids})

    def _job_ids(self, journals, first=0, end=ENDLESS):
        """Return the ids, from `first` and before `end`, that are kept of changes."""
        values = {"journals": journals.ids, "first": first, "end": end}
        self.env.cr.execute(JOB_IDS, values)
        return [job_id for (job_id,) in self.env.cr.fetchall()]

    def _with_rows(self, journals):
        """Return the rows of the journal of which jobs are kept."""
        self.env.cr.execute(WITH_ROWS, {"journals": journals.ids})
        return journals.browse(id_ for (id_,) in self.env.cr.fetchall())

    def _judge(self, journals, jobs, lock=False):
        """Return the jobs of changes, with the reasons why some are not put back.

        :param journals: the rows of the changes
        :param jobs: whose rows are looked at
        :param lock: lock what will be written; what others write is left out
        :return: list of `Kept`
        """
        self.env["queue.job"].flush_model()
        locked = self._locked(jobs.ids) if lock else set(jobs.ids)
        self.env.cr.execute(FACTS, {"journals": journals.ids, "ids": jobs.ids})
        rows = self.env.cr.dictfetchall()
        visible = jobs.exists()._filtered_access("read")
        visible.fetch(["state", "identity_key"])  # and no tracebacks
        state_of = {job.id: job.state for job in visible}
        jobs = jobs.sudo().browse(state_of)
        held = jobs._in_states(DONE, CANCELLED)._key_holders()
        found = []
        for row in rows:
            job_id = row["job_id"]
            facts = undo.Facts(
                was=row["was"],
                now=state_of.get(job_id),
                untouched=bool(row["untouched"]),
                built_on=row["built_on"],
                key_held=job_id in held,
                locked=job_id in locked,
            )
            reason = undo.why_not(facts)
            found.append(Kept(row["id"], row["journal_id"], job_id, facts.was, reason))
        if lock:
            found = self._without_busy_children(found)
        return self._without_parents_that_stay(found)

    def _locked(self, job_ids):
        """Lock jobs that nobody else writes, and return their ids."""
        self.env.cr.execute(LOCK, {"ids": job_ids})
        return {job_id for (job_id,) in self.env.cr.fetchall()}

    def _without_busy_children(self, kept):
        """Leave out whose child is being claimed now; lock the others' children."""
        edges = self._released_children([row for row in kept if row.reason is None])
        locked = self._locked([child for _parent, child in edges])
        busy = {parent for parent, child in edges if child not in locked}
        return [
            row._replace(reason=undo.BUSY) if row.job_id in busy else row
            for row in kept
        ]

    def _without_parents_that_stay(self, kept):
        """Leave out what would wait for ever for a job that is left out."""
        back = {row.job_id for row in kept if row.reason is None}
        waiting = [
            row.job_id for row in kept if row.job_id in back and row.was != FAILED
        ]
        self.env.cr.execute(NEEDED_PARENTS, {"ids": waiting})
        left = undo.whose_parents_stay(back, self.env.cr.fetchall())
        return [
            row._replace(reason=undo.PARENT_STAYS) if row.job_id in left else row
            for row in kept
        ]

    def _released_children(self, kept):
        """Return (parent, child) of pending jobs that have to wait for these again."""
        rows = [row.row_id for row in kept]
        self.env.cr.execute(RELEASED_CHILDREN, {"rows": rows})
        return self.env.cr.fetchall()

    def _write_back(self, kept, job_ids):
        """Write what a change has replaced, and forget it here.

        :param kept: list of `Kept`, of these jobs
        """
        rows = {"rows": [row.row_id for row in kept]}
        self.env["queue.job"].flush_model()
        self.env.cr.execute(WRITE_BACK, rows)
        caches.written(self.env, job_ids, (*REPLACED, "retry"))
        self.env.cr.execute(FORGET, rows)


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    def _put_back(self, kept):
        """Put jobs back to what they were; they are locked, and so are their children.

        :param kept: list of `Kept`, of these jobs
        """
        table = self.env["queue.job.undo"]
        children = {child for _parent, child in table._released_children(kept)}
        followers = self._cancelled_with_stopped(kept)
        states = self._states_before(kept)
        table._write_back(kept, self.ids)
        followers.write({"result": False, "date_cancelled": False})
        for state, jobs in states.items():
            jobs._write_state_before(state)
        followers._write_state_before(WAIT_DEPENDENCIES)
        self.browse(children).write({"state": WAIT_DEPENDENCIES})
        jobs = self | followers
        waiting = jobs._in_states(PENDING, WAIT_DEPENDENCIES)
        identity_slots.take_free(waiting)
        end_notice.forget(jobs)
        waiting._write_store_hooks()
        self._repair([*waiting.ids, *children])
        jobs._tell_of_undo()

    def _states_before(self, kept):
        """Return {state: the jobs that go back to it}."""
        with_parents = set(self._graph_query(WITH_PARENTS))
        states = defaultdict(list)
        for row in kept:
            now = self.browse(row.job_id).state
            has_parents = row.job_id in with_parents
            state = undo.state_before(row.was, now, has_parents=has_parents)
            states[state].append(row.job_id)
        return {state: self.browse(ids) for state, ids in states.items()}

    def _cancelled_with_stopped(self, kept):
        """Return, locked, what its worker cancelled together with a stopped job."""
        stopped = self.browse(row.job_id for row in kept if row.was == STARTED)
        if not stopped:
            return stopped
        found = set(stopped._graph_query(dependencies.CANCELLED_WITH_THEM))
        jobs = self.browse(found.difference(self.ids))
        jobs -= jobs._with_held_key()  # another one does their work
        own_change = jobs._graph_query(KEPT_AMONG)
        return self.browse(
            self.env["queue.job.undo"]._locked(
                list(set(jobs.ids).difference(own_change))
            )
        )

    def _write_state_before(self, state):
        """Write the state to which jobs go back; nobody is told of an old failure."""
        values = {"state": state, "lease_id": False}
        if state != FAILED:
            values.update(
                date_runnable=datetime.now(),
                date_enqueued=False,
                date_started=False,
                worker_pid=False,
                worker_host=False,
            )
        self.with_context(_put_back=self.PUT_BACK).write(values)

    def _tell_of_undo(self):
        for uuid in self.mapped("uuid"):
            _logger.info("job %s: put back by user %s", uuid, self.env.uid)
        self.env["queue.job"].flush_model()
        waiting = self._in_states(PENDING, WAIT_DEPENDENCIES)
        events.tell_ids_after_commit(self.env.cr, events.ENQUEUED, waiting.ids)
