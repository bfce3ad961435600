# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A child runs only when its condition was met, whoever deletes its parent, and how."""

from datetime import datetime, timedelta

from psycopg2.errors import SerializationFailure

from odoo.exceptions import UserError
from odoo.tests import TransactionCase
from odoo.tools import mute_logger

from ..job import Job
from ..storage import dependencies
from .job_case import JobCase

DELETED = "Cancelled because a job it depends on was deleted before it was done"
CANCELLED = "Cancelled because a job it depends on was cancelled"
NOT_FAILED = "Cancelled because it was to run after a failure, and there was none"

#: (state of the parent, condition) -> state of the child once the parent is deleted
OUTCOMES = {
    **{(state, "done"): "cancelled" for state in ("pending", "started", "failed")},
    ("cancelled", "done"): "cancelled",
    ("wait_dependencies", "done"): "cancelled",
    ("done", "done"): "pending",
    ("failed", "failed"): "pending",
    ("done", "failed"): "cancelled",
    ("cancelled", "failed"): "cancelled",
    ("enqueued", "failed"): "cancelled",
    ("pending", "always"): "pending",
    ("failed", "always"): "pending",
    ("done", "always"): "pending",
}


class DeletedParentCase(JobCase):
    def join(self, parent, child, condition="done"):
        self.env["queue.job.dependency"].create(
            {"parent_id": parent.id, "child_id": child.id, "condition": condition}
        )

    def pair(self, state="failed", condition="done", **values):
        parent, child = self.job(state, **values), self.job("wait_dependencies")
        self.join(parent, child, condition)
        return parent, child

    def by_unlink(self, parents):
        parents.unlink()

    def by_sql(self, parents):
        """From outside, then the sweep of the runner."""
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM queue_job WHERE id = ANY(%s)", [parents.ids])
        self.sweep()

    def by_retention(self, parents):
        root = self.env.ref("queue_job.channel_root")
        root.failed_removal_interval = 1
        long_ago = datetime.now() - timedelta(days=1000)
        parents.write(
            {
                "date_started": long_ago,
                "date_done": long_ago,
                "date_cancelled": long_ago,
            }
        )
        self.jobs._gc_old_jobs()

    def by_button(self, parents):
        parents.with_user(self.manager).action_delete_final()

    def sweep(self):
        self.env.flush_all()
        dependencies.repair_releases(self.env.cr)
        self.env.invalidate_all()


class TestDeletedParent(DeletedParentCase):
    def test_every_state_and_condition(self):
        for delete in (self.by_unlink, self.by_sql):
            for (state, condition), expected in OUTCOMES.items():
                with self.subTest(delete.__name__, state=state, condition=condition):
                    parent, child = self.pair(state, condition)
                    delete(parent)
                    self.assertFalse(parent.exists())
                    self.assertEqual(child.state, expected)

    def test_every_way_cancels_with_a_reason(self):
        for delete in (
            self.by_unlink,
            self.by_sql,
            self.by_retention,
            self.by_button,
        ):
            with self.subTest(delete.__name__):
                parent, child = self.pair()
                grandchild, follower = (self.job("wait_dependencies") for _ in "ab")
                self.join(child, grandchild)
                self.join(child, follower, "always")
                delete(parent)
                self.assertFalse(parent.exists())
                self.assertEqual((child.state, child.result), ("cancelled", DELETED))
                self.assertTrue(child.date_cancelled)
                self.assertEqual(
                    (grandchild.state, grandchild.result), ("cancelled", CANCELLED)
                )
                self.assertEqual(follower.state, "pending")

    def test_a_cancelled_child_holds_no_key(self):
        parent, child = self.pair()
        child.write({"identity_key": "key", "identity_slot": "key"})
        parent.unlink()
        self.assertFalse(child.identity_slot)

    def test_the_reason_of_what_was_to_run_after_a_failure(self):
        for delete in (self.by_unlink, self.by_sql):
            parent, child = self.pair("done", "failed")
            delete(parent)
            self.assertEqual(child.result, NOT_FAILED)

    def test_it_is_logged(self):
        parent, child = self.pair()
        with self.assertLogs("odoo.addons.queue_job.models.queue_job_graph") as logs:
            parent.unlink()
        self.assertIn(f"job {child.uuid}: {DELETED}", "\n".join(logs.output))
        parent, child = self.pair()
        with self.assertLogs("odoo.addons.queue_job.storage.dependencies") as logs:
            self.by_sql(parent)
        (line,) = logs.output
        self.assertIn(f"{self.env.cr.dbname}: job {child.uuid}: {DELETED}", line)

    def test_a_done_parent_goes_and_the_others_are_waited_for(self):
        for delete in (self.by_unlink, self.by_sql, self.by_retention, self.by_button):
            with self.subTest(delete.__name__):
                done, child = self.pair("done")
                parent = self.job("started")
                self.join(parent, child)
                delete(done)
                self.assertEqual(child.state, "wait_dependencies")
                self.sweep()
                self.assertEqual(child.state, "wait_dependencies")
                parent.state = "done"
                self.env.flush_all()
                dependencies.released_rows(self.env.cr, parent.ids)
                self.env.invalidate_all()
                self.assertEqual(child.state, "pending")

    def test_nothing_else_frees_the_child(self):
        """One parent was deleted by SQL, the other one ends before the sweep comes."""
        failed, child = self.pair()
        other = self.job("done")
        self.join(other, child)
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM queue_job WHERE id = %s", [failed.id])
        self.assertEqual(dependencies.released_rows(self.env.cr, other.ids), [])
        self.env.invalidate_all()
        self.assertEqual(child.state, "wait_dependencies")
        self.assertFalse(child.dependency_ids - other)
        self.sweep()
        self.assertEqual(child.result, DELETED)

    def test_all_jobs_at_once(self):
        _parent, child = self.pair()
        self.join(self.job("pending"), child)
        self.join(child, self.job("wait_dependencies"), "always")
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM queue_job")
        self.env.cr.execute("SELECT count(*) FROM queue_job_dependency")
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_parent_and_child_at_once(self):
        parent, child = self.pair()
        (parent + child).unlink()
        self.assertFalse((parent + child).exists())

    def test_other_addons_see_the_children_change(self):
        parent, child = self.pair()
        seen = []
        self.patch(
            type(self.jobs),
            "write",
            lambda records, vals: seen.append((records, vals.get("state"))),
        )
        parent.unlink()
        self.assertEqual(seen, [(child, "cancelled")])

    def test_no_foreign_key_deletes_jobs(self):
        """What goes with a company, a user or a function of a job is not the job."""
        self.env.cr.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'queue_job'::regclass AND confdeltype = 'c'"
        )
        self.assertEqual(self.env.cr.fetchall(), [])

    def test_many_that_nobody_waits_for_cost_one_statement_more(self):
        done = self.jobs.concat(*(self.job("done") for _number in range(20)))
        self.env.flush_all()
        asked = []
        query = type(self.jobs)._graph_query
        self.patch(
            type(self.jobs),
            "_graph_query",
            lambda jobs, text: asked.append(text) or query(jobs, text),
        )
        done.unlink()
        self.assertEqual(asked, [dependencies.WAITING_CHILDREN])


class TestRequeue(DeletedParentCase):
    def test_a_failed_parent_is_requeued_while_its_children_wait(self):
        parent, child = self.pair()
        parent.requeue()
        self.assertEqual((parent.state, child.state), ("pending", "wait_dependencies"))
        self.sweep()
        self.assertEqual(child.state, "wait_dependencies")
        parent.button_done()
        self.assertEqual(child.state, "pending")

    def test_a_child_whose_parent_was_deleted_stays_cancelled(self):
        parent, child = self.pair()
        grandchild = self.job("wait_dependencies")
        self.join(child, grandchild)
        parent.unlink()
        (child + grandchild).requeue()
        self.assertEqual((child + grandchild).mapped("state"), ["cancelled"] * 2)
        self.assertEqual(child.result, DELETED)

    def test_also_one_that_was_cancelled_before(self):
        parent, child = self.pair()
        child.button_cancelled()
        parent.unlink()
        self.assertIn("Cancelled by", child.result)
        child.requeue()
        self.assertEqual((child.state, child.result), ("cancelled", DELETED))

    def test_it_runs_once_somebody_forgets_the_parent(self):
        parent, child = self.pair()
        parent.unlink()
        child.parent_edge_ids.filtered(lambda edge: not edge.parent_id).unlink()
        child.requeue()
        self.assertEqual(child.state, "pending")

    def test_a_done_parent_that_was_deleted_does_not_matter(self):
        parent, child = self.pair("done")
        child.state = "failed"
        parent.unlink()
        child.requeue()
        self.assertEqual(child.state, "pending")

    def test_a_job_in_memory_knows(self):
        """Also when it has loaded the parents that are left."""
        parent, child = self.pair()
        child.dependencies = {"depends_on": [parent.uuid], "reverse_depends_on": []}
        self.by_sql(parent)
        for load in (False, True):
            job = Job.load(self.env, child.uuid)
            if load:
                self.assertFalse(job.depends_on)
            job.set_pending()
            self.assertEqual(job.state, "wait_dependencies")

    def test_open_jobs_are_not_for_the_button(self):
        with self.assertRaises(UserError):
            self.by_button(self.job("wait_dependencies"))


class TestRaces(TransactionCase):
    """Of the deletion of a parent with a transaction that makes a job wait for it."""

    NAME = "queue_job test of deleted parents"

    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_jobs)
        with self.registry.cursor() as cr:
            jobs = [Job(self.env(cr=cr).user.read, description=self.NAME) for _ in "ab"]
            for job in jobs:
                job.eta = 3600
                job.store()
        self.parent_id, self.child_id = (job.id for job in jobs)
        self.deleting, self.joining = self.transaction(), self.transaction()

    def transaction(self):
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        cr.execute("SELECT 1")  # the snapshot is taken here
        return self.env(cr=cr)

    def forget_jobs(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE name = %s", [self.NAME])

    def delete(self):
        self.deleting["queue.job"].browse(self.parent_id).unlink()
        self.deleting.cr.commit()

    def join(self):
        parent, child = (
            Job._load_from_db_record(self.joining["queue.job"].browse(id_))
            for id_ in (self.parent_id, self.child_id)
        )
        child.add_depends({parent})
        child.store()
        self.joining.cr.commit()

    @mute_logger("odoo.sql_db")
    def test_a_child_that_the_deletion_does_not_see(self):
        self.join()
        with self.assertRaises(SerializationFailure):
            self.delete()

    @mute_logger("odoo.sql_db")
    def test_a_parent_that_the_child_still_sees(self):
        self.delete()
        with self.assertRaises(SerializationFailure):
            self.join()
