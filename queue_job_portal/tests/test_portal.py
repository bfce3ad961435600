# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pages of the portal show and change what the customer may, and no more."""

from uuid import uuid4

from lxml import html

from odoo import fields, http
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

FUNCTION = "<res.partner>.read"


@tagged("post_install", "-at_install")
class TestPortal(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customer, cls.other = (
            new_test_user(cls.env, login, groups="base.group_portal")
            for login in ("jobs_customer", "jobs_other")
        )
        cls.env["queue.job.function"].create({"name": FUNCTION})

    def setUp(self):
        super().setUp()
        self.authenticate("jobs_customer", "jobs_customer")

    def job(self, state="pending", meant_for=None, **values):
        partner = (meant_for or self.customer).partner_id
        return self.env["queue.job"].create(
            {
                "uuid": str(uuid4()),
                "name": "Print <your> documents",
                "state": state,
                "model_name": "res.partner",
                "method_name": "read",
                "channel_method_name": FUNCTION,
                "channel": "root",
                "priority": 10,
                "date_created": "2026-01-01 00:00:00",
                "user_id": 1,
                "options": {"meant_for": partner.id},
                "exc_info": "canary",
                "args": ["canary"],
                **values,
            }
        )

    def page(self, path="/my/jobs"):
        answer = self.url_open(path)
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn("canary", answer.text)
        return html.fromstring(answer.text)

    def rows(self, path="/my/jobs"):
        found = self.page(path).find_class("o_queue_job_portal_job")
        return [row.get("data-uuid") for row in found]

    def change(self, job, change):
        data = {"csrf_token": http.Request.csrf_token(self)}
        return self.url_open(f"/my/jobs/{job.uuid}/{change}", data=data)

    def let(self, **values):
        functions = self.env["queue.job.function"]
        functions.search([("name", "=", FUNCTION)]).write(values)

    def test_only_what_is_meant_for_the_customer(self):
        job = self.job()
        self.job(meant_for=self.other)
        for path in ("/my/jobs", "/my/jobs/rows"):
            self.assertEqual(self.rows(path), [job.uuid])
        self.assertIn("Print <your> documents", self.page().text_content())

    def test_not_without_a_login(self):
        self.authenticate(None, None)
        for path in ("/my/jobs", "/my/jobs/rows"):
            self.assertIn("/web/login", self.url_open(path).url)

    def test_pages(self):
        jobs = [self.job() for _number in range(21)]
        self.assertEqual(len(self.rows()), 20)
        self.assertEqual(self.rows(f"/my/jobs?before={jobs[1].id}"), [jobs[0].uuid])
        self.assertEqual(len(self.rows("/my/jobs?before=x' OR 1=1")), 20)

    def test_a_link_to_the_result(self):
        url = '{"type": "ir.actions.act_url", "url": "%s"}'
        self.job("done", result_json=url % "/web/content/1")
        self.job("done", result_json=url % "javascript:alert(1)")
        links = {link for _e, _a, link, _p in self.page().iterlinks()}
        self.assertIn("/web/content/1", links)
        self.assertNotIn("javascript:alert(1)", links)

    def test_changes_where_the_function_allows_them(self):
        job = self.job()
        self.assertFalse(self.page().find_class("o_queue_job_portal_cancel"))
        self.assertIn("refused", self.change(job, "cancel").url)
        self.assertEqual(job.state, "pending")
        self.let(cancel_by="meant_for", retry_by="meant_for")
        self.assertTrue(self.page().find_class("o_queue_job_portal_cancel"))
        self.change(job, "cancel")
        self.assertEqual(job.state, "cancelled")
        failed = self.job("failed")
        self.assertTrue(self.page().find_class("o_queue_job_portal_retry"))
        self.change(failed, "retry")
        self.assertEqual(failed.state, "pending")

    def test_nothing_of_others(self):
        self.let(cancel_by="meant_for", retry_by="meant_for")
        for state, change in (("pending", "cancel"), ("failed", "retry")):
            job = self.job(state, meant_for=self.other)
            self.assertIn("refused", self.change(job, change).url)
            self.assertEqual(job.state, state)

    def test_a_form_needs_its_token(self):
        self.let(cancel_by="meant_for")
        job = self.job()
        with mute_logger("odoo.http"):
            self.url_open(f"/my/jobs/{job.uuid}/cancel", data={"x": "y"})
        self.assertEqual(job.state, "pending")

    def test_the_page_tells_the_end_of_a_job(self):
        """No mail follows."""
        job = self.job("done")
        self.env["queue.job.notice"].create(
            {
                "partner_id": self.customer.partner_id.id,
                "uuid": job.uuid,
                "state": "done",
                "date": fields.Datetime.now(),
            }
        )
        self.page()
        self.assertFalse(self.env["queue.job.notice"].search([]))

    def test_the_entry_on_the_home_page(self):
        counters = {"counters": ["queue_job_count"]}
        for count in (0, 1):
            answer = self.make_jsonrpc_request("/my/counters", counters)
            self.assertEqual(answer["queue_job_count"], count)
            self.job()

    def test_where_a_message_leads(self):
        notices = self.env["queue.job.notice"]
        employee = new_test_user(self.env, "jobs_employee", groups="base.group_user")
        for user, path in ((self.customer, "/my/jobs"), (employee, "/odoo/my-jobs")):
            self.assertTrue(notices._my_jobs_url(user.partner_id).endswith(path))
