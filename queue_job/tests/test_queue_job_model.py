# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The model queue.job: writing, state changes by users, graph, failure message."""

import json
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from ..claim.claims import LIVENESS_LOCK
from ..models import queue_job_signal
from .job_case import MANAGER_GROUP, JobCase


class TestWrite(JobCase):
    def test_protected_fields(self):
        job = self.job()
        with self.assertRaisesRegex(
            AccessError, r"Not allowed to change field\(s\): args, name"
        ):
            job.write({"args": [1], "name": "other", "priority": 3})
        job.with_context(_job_edit_sentinel=job.EDIT_SENTINEL).name = "other"
        self.assertEqual(job.name, "other")

    def test_sentinel_is_compared_by_identity(self):
        job = self.job()
        with self.assertRaises(AccessError):
            job.with_context(_job_edit_sentinel=object()).write({"name": "other"})

    def test_scheduled_follows_state_and_eta(self):
        later = datetime.now() + timedelta(hours=1)
        now = self.job(eta=False)
        self.assertFalse(now.scheduled)
        self.assertTrue(self.job(eta=later).scheduled)
        now.eta = later
        self.assertTrue(now.scheduled)
        now.state = "cancelled"
        self.assertFalse(now.scheduled)
        now.state = "pending"
        self.assertTrue(now.scheduled)
        now.eta = datetime.now() - timedelta(hours=1)
        self.assertFalse(now.scheduled)

    def test_scheduled_of_several_jobs(self):
        later = datetime.now() + timedelta(hours=1)
        jobs = self.job("failed", eta=later) + self.job("failed")
        jobs.write({"state": "pending"})
        self.assertEqual(jobs.mapped("scheduled"), [True, False])

    def test_ended_job_holds_no_key(self):
        job = self.job(identity_key="key", identity_slot="key")
        job.state = "cancelled"
        self.assertFalse(job.identity_slot)

    def test_user_change_hands_records_over(self):
        job = self.job(records=self.env["res.partner"].browse(1))
        job.write({"user_id": self.manager.id})
        self.assertEqual(job.records.env.user, self.manager)
        self.assertEqual(job.records.ids, [1])

    def test_search_panel_offers_channels(self):
        values = self.jobs.search_panel_select_range("channel")["values"]
        self.assertIn({"id": "root", "display_name": "root"}, values)

    def test_wait_time(self):
        job = self.job(
            "started", date_started="2026-01-01 00:01:00", eta="2026-01-01 00:00:20"
        )
        self.assertEqual(job.wait_time, 40)


class TestUserActions(JobCase):
    def test_done_from_open_states_only(self):
        states = ["wait_dependencies", "pending", "enqueued", "failed"]
        others = ["started", "cancelled", "done"]
        jobs = self.jobs.concat(*map(self.job, states + others))
        jobs.with_user(self.manager).button_done()
        self.assertEqual(jobs.mapped("state"), ["done"] * 4 + others)
        self.assertEqual(jobs[0].result, f"Manually set to done by {self.manager.name}")
        self.assertTrue(all(jobs[:4].mapped("date_done")))

    def test_done_releases_children(self):
        parents = self.job("failed") + self.job("pending")
        child = self.job("wait_dependencies", parents=parents)
        parents[0].button_done()
        self.assertEqual(child.state, "wait_dependencies")
        parents[1].button_done()
        self.assertEqual(child.state, "pending")

    def test_cancel_spreads_and_keeps_the_reason(self):
        parent, child, grandchild = self.chain(
            "pending", "wait_dependencies", "wait_dependencies"
        )
        (child + parent).button_cancelled()
        self.assertEqual(parent.result, f"Cancelled by {self.env.user.name}")
        for job in child + grandchild:
            self.assertEqual(job.state, "cancelled")
            self.assertIn("depends on was cancelled", job.result)
            self.assertEqual(job.date_cancelled, parent.date_cancelled)

    def test_done_is_never_cancelled(self):
        job = self.job("done")
        job.button_cancelled()
        self.assertEqual(job.state, "done")

    def test_cancel_of_a_started_job_leaves_a_signal(self):
        job = self.job("started", claim_token=7)
        with patch.object(queue_job_signal, "interrupt_sessions") as interrupt:
            job.with_user(self.manager).cancel("Enough")
            self.assertEqual(job.state, "started")
            interrupt.assert_not_called()
            self.env.cr.postcommit.run()
            interrupt.assert_called_once_with(self.env.cr.dbname, job.ids)
        signal = self.env["queue.job.signal"].search([("job_id", "=", job.id)])
        self.assertEqual(
            (signal.kind, signal.claim_token, signal.message, signal.user_id),
            ("cancel", 7, "Enough", self.manager),
        )

    def test_the_sessions_to_interrupt_are_those_which_hold_the_lock(self):
        job, other = self.job("started"), self.job("started")
        self.env.cr.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [LIVENESS_LOCK, job.id]
        )
        self.env.cr.execute(queue_job_signal.LIVE_SESSIONS, {"ids": (job + other).ids})
        sessions = self.env.cr.fetchall()
        self.assertEqual([job_id for job_id, _pid in sessions], job.ids)
        self.env.cr.execute("SELECT pg_backend_pid()")
        self.assertEqual(sessions[0][1], self.env.cr.fetchone()[0])

    def test_requeue_from_final_states_only(self):
        final = ["failed", "done", "cancelled"]
        others = ["wait_dependencies", "pending", "enqueued", "started"]
        jobs = self.jobs.concat(*(self.job(state, retry=3) for state in final + others))
        jobs.requeue()
        self.assertEqual(jobs.mapped("state"), ["pending"] * 3 + others)
        self.assertEqual(jobs.mapped("retry"), [0] * 3 + [3] * 4)

    def test_requeue_waits_for_parents(self):
        parent, child = self.chain("done", "failed")
        child.requeue()
        self.assertEqual(child.state, "pending")
        (parent + child).state = "failed"
        (parent + child).requeue()
        self.assertEqual(parent.state, "pending")
        self.assertEqual(child.state, "wait_dependencies")

    def test_requeue_takes_along_what_was_cancelled_with_it(self):
        parent, child, grandchild = self.chain(
            "failed", "wait_dependencies", "wait_dependencies"
        )
        alone = self.job("cancelled", parents=parent, date_cancelled="2026-01-02")
        parent.button_cancelled()
        parent.requeue()
        self.assertEqual(parent.state, "pending")
        self.assertEqual(
            (child + grandchild).mapped("state"), ["wait_dependencies"] * 2
        )
        self.assertEqual(alone.state, "cancelled")

    def test_requeue_takes_the_key_once(self):
        twins = self.job("failed", identity_key="key") + self.job(
            "failed", identity_key="key"
        )
        twins.requeue()
        self.assertEqual(twins.mapped("identity_slot"), ["key", False])

    def test_code_that_is_gone(self):
        gone = {
            "model_name": "no.such.model",
            "method_name": "no_such_method",
            "records": None,
        }
        jobs = self.jobs.concat(*(self.job("failed", **gone) for _ in range(3)))
        self._break_records(jobs)
        jobs[0].button_done()
        jobs[1].button_cancelled()
        jobs[2].requeue()
        self.assertEqual(jobs.mapped("state"), ["done", "cancelled", "pending"])
        jobs[2].write({"user_id": self.manager.id})
        with self.assertRaises(UserError):
            jobs[0].open_related_action()
        jobs[:2].with_user(self.manager).action_delete_final()
        self.assertFalse(jobs[:2].exists())

    def test_a_list_with_a_job_of_a_model_that_is_gone(self):
        jobs = self.job() + self.job()
        gone = {"_type": "odoo_recordset", "model": "no.such.model", "ids": [1]}
        jobs.flush_recordset()
        self.env.cr.execute(
            """UPDATE queue_job SET model_name = 'no.such.model',
                      records = to_jsonb(%(one)s::text),
                      args = to_jsonb(%(all)s::text) WHERE id = %(id)s""",
            {"one": json.dumps(gone), "all": json.dumps([gone]), "id": jobs[0].id},
        )
        jobs.invalidate_recordset()
        names = list(jobs._fields)
        self.assertEqual([row["id"] for row in jobs.read(names)], jobs.ids)
        columns = ["id", "model_name", "records", "args", "kwargs"]
        (rows,) = jobs.export_data(columns).values()
        self.assertEqual([row[1] for row in rows], ["no.such.model", "res.partner"])
        self.assertFalse(jobs[0].records)

    def _break_records(self, jobs):
        jobs.flush_recordset()
        text = '{"_type": "odoo_recordset", "model": "no.such.model", "ids": [1]}'
        self.env.cr.execute(
            "UPDATE queue_job SET records = to_jsonb(%s::text) WHERE id = ANY(%s)",
            [text, jobs.ids],
        )
        jobs.invalidate_recordset()

    def test_thousands_at_once_in_few_statements(self):
        jobs = self.jobs.create(
            [
                {
                    "uuid": f"bulk-{number}",
                    "state": "failed",
                    "model_name": "res.partner",
                    "method_name": "read",
                }
                for number in range(2000)
            ]
        )
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        jobs.requeue()
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 100)
        self.assertEqual(set(jobs.mapped("state")), {"pending"})

    def test_store_hook_of_the_model(self):
        job = self.job("failed", records=self.env["res.partner"].browse(1))
        partner_class = self.env.registry["res.partner"]

        def hook(self, job):
            return {"max_retries": 1, "exc_message": "no", "x": 1}

        with patch.object(partner_class, "_job_store_values", hook, create=True):
            self.assertTrue(job._has_store_hook())
        self.assertFalse(job._has_store_hook())

    def test_change_job_state_refuses_others(self):
        with self.assertRaises(ValueError):
            self.job()._change_job_state("failed")

    def test_delete_refuses_jobs_that_may_run(self):
        jobs = self.job("done") + self.job("pending")
        with self.assertRaises(UserError):
            jobs.with_user(self.manager).action_delete_final()


class TestRelatedAction(JobCase):
    def test_one_record(self):
        job = self.job(records=self.env.ref("base.main_partner"))
        self.assertEqual(
            job.related_action_open_record(),
            {
                "name": "Related Record",
                "type": "ir.actions.act_window",
                "view_mode": "form",
                "res_model": "res.partner",
                "res_id": self.env.ref("base.main_partner").id,
            },
        )

    def test_several_records(self):
        partners = self.env["res.partner"].search([], limit=2)
        job = self.job(records=partners)
        self.assertEqual(
            job.related_action_open_record(),
            {
                "name": "Related Records",
                "type": "ir.actions.act_window",
                "view_mode": "list,form",
                "domain": [("id", "in", partners.ids)],
                "res_model": "res.partner",
            },
        )

    def test_no_record_left(self):
        job = self.job(records=self.env["res.partner"].browse(2**30))
        self.assertIsNone(job.related_action_open_record())
        with self.assertRaisesRegex(UserError, "No action available for this job"):
            job.open_related_action()


class TestGraph(JobCase):
    def setUp(self):
        super().setUp()
        self.parent, self.child = self.chain("failed", "wait_dependencies")
        self.single = self.job("done")
        self.mine = self.parent + self.child + self.single

    def search(self, *condition):
        return self.jobs.search([condition, ("id", "in", self.mine.ids)])

    def test_links(self):
        self.assertEqual(self.child.dependency_ids, self.parent)
        self.assertEqual(self.parent.dependent_ids, self.child)
        self.assertFalse(self.parent.dependency_ids)

    def test_search(self):
        failed = [("state", "=", "failed")]
        self.assertEqual(self.search("dependency_ids", "any", failed), self.child)
        self.assertEqual(
            self.search("dependency_ids", "in", self.parent.ids), self.child
        )
        self.assertEqual(
            self.search("dependent_ids", "in", self.child.ids), self.parent
        )
        self.assertEqual(
            self.search("dependency_ids", "not any", failed), self.parent + self.single
        )
        self.assertEqual(
            self.search("dependent_ids", "not in", self.child.ids),
            self.child + self.single,
        )
        self.assertEqual(
            self.search("dependency_ids", "=", False), self.parent + self.single
        )

    def test_graph(self):
        self.assertEqual(self.mine.mapped("graph_jobs_count"), [2, 2, 0])
        self.assertEqual(self.single.dependency_graph, {})
        graph = self.parent.dependency_graph
        self.assertEqual(graph["edges"], [[self.parent.id, self.child.id]])
        nodes = {node["id"]: node for node in graph["nodes"]}
        names = {"id", "name", "state", "kind", "title", "color", "border", "shadow"}
        self.assertEqual(set(nodes[self.parent.id]), names)
        self.assertEqual(nodes[self.parent.id]["color"], "#FB7E81")
        self.assertEqual(nodes[self.child.id]["border"], "#2B7CE9")

    def test_node_escapes_text(self):
        job = self.job(name="<b>", func_string="<i>")
        self.assertEqual(
            job._dependency_graph_vis_node()["title"],
            "<strong>&lt;b&gt;</strong><br/>&lt;i&gt;",
        )

    def test_open_graph_jobs(self):
        action = self.parent.open_graph_jobs()
        self.assertEqual(action["name"], "Jobs for graph test-graph")
        self.assertEqual(action["context"], {})
        self.assertEqual(self.jobs.search(action["domain"]), self.parent + self.child)

    def test_dependencies_have_both_keys(self):
        keys = {"depends_on", "reverse_depends_on"}
        self.env.invalidate_all()
        self.assertEqual(set(self.child.dependencies), keys)
        self.assertEqual(self.single.dependencies, {})
        for odd in ("[1]", "5", '"a"', "no JSON"):
            update = "UPDATE queue_job SET dependencies = %s WHERE id = %s"
            self.env.cr.execute(update, [odd, self.single.id])
            self.env.invalidate_all()
            self.assertEqual(self.single.dependencies, {})
        stored = "SELECT dependencies FROM queue_job WHERE id = %s"
        self.env.cr.execute(stored, [self.child.id])
        self.assertEqual(set(json.loads(self.env.cr.fetchone()[0])), keys)

    def test_json_written_later_becomes_edges(self):
        self.single.dependencies = {
            "depends_on": [],
            "reverse_depends_on": [self.child.uuid],
        }
        self.assertEqual(self.child.dependency_ids, self.parent + self.single)


class TestFailureMessage(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Other company"})
        cls.other_manager = new_test_user(
            cls.env,
            "other_manager",
            groups=f"base.group_user,{MANAGER_GROUP}",
            company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)],
        )
        cls.inactive = new_test_user(cls.env, "gone", groups=MANAGER_GROUP)
        cls.inactive.active = False

    def messages(self, job):
        subtype = self.env.ref("queue_job.mt_job_failed")
        return job.message_ids.filtered(lambda message: message.subtype_id == subtype)

    def test_one_message_when_the_state_changes(self):
        job = self.job("started")
        job.state = "failed"
        self.assertEqual(len(self.messages(job)), 1)
        job.write({"state": "failed", "exc_name": "Again"})
        self.assertEqual(len(self.messages(job)), 1)

    def test_followers_without_company(self):
        job = self.job("started", user_id=self.plain_user.id)
        job.state = "failed"
        followers = job.message_follower_ids.partner_id
        for user in self.manager + self.other_manager + self.plain_user:
            self.assertIn(user.partner_id, followers)
        self.assertNotIn(self.inactive.partner_id, followers)

    def test_followers_of_the_company(self):
        job = self.job("started", company_id=self.company.id)
        job.state = "failed"
        followers = job.message_follower_ids.partner_id
        self.assertIn(self.other_manager.partner_id, followers)
        self.assertNotIn(self.manager.partner_id, followers)

    def test_domain_can_be_extended(self):
        domain = self.job()._subscribe_users_domain()
        domain.append(("active", "=", True))
        self.assertIsInstance(domain, list)

    def test_nothing_to_tell(self):
        job = self.job("started")
        with patch.object(type(job), "_message_failed_job", lambda self: None):
            job.state = "failed"
        self.assertFalse(self.messages(job))
