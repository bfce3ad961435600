# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who changed what, when, and why."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from ..models import queue_job_actions, queue_job_journal
from ..models.queue_job_journal import PART_OF, PartOf
from .job_case import MANAGER_GROUP, JobCase


class TestJournal(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.journal = cls.env["queue.job.journal"]
        cls.boss = new_test_user(
            cls.env, "boss", groups=f"base.group_system,{MANAGER_GROUP}"
        )

    def job(self, state="pending", **values):
        values.setdefault("channel_method_name", "<a>.b")
        values.setdefault("company_id", self.env.company.id)
        return super().job(state, **values)

    def rows(self):
        return self.journal.search([])

    # -- jobs ----------------------------------------------------------------------

    def test_each_change_of_jobs(self):
        for state, method, action in (
            ("failed", "requeue", "requeue"),
            ("pending", "button_done", "set_done"),
            ("pending", "button_cancelled", "cancel"),
            ("started", "cancel", "cancel"),
            ("done", "action_delete_final", "delete"),
        ):
            with self.subTest(method):
                before = self.rows()
                jobs = self.job(state) + self.job(state, channel_method_name="<c>.d")
                listed = jobs.ids
                getattr(jobs.with_user(self.manager), method)()
                (row,) = self.rows() - before
                self.assertEqual((row.action, row.kind), (action, "job"))
                self.assertEqual(row.user_id, self.manager)
                self.assertEqual((row.job_count, row.listed), (2, listed))
                self.assertEqual(row.subject, "<a>.b (1), <c>.d (1)")
                self.assertEqual(row.company_id, self.env.company)

    def test_what_changes_nothing_is_not_noted(self):
        self.job("done").with_user(self.manager).button_cancelled()
        self.assertFalse(self.rows())

    def test_the_reason_and_all_parts_are_one_row(self):
        jobs = self.jobs.concat(*(self.job("failed") for _ in range(5)))
        with (
            patch.object(queue_job_actions, "BACKGROUND_FROM", 2),
            patch.object(queue_job_actions, "CHUNK", 2),
            patch.object(type(self.jobs), "_queue_runs", lambda self: False),
        ):
            self.jobs.with_user(self.manager)._change_many(
                "requeue", [("id", "in", jobs.ids)], reason="The printer is back."
            )
        row = self.rows()
        self.assertEqual((row.job_count, row.reason), (5, "The printer is back."))
        self.assertEqual(row.listed, jobs.ids)
        domain = row.with_user(self.manager).action_open_jobs()["domain"]
        self.assertEqual(self.jobs.search(domain), jobs)

    def test_many_functions_are_counted(self):
        counts = {f"<a>.{number}": 10 - number for number in range(7)}
        text = self.journal._names_of(counts)
        self.assertTrue(text.startswith("<a>.0 (10), <a>.1 (9)"), text)
        self.assertTrue(text.endswith("and 2 more"), text)

    # -- settings ------------------------------------------------------------------

    def test_a_channel(self):
        root = self.env.ref("queue_job.channel_root")
        channel = root.create({"name": "j", "parent_id": root.id, "capacity": 1})
        self.assertFalse(self.rows())  # by the superuser
        mine = channel.with_user(self.boss)
        mine.write({"capacity": 3, "throttle": 0})
        mine.action_pause()
        mine.action_pause()  # changes nothing
        mine.action_resume()
        mine.unlink()
        noted = [(row.action, row.subject, row.details) for row in self.rows()[::-1]]
        self.assertEqual(
            noted,
            [
                ("change", "root.j", "Capacity: 1 → 3"),
                ("pause", "root.j", "Paused: False → True"),
                ("resume", "root.j", "Paused: True → False"),
                ("delete", "root.j", ""),
            ],
        )
        self.assertEqual(self.rows().user_id, self.boss)

    def test_a_job_function(self):
        model = self.env.ref("base.model_res_partner")
        function = self.env["queue.job.function"].with_user(self.boss)
        function = function.create({"model_id": model.id, "method": "read"})
        function.edit_retry_pattern = "{1: 60}"
        created, changed = self.rows()[::-1]
        self.assertEqual((created.action, created.kind), ("create", "function"))
        self.assertEqual(changed.subject, "<res.partner>.read")
        self.assertIn("60", changed.details)

    def test_data_files_are_not_noted(self):
        root = self.env.ref("queue_job.channel_root")
        root.with_context(install_mode=True).capacity = 9
        self.assertFalse(self.rows())
        root.with_user(self.boss).with_context(install_mode=True).capacity = 8
        self.assertEqual(len(self.rows()), 1)  # whoever calls chooses the context

    def test_nobody_adds_to_the_row_of_another(self):
        key = {PART_OF: PartOf("k")}
        for user in (self.manager, self.boss, self.boss):
            self.job("failed").with_user(user).with_context(**key).requeue()
        self.assertEqual(self.rows().mapped("job_count"), [2, 1])

    def test_nothing_in_it_comes_from_a_context(self):
        """Whoever calls by RPC chooses the context."""
        context = {
            "default_job_count": 99,
            "default_functions": {"<account.move>.unlink": 9},
            "default_listed": [1],
            "queue_job_change": {"key": "k", "reason": "forged", "details": "forged"},
        }
        job = self.job("failed").with_user(self.manager)
        job.with_context(**context).requeue()
        row = self.rows()
        self.assertEqual((row.job_count, row.listed), (1, job.ids))
        self.assertNotIn("<account.move>.unlink", row.functions)
        self.assertFalse(row.reason or row.details or row.change)

    # -- who reads it, and how long --------------------------------------------------

    def test_nobody_edits_it(self):
        self.job("failed").with_user(self.manager).requeue()
        row = self.rows().with_user(self.boss)
        for change in (
            lambda: row.write({"reason": "another"}),
            row.unlink,
            lambda: row.create({"date": row.date, "action": "cancel", "kind": "job"}),
        ):
            with self.assertRaises(AccessError):
                change()
        with self.assertRaises(AccessError):
            row.with_user(self.plain_user).read(["subject"])

    def test_each_company_has_its_row(self):
        second = self.env["res.company"].create({"name": "Second"})
        jobs = self.job("failed") + self.job("failed", company_id=second.id)
        jobs.requeue()
        self.assertEqual(self.rows().mapped("job_count"), [1, 1])
        seen = self.journal.with_user(self.manager).search([])
        self.assertEqual(seen.company_id, self.env.company)

    def test_rows_are_kept_as_long_as_the_jobs(self):
        self.env["queue.job.channel"].search([]).removal_interval = 40
        values = {"action": "pause", "kind": "channel"}
        for days in (39, 41):
            date = fields.Datetime.now() - timedelta(days=days)
            self.journal.create({**values, "date": date})
        self.journal._gc_journal()
        self.assertEqual(len(self.rows()), 1)
        self.assertGreater(40, queue_job_journal.KEEP_DAYS)
