# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The dialogs that change many jobs at once: nothing dangerous by one click."""

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user

from ..models import queue_job_actions
from .job_case import JobCase


class TestWizards(JobCase):
    def wizard(self, model, jobs, values=None, **context):
        context = {"active_model": "queue.job", "active_ids": jobs.ids, **context}
        wizards = self.env[model].with_user(self.manager).with_context(**context)
        return wizards.create(values or {})

    def ask(self, domain, change="requeue", **values):
        """Return the dialog that a list opens for all jobs of a domain."""
        action = self.jobs.with_user(self.manager).change_matching(domain, change)
        wizards = self.env[action["res_model"]].with_user(self.manager)
        wizard = wizards.browse(action["res_id"])
        wizard.write(values)
        return wizard

    def in_all_states(self):
        return self.job("failed") + self.job("cancelled") + self.job("done")

    def test_requeue(self):
        jobs = self.job("failed") + self.job("failed")
        action = self.wizard("queue.requeue.job", jobs).requeue()
        self.assertEqual(action, {"type": "ir.actions.act_window_close"})
        self.assertEqual(jobs.mapped("state"), ["pending", "pending"])

    def test_ended_jobs_run_again_by_a_word_of_their_own_only(self):
        for values, states in (
            ({}, ["pending", "cancelled", "done"]),
            ({"run_cancelled": True}, ["pending", "pending", "done"]),
            ({"run_done": True}, ["pending", "cancelled", "pending"]),
        ):
            jobs = self.in_all_states()
            self.wizard("queue.requeue.job", jobs, values).requeue()
            self.assertEqual(jobs.mapped("state"), states, values)

    def test_the_actions_of_the_list_only_ask(self):
        jobs = self.in_all_states()
        states = jobs.mapped("state")
        domain = [("id", "in", jobs.ids)]
        actions = [
            (jobs.action_requeue_all(), "queue.requeue.job"),
            (jobs.action_done_all(), "queue.jobs.to.done"),
            (jobs.action_cancel_all(), "queue.jobs.to.cancelled"),
            (self.jobs.change_matching(domain, "requeue"), "queue.requeue.job"),
        ]
        for action, model in actions:
            self.assertEqual((action["res_model"], action["target"]), (model, "new"))
            wizard = self.env[model].browse(action["res_id"])
            found = self.jobs.search(wizard._jobs_domain(), order="id")
            self.assertEqual(found, jobs)
        self.assertEqual(jobs.mapped("state"), states)

    def test_select_all_without_a_filter(self):
        jobs = self.in_all_states()
        wizard = self.ask([])
        self.assertEqual(wizard._jobs_domain(), [])
        wizard.action_change()
        self.assertEqual(jobs.mapped("state"), ["pending", "cancelled", "done"])

    def test_the_plan_is_shown_before(self):
        jobs = self.in_all_states() + self.job("failed")
        wizard = self.ask([("id", "in", jobs.ids)])
        text = " ".join(str(wizard.plan).split())
        self.assertIn("Will change: 2", text)
        self.assertIn("Left out: 2", text)
        self.assertIn("not chosen to run again", text)
        wizard.run_done = True
        self.assertIn("Will change: 3", " ".join(str(wizard.plan).split()))

    def test_the_menu_of_actions_shows_the_same_dialog(self):
        jobs = self.in_all_states()
        context = {"active_model": "queue.job", "active_ids": jobs.ids}
        wizards = self.env["queue.requeue.job"].with_user(self.manager)
        form = Form(wizards.with_context(**context))
        self.assertIn("Will change: 1", " ".join(str(form.plan).split()))
        form.run_done = True
        self.assertIn("Will change: 2", " ".join(str(form.plan).split()))
        form.reason = "The shop is open"
        form.save().action_change()
        self.assertEqual(jobs.mapped("state"), ["pending", "cancelled", "pending"])

    def test_the_figures_are_those_of_what_changed(self):
        jobs = self.in_all_states() + self.job("pending")
        action = self.ask([("id", "in", jobs.ids)]).action_change()
        message = action["params"]["message"]
        self.assertIn("1 job(s) changed.", message)
        self.assertIn("2 left out: done or cancelled", message)
        self.assertIn("1 left out: waiting or running", message)

    def test_whose_key_is_held_is_left_out(self):
        held = self.job("failed", identity_key="held")
        holder = self.job("pending", identity_key="held")
        twins = self.job("failed", identity_key="twin")
        twins += self.job("failed", identity_key="twin")
        wizard = self.ask([("id", "in", (held + twins).ids)])
        self.assertIn("Left out: 2", " ".join(str(wizard.plan).split()))
        self.assertIn(holder.uuid, wizard.plan)
        message = wizard.action_change()["params"]["message"]
        text = "1 job(s) changed. 2 left out: another job with the same identity key"
        self.assertIn(text, message)
        self.assertIn(holder.uuid, message)
        self.assertEqual(held.state, "failed")
        self.assertEqual(twins.mapped("state"), ["pending", "failed"])

    def test_a_requeue_of_one_whose_key_is_held(self):
        held = self.job("failed", identity_key="k").with_user(self.manager)
        holder = self.job("pending", identity_key="k", company_id=self.env.company.id)
        action = held.action_requeue()  # the button of the form
        self.assertEqual(action["params"]["type"], "warning")
        self.assertIn(holder.uuid, action["params"]["message"])
        with self.assertRaisesRegex(UserError, f"Not requeued: .*{holder.uuid}"):
            held.requeue()
        self.assertEqual(held.state, "failed")
        other = self.job("failed").with_user(self.manager)
        self.assertFalse((held + other).requeue())
        self.assertEqual((held.state, other.state), ("failed", "pending"))
        holder.button_cancelled()
        self.assertTrue(held.requeue())
        self.assertEqual(held.state, "pending")

    def test_a_holder_that_the_user_may_not_see_is_not_named(self):
        second = self.env["res.company"].create({"name": "Second"})
        held = self.job("failed", identity_key="k").with_user(self.manager)
        holder = self.job("pending", identity_key="k", company_id=second.id)
        message = held.action_requeue()["params"]["message"]
        self.assertIn("another job with the same identity key waits.", message)
        self.assertNotIn(holder.uuid, message)

    def test_the_buttons_of_the_form(self):
        for state, button, expected in (
            ("failed", "requeue", "pending"),
            ("done", "requeue", "done"),  # the page was an old one
            ("cancelled", "requeue", "cancelled"),
            ("pending", "button_done", "done"),
            ("pending", "button_cancelled", "cancelled"),
            ("done", "button_cancelled", "done"),
            ("done", "cancel", "done"),
        ):
            job = self.job(state).with_user(self.manager)
            job = job.with_context(queue_job_from_form=True)
            message = getattr(job, button)()["params"]["message"]
            changed = "1 job(s)" if state != expected else "0 job(s)"
            self.assertIn(changed, message)
            self.assertEqual(job.state, expected)

    def test_the_reason_is_kept_with_the_jobs_that_changed(self):
        jobs = self.job("failed") + self.job("done")
        wizard = self.ask([("id", "in", jobs.ids)], reason="<b>Shop</b> is back")
        wizard.action_change()
        note = jobs[0].message_ids[0]
        self.assertIn("Requeued: &lt;b&gt;Shop", note.body)
        self.assertEqual(note.author_id, self.manager.partner_id)
        self.assertFalse(jobs[1].message_ids)

    def test_the_reason_is_the_same_note_on_each_job(self):
        jobs = self.job() + self.job() + self.job()
        self.ask(
            [("id", "in", jobs.ids)], "button_done", reason="Moved"
        ).action_change()
        first, *others = jobs.message_ids.sorted("res_id")
        self.assertEqual(len(others), 2)
        same = [
            name
            for name, field in first._fields.items()
            if field.store and name not in ("id", "res_id")
        ]
        for message in others:
            for name in same:
                self.assertEqual(message[name], first[name], name)

    def test_done(self):
        jobs = self.job("failed") + self.job("pending")
        self.wizard("queue.jobs.to.done", jobs).set_done()
        self.assertEqual(jobs.mapped("state"), ["done", "done"])

    def test_cancelled(self):
        jobs = self.job("failed") + self.job("done")
        self.wizard("queue.jobs.to.cancelled", jobs).set_cancelled()
        self.assertEqual(jobs.mapped("state"), ["cancelled", "done"])

    def test_very_many_are_left_to_a_job(self):
        with (
            patch.object(queue_job_actions, "BACKGROUND_FROM", 2),
            patch.object(type(self.jobs), "_queue_runs", lambda jobs: True),
        ):
            jobs = self.job("failed") + self.job("failed")
            action = self.wizard("queue.requeue.job", jobs).requeue()
        self.assertEqual(action["tag"], "queue_job_wait")

    def test_other_model_gives_no_selection(self):
        wizard = self.wizard("queue.requeue.job", self.job(), active_model="res.users")
        self.assertFalse(wizard.job_ids)

    def test_only_managers(self):
        user = new_test_user(self.env, "no_manager")
        jobs = self.job("failed").with_user(user)
        with self.assertRaises(AccessError):
            jobs.action_requeue_all()
        with self.assertRaises(AccessError):
            jobs._change_many("requeue", [("id", "in", jobs.ids)])
        self.assertEqual(jobs.sudo().state, "failed")
