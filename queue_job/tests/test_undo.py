# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A cancel or a set to done is undone as long as nothing has built on it."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from ..models import queue_job_actions, queue_job_undo
from .job_case import MANAGER_GROUP, JobCase

TEXTS = {"result": "was", "exc_name": "ValueError", "exc_info": "Traceback"}


class TestUndo(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.journal = cls.env["queue.job.journal"]

    def job(self, state="pending", parents=None, **values):
        values.setdefault("channel_method_name", "<a>.b")
        values.setdefault("company_id", self.env.company.id)
        return super().job(state, parents, **values)

    def change(self, jobs, change="button_cancelled", **values):
        """Change jobs as the dialog does; return the key of the change."""
        jobs = jobs.with_user(self.manager)
        action = jobs._change_many(change, [("id", "in", jobs.ids)], **values)
        self.assertEqual(action["tag"], "queue_job_changed")
        self.env.flush_all()
        return action["params"]["undo"]

    def undo(self, key, user=None):
        """Undo a change as the notification does; return what it says."""
        action = self.journal.with_user(user or self.manager).undo_change(key)
        self.env.flush_all()
        self.env.invalidate_all()
        return action["params"]["message"]

    def sql(self, text, jobs):
        """Write jobs as workers do, beside the ORM."""
        self.env.flush_all()
        self.env.cr.execute(
            f"UPDATE queue_job SET {text} WHERE id = ANY(%s)",  # pylint: disable=sql-injection
            [jobs.ids],
        )
        self.env.invalidate_all()

    def row(self, key):
        return self.journal.search([("change", "=", key)])

    # -- what goes back ------------------------------------------------------------

    def test_cancelled_jobs_go_back(self):
        later = fields.Datetime.now() + timedelta(hours=1)
        jobs = self.job() + self.job("failed", **TEXTS) + self.job(eta=later)
        before = jobs.read(["state", "result", "exc_info", "eta", "scheduled", "retry"])
        key = self.change(jobs)
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertEqual(self.undo(key), "3 job(s) put back.")
        after = jobs.read(["state", "result", "exc_info", "eta", "scheduled", "retry"])
        self.assertEqual(after, before)
        self.assertFalse(any(jobs.mapped("date_cancelled")))

    def test_jobs_set_to_done_go_back(self):
        jobs = self.job() + self.job("failed", **TEXTS)
        key = self.change(jobs, "button_done")
        self.assertFalse(jobs[1].exc_info)
        messages = len(jobs[1].message_ids)
        self.undo(key)
        self.assertEqual(jobs.mapped("state"), ["pending", "failed"])
        self.assertEqual(jobs[1].exc_info, "Traceback")
        self.assertEqual(jobs[1].result, "was")
        self.assertFalse(any(jobs.mapped("date_done")))
        self.assertEqual(len(jobs[1].message_ids), messages)  # no new failure

    def test_enqueued_jobs_wait_again(self):
        job = self.job("enqueued", date_enqueued="2026-01-01 00:00:00", lease_id=4)
        self.undo(self.change(job))
        self.assertEqual(job.state, "pending")
        self.assertFalse(job.date_enqueued or job.lease_id)

    def test_released_children_wait_again(self):
        parent, child = self.chain("failed", "wait_dependencies")
        key = self.change(parent, "button_done")
        self.assertEqual(child.state, "pending")
        self.undo(key)
        self.assertEqual((parent.state, child.state), ("failed", "wait_dependencies"))
        parent.requeue()
        self.assertEqual((parent.state, child.state), ("pending", "wait_dependencies"))

    def test_what_was_cancelled_with_them_goes_back(self):
        jobs = self.chain("failed", "wait_dependencies", "wait_dependencies")
        key = self.change(jobs[0])
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})
        self.assertEqual(self.undo(key), "3 job(s) put back.")
        self.assertEqual(jobs.mapped("state"), ["failed"] + ["wait_dependencies"] * 2)
        self.assertFalse(jobs[1].result)

    def test_what_was_to_run_after_a_failure_goes_back(self):
        parent, child = self.chain("pending", "wait_dependencies")
        child.sudo().parent_edge_ids.condition = "failed"
        self.env.flush_all()
        key = self.change(parent, "button_done")
        self.assertEqual(child.state, "cancelled")
        self.assertEqual(self.undo(key), "2 job(s) put back.")
        self.assertEqual((parent.state, child.state), ("pending", "wait_dependencies"))

    def test_all_of_a_chain(self):
        jobs = self.chain("pending", "wait_dependencies")
        key = self.change(jobs, "button_done")
        self.undo(key)
        self.assertEqual(jobs.mapped("state"), ["pending", "wait_dependencies"])

    def test_a_stopped_job_waits_again(self):
        job = self.job("started", retry=1, date_started=fields.Datetime.now())
        key = self.change(job)
        self.assertIn("0 job(s) put back. 1 left out: a worker", self.undo(key))
        child = self.job("wait_dependencies", parents=job)
        stopped = (
            "state = 'cancelled', date_cancelled = clock_timestamp() AT TIME ZONE 'utc'"
        )
        self.sql(f"{stopped}, result = 'stopped'", job + child)
        self.undo(key)
        self.assertEqual((job.state, job.retry, job.result), ("pending", 0, False))
        self.assertFalse(job.date_started)
        self.assertEqual((child.state, child.result), ("wait_dependencies", False))

    def test_what_another_job_does_by_now_stays_cancelled(self):
        """A child that was cancelled with a stopped job, and whose key is taken."""
        job = self.job("started", retry=1, date_started=fields.Datetime.now())
        key = self.change(job)
        child = self.job("wait_dependencies", parents=job, identity_key="k")
        stopped = (
            "state = 'cancelled', date_cancelled = clock_timestamp() AT TIME ZONE 'utc'"
        )
        self.sql(f"{stopped}, result = 'stopped'", job + child)
        self.job(identity_key="k", identity_slot="k")
        self.undo(key)
        self.assertEqual((job.state, child.state), ("pending", "cancelled"))
        job.button_cancelled()
        job.requeue()
        self.assertEqual((job.state, child.state), ("pending", "cancelled"))

    def test_the_key_is_held_again(self):
        job = self.job(identity_key="k", identity_slot="k")
        key = self.change(job)
        self.assertFalse(job.identity_slot)
        self.undo(key)
        self.assertEqual(job.identity_slot, "k")

    # -- what does not -------------------------------------------------------------

    def test_a_child_that_has_begun(self):
        parent, child = self.chain("pending", "wait_dependencies")
        for begun in (
            "state = 'enqueued'",
            "state = 'started', date_started = clock_timestamp() AT TIME ZONE 'utc'",
            "state = 'done', date_started = clock_timestamp() AT TIME ZONE 'utc'",
        ):
            key = self.change(parent, "button_done")
            self.sql(begun, child)
            self.assertIn("a job that waited for it has begun", self.undo(key))
            self.assertEqual(parent.state, "done")
            self.sql("state = 'pending', date_done = NULL", parent)
            self.sql("state = 'wait_dependencies', date_started = NULL", child)

    def test_a_child_of_the_failure_that_has_begun_hinders_nothing(self):
        parent, child = self.chain("failed", "started")
        child.sudo().parent_edge_ids.condition = "failed"
        self.env.flush_all()
        key = self.change(parent)
        self.undo(key)
        self.assertEqual((parent.state, child.state), ("failed", "started"))

    def test_changed_since(self):
        for since in ("requeue", "run", "again"):
            job = self.job()
            key = self.change(job)
            job.requeue()
            if since == "run":
                self.sql("state = 'done', claim_token = claim_token + 1", job)
            elif since == "again":
                self.change(job)  # within the same second
            state = job.state
            message = self.undo(key)
            self.assertIn("0 job(s) put back. 1 left out: changed since", message)
            self.assertEqual(job.state, state)

    def test_deleted_since(self):
        jobs = self.job() + self.job()
        key = self.change(jobs)
        jobs[0].unlink()
        message = self.undo(key)
        self.assertIn("1 job(s) put back. 1 left out: deleted", message)

    def test_another_job_holds_the_key(self):
        job = self.job(identity_key="k", identity_slot="k")
        key = self.change(job)
        self.job(identity_key="k", identity_slot="k")
        self.assertIn("another job with the same identity key", self.undo(key))
        self.assertEqual(job.state, "cancelled")

    def test_what_would_wait_for_ever(self):
        jobs = self.chain("pending", "wait_dependencies", "wait_dependencies")
        jobs[0].write({"identity_key": "k", "identity_slot": "k"})
        key = self.change(jobs[0])
        self.job(identity_key="k", identity_slot="k")
        message = self.undo(key)
        self.assertIn("2 left out: a job that it waited for is not put back", message)
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})

    def test_what_others_write_is_left_alone(self):
        parent, child = self.chain("pending", "wait_dependencies")
        key = self.change(parent, "button_done")
        undo = type(self.env["queue.job.undo"])
        found = undo._locked

        def locked(table, ids):
            return found(table, ids) - set(child.ids)

        with patch.object(undo, "_locked", locked):
            self.assertIn("1 left out: a worker or another user", self.undo(key))
        self.assertEqual((parent.state, child.state), ("done", "pending"))
        self.undo(key)
        self.assertEqual(child.state, "wait_dependencies")

    def test_so_many_are_kept(self):
        jobs = self.job() + self.job()
        with patch.object(queue_job_undo, "KEPT_JOBS", 1):
            key = self.change(jobs)
        with patch.object(type(self.journal), "_not_kept", lambda rows: 1):
            self.assertIn(
                "1 job(s) put back. 1 left out: only the first", self.undo(key)
            )

    # -- the journal ---------------------------------------------------------------

    def test_it_stands_in_the_journal(self):
        jobs = self.job() + self.job()
        key = self.change(jobs, reason="By mistake")
        row = self.row(key).with_user(self.manager)
        self.assertTrue(row.can_undo)
        action = row.action_undo()
        wizard = self.env[action["res_model"]].with_user(self.manager)
        wizard = wizard.browse(action["res_id"])
        self.assertIn("Will change: 2", " ".join(str(wizard.plan).split()))
        self.assertEqual(set(jobs.mapped("state")), {"cancelled"})  # it only asks
        wizard.reason = "They were right"
        wizard.action_change()
        undone = self.journal.search([("action", "=", "undo")])
        self.assertEqual((undone.job_count, undone.listed), (2, jobs.ids))
        self.assertEqual(undone.reason, "They were right")
        self.assertIn("Cancelled", undone.details)
        self.env.invalidate_all()
        self.assertEqual((row.undone_count, row.can_undo), (2, False))
        self.assertEqual(self.undo(key), "0 job(s) put back.")

    def test_the_plan_says_why(self):
        jobs = self.job() + self.job("failed")
        row = self.row(self.change(jobs)).with_user(self.manager)
        jobs[1].requeue()
        plan = [(each.state, each.count, each.reason) for each in row._undo_plan()]
        self.assertEqual(plan, [("pending", 1, None), ("failed", 1, "changed_since")])

    def test_a_button_of_one_job(self):
        job = self.job()
        action = job.with_user(self.manager).action_cancel()
        self.assertEqual(job.state, "cancelled")
        self.undo(action["params"]["undo"])
        self.assertEqual(job.state, "pending")

    def test_a_change_by_code_is_undone_from_the_journal(self):
        job = self.job()
        job.with_user(self.manager).button_cancelled()
        row = self.journal.search([("action", "=", "cancel")])
        row.with_user(self.manager)._undo()
        self.assertEqual(job.state, "pending")

    def test_it_is_forgotten_with_the_journal(self):
        row = self.row(self.change(self.job()))
        table = self.env["queue.job.undo"]
        self.assertTrue(table.search([]))
        row.date -= timedelta(days=1000)
        self.journal._gc_journal()
        self.assertFalse(table.search([]))

    def test_very_many_in_parts(self):
        jobs = self.jobs.concat(*(self.job() for _ in range(5)))
        with (
            patch.object(queue_job_actions, "BACKGROUND_FROM", 2),
            patch.object(queue_job_actions, "CHUNK", 2),
            patch.object(type(self.jobs), "_queue_runs", lambda self: False),
        ):
            key = self.change(jobs)
            self.assertEqual(self.undo(key), "5 job(s) put back.")
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        undone = self.journal.search([("action", "=", "undo")])
        self.assertEqual(undone.job_count, 5)

    def test_very_many_are_left_to_a_job(self):
        jobs = self.job() + self.job()
        key = self.change(jobs)
        with (
            patch.object(queue_job_actions, "BACKGROUND_FROM", 2),
            patch.object(type(self.jobs), "_queue_runs", lambda self: True),
        ):
            action = self.journal.with_user(self.manager).undo_change(key)
        self.assertEqual(action["tag"], "queue_job_wait")
        job = self.jobs.search([("uuid", "=", action["params"]["uuid"])])
        result = job.records._undo_ranges(*job.args)
        self.assertEqual(result["params"]["message"], "2 job(s) put back.")

    # -- who -----------------------------------------------------------------------

    def test_only_managers(self):
        job = self.job()
        key = self.change(job)
        with self.assertRaises(AccessError):
            self.undo(key, self.plain_user)
        with self.assertRaises(AccessError):
            self.row(key).with_user(self.plain_user).action_undo()
        self.assertEqual(job.state, "cancelled")

    def test_each_company_by_its_managers(self):
        second = self.env["res.company"].create({"name": "Second"})
        manager = new_test_user(
            self.env,
            "second_manager",
            groups=f"base.group_user,{MANAGER_GROUP}",
            company_id=second.id,
            company_ids=[(6, 0, second.ids)],
        )
        job = self.job()
        row = self.row(self.change(job))
        with self.assertRaises(AccessError):
            row.with_user(manager)._undo()
        self.undo(row.change, manager)  # of others: it finds nothing
        self.assertEqual(job.state, "cancelled")
