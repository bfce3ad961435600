# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who may see and change jobs."""

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tools import mute_logger

from .job_case import JobCase

MODELS = [
    "queue.job",
    "queue.job.attempt",
    "queue.job.channel",
    "queue.job.dependency",
    "queue.job.function",
    "queue.job.lock",
    "queue.job.runner",
    "queue.job.signal",
    "queue.requeue.job",
    "queue.jobs.to.done",
    "queue.jobs.to.cancelled",
]


class TestSecurity(JobCase):
    def rpc(self, user, method, *args):
        return call_kw(self.jobs.with_user(user), method, args, {})

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_plain_user_has_no_access(self):
        for model in MODELS:
            for mode in ("read", "write", "create", "unlink"):
                with self.subTest(model=model, mode=mode):
                    self.assertFalse(
                        self.env[model].with_user(self.plain_user).has_access(mode)
                    )

    def test_manager_reads_and_writes_jobs_only(self):
        jobs = self.jobs.with_user(self.manager)
        allowed = {mode: jobs.has_access(mode) for mode in ("read", "write")}
        denied = {mode: jobs.has_access(mode) for mode in ("create", "unlink")}
        self.assertTrue(all(allowed.values()))
        self.assertFalse(any(denied.values()))

    def test_rpc_cannot_create(self):
        for user in (self.manager, self.env.ref("base.user_admin")):
            with self.assertRaises(AccessError):
                self.rpc(user, "create", [{"uuid": "x", "state": "pending"}])

    def test_rpc_cannot_change_what_is_executed(self):
        job = self.job()
        for field in ("records", "args", "kwargs", "model_name", "method_name"):
            with self.subTest(field), self.assertRaises(AccessError):
                self.rpc(self.manager, "write", job.ids, {field: "x"})

    def test_manager_does_not_choose_the_rights_of_a_job(self):
        """Who administrates may; and everybody may take a job over."""
        job = self.job(records=self.env["res.partner"].browse(1))
        for user in (self.env.ref("base.user_root"), self.plain_user):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self.rpc(self.manager, "write", job.ids, {"user_id": user.id})
        self.rpc(self.manager, "write", job.ids, {"user_id": self.manager.id})
        self.assertEqual(job.records.env.user, self.manager)
        admin = self.env.ref("base.user_admin")
        self.rpc(admin, "write", job.ids, {"user_id": self.plain_user.id})
        self.assertEqual(job.user_id, self.plain_user)

    def test_rpc_cannot_touch_the_claim(self):
        job = self.job()
        for field in ("claim_token", "lease_id", "identity_slot", "result_json"):
            with self.subTest(field), self.assertRaises(AccessError):
                self.rpc(self.manager, "write", job.ids, {field: 1})

    def test_rpc_cannot_join_jobs(self):
        """An edge could reach a job of another company, and cancel it."""
        company = self.env["res.company"].create({"name": "Other company"})
        other = self.job("wait_dependencies", company_id=company.id)
        job = self.job()
        for values in (
            {"dependencies": {"reverse_depends_on": [other.uuid]}},
            {"graph_uuid": "x"},
        ):
            with self.subTest(values), self.assertRaises(AccessError):
                self.rpc(self.manager, "write", job.ids, values)

    def test_only_administrators_choose_the_method_for_failures(self):
        """It runs with the rights of the user of the job."""
        admin = self.env.ref("base.user_admin")
        functions = self.env["queue.job.function"]
        function = functions.create({"name": "<res.partner>.read"})
        users = self.env.ref("base.model_res_users").id

        def call(user, method, *args):
            return call_kw(functions.with_user(user), method, args, {})

        chosen = {"on_fail_method": "unlink"}
        with self.assertRaises(AccessError):
            call(self.manager, "create", [{"name": "<res.users>.read", **chosen}])
        with self.assertRaises(AccessError):
            call(self.manager, "write", function.ids, chosen)
        call(admin, "write", function.ids, chosen)
        for moved in ({"name": "<res.users>.read"}, {"model_id": users}):
            with self.subTest(moved), self.assertRaises(AccessError):
                call(self.manager, "write", function.ids, moved)
        call(self.manager, "write", function.ids, {"timeout": 5, **chosen})
        call(self.manager, "write", function.ids, {"on_fail_method": False})
        call(self.manager, "write", function.ids, {"model_id": users})

    def test_rpc_cannot_rename_the_root_channel(self):
        root = self.env.ref("queue_job.channel_root").with_user(self.manager)
        with self.assertRaises(UserError):
            root.with_context(install_mode=True).name = "trunk"

    def test_held_by_a_job_of_another_company(self):
        company = self.env["res.company"].create({"name": "Other company"})
        same = {"gate": "k", "gate_limit": 0}
        self.job("failed", company_id=company.id, name="Secret", **same)
        held = self.job(gate_state="waiting", **same).with_user(self.manager)
        self.assertIn("another company", held.held_by)
        self.assertNotIn("Secret", held.held_by)

    def test_rpc_cannot_requeue_stuck_jobs(self):
        with self.assertRaises(AccessError):
            self.rpc(self.manager, "requeue_stuck_jobs")

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_plain_user_cannot_act(self):
        job = self.job("failed")
        for method in (
            "requeue",
            "button_done",
            "button_cancelled",
            "cancel",
            "action_delete_final",
        ):
            with self.subTest(method), self.assertRaises(AccessError):
                self.rpc(self.plain_user, method, job.ids)

    def test_owner_may_cancel(self):
        job = self.job(user_id=self.plain_user.id)
        self.rpc(self.plain_user, "cancel", job.ids)
        self.assertEqual(job.state, "cancelled")

    @mute_logger("odoo.addons.base.models.ir_rule")
    def test_company_rule(self):
        company = self.env["res.company"].create({"name": "Other company"})
        job = self.job("failed", company_id=company.id)
        self.assertFalse(
            self.jobs.with_user(self.manager).search([("id", "=", job.id)])
        )
        with self.assertRaises(AccessError):
            self.rpc(self.manager, "requeue", job.ids)
        with self.assertRaises(AccessError):
            self.rpc(self.manager, "action_delete_final", job.ids)

    def test_views_open_for_the_manager(self):
        self.job("failed", records=self.env["res.partner"].browse(1))
        for view in ("form", "list", "kanban", "calendar", "pivot", "graph", "search"):
            with self.subTest(view):
                self.jobs.with_user(self.manager).get_view(view_type=view)
