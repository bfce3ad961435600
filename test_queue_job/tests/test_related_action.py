# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The button which opens what a job is about."""

import json
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user

from odoo.addons.queue_job.fields import AS_READER
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.storage.related_action import is_related_action

from .common import JobCommonCase


class TestRelatedAction(JobCommonCase):
    def stored(self, method, *args):
        job = Job(method, args=args)
        job.store()
        self.env.flush_all()
        return job

    def test_switched_off(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__no)
        self.assertIsNone(job.related_action())
        with self.assertRaisesRegex(UserError, "No action available for this job"):
            job.db_record().open_related_action()

    def test_method_that_returns_none(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__return_none)
        self.assertIsNone(job.related_action())

    def test_own_method(self):
        job = self.stored(self.method)
        self.assertEqual(job.related_action(), (job.db_record(), {}))

    def test_keyword_arguments(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__kwargs)
        self.assertEqual(job.related_action(), (job.db_record(), {"b": 4}))

    def test_stored_arguments(self):
        model = self.env["test.related.action"]
        job = self.stored(model.testing_related_action__store, "Discworld")
        self.assertEqual(
            job.db_record().open_related_action(),
            {
                "type": "ir.actions.act_url",
                "target": "new",
                "url": "https://en.wikipedia.org/wiki/Discworld",
            },
        )

    def test_method_of_the_records(self):
        """By its name; what else the records have is not called."""

        def related_action_show(records, **kwargs):
            return records, kwargs

        function = self.env.ref(
            "test_queue_job.job_function_test_queue_job_testing_method"
        )
        record = self.env["test.queue.job"].create({"name": "x"})
        name = "related_action_show"
        function.related_action = {"func_name": name, "kwargs": {"a": 1}}
        with self.assertRaisesRegex(AccessError, "whose name begins with related_act"):
            self.stored(record.testing_method).related_action()
        with patch.object(type(record), name, related_action_show, create=True):
            function.related_action = {"func_name": name, "kwargs": {"a": 1}}
            job = self.stored(record.testing_method)
            self.assertEqual(job.related_action(), (record, {"a": 1}))
            empty = self.stored(record.browse().testing_method)
            self.assertEqual(empty.related_action(), (record.browse(), {"a": 1}))
            record.unlink()
            self.assertIsNone(job.related_action())

    def test_default_opens_the_record(self):
        record = self.env["test.queue.job"].create({"name": "x"})
        job = self.stored(record.no_description)
        self.assertEqual(
            job.related_action(),
            {
                "name": "Related Record",
                "type": "ir.actions.act_window",
                "view_mode": "form",
                "res_model": "test.queue.job",
                "res_id": record.id,
            },
        )

    def test_default_opens_the_list(self):
        records = self.env["test.queue.job"].create([{"name": "x"}, {"name": "y"}])
        job = self.stored(records.no_description)
        self.assertEqual(
            job.related_action(),
            {
                "name": "Related Records",
                "type": "ir.actions.act_window",
                "view_mode": "list,form",
                "res_model": "test.queue.job",
                "domain": [("id", "in", records.ids)],
            },
        )

    def test_default_without_record(self):
        record = self.env["test.queue.job"].create({"name": "x"})
        job = self.stored(record.no_description)
        record.unlink()
        self.assertIsNone(job.related_action())
        self.assertIsNone(
            self.stored(self.env["test.queue.job"].no_description).related_action()
        )


class TestRights(JobCommonCase):
    """Whoever names a related action, or opens it, gets no more rights by it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,queue_job.group_queue_job_manager"
        cls.manager = new_test_user(cls.env, "related_manager", groups=groups)
        cls.record = cls.env["test.queue.job"].create({"name": "x"})
        cls.function = cls.env.ref(
            "test_queue_job.job_function_test_queue_job_testing_method"
        )

    def job(self, **action):
        """Return a stored job whose function has this related action."""
        if action:
            self.function.related_action = action
        job = Job(self.record.testing_method, args=(self.record, [self.record]))
        job.store()
        self.env.flush_all()
        return job.db_record()

    def open(self, job, user=None):
        return job.with_user(user or self.manager).open_related_action()

    def test_only_what_is_meant_for_it(self):
        model = self.env.registry["queue.job"]
        names = {name for name in dir(model) if is_related_action(model, name)}
        mine = {
            "testing_related_method",
            "testing_related__none",
            "testing_related__url",
            "_create_test_job",
            "_create_test_started_job",
            "_create_test_enqueued_job",
        }
        self.assertEqual(
            {name for name in names if "contract_probe" not in name},
            {"related_action_open_record", *mine},
        )

    def test_nothing_else_is_called(self):
        """What stands in a database that a manager wrote with an earlier version."""
        job = self.job()
        before = job.read()
        for name, kwargs in (
            ("write", {"vals": {"user_id": 1}}),
            ("unlink", {}),
            ("export_data", {"fields_to_export": ["uuid"]}),
            ("result_json", {}),
            ("requeue", {}),
            ("button_done", {}),
            ("_change_job_state", {"state": "done"}),
            ("sudo", {}),
            ("message_post", {"body": "x"}),
            ("__class__", {}),
            ("no_such_method", {}),
        ):
            self.function.related_action = {"func_name": name, "kwargs": kwargs}
            for user in (self.manager, self.env.ref("base.user_root")):
                with self.subTest(name), self.assertRaisesRegex(AccessError, name):
                    self.open(job, user)
        self.assertEqual(job.read(), before)

    def test_it_runs_with_the_rights_of_the_user(self):
        job, kwargs = self.open(self.job())
        self.assertEqual(kwargs, {})
        records = (job, job.records, job.args[0], job.args[1][0])
        for each in records:
            self.assertEqual(each.env.user, self.manager)
            self.assertFalse(each.env.su)
        self.assertEqual(job.records, self.record)
        with self.assertRaises(AccessError):
            job.write({"user_id": self.env.ref("base.user_admin").id})

    def test_without_a_token_the_records_keep_their_user(self):
        job = self.job().with_context(queue_job_read_as=str(AS_READER))
        self.assertTrue(job.with_user(self.manager).records.env.su)

    def test_its_context_may_be_sent(self):
        job, _kwargs = self.open(self.job())
        self.assertIn("queue_job_read_as", json.dumps(dict(job.env.context)))

    def test_of_another_company(self):
        job = self.job()
        job.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        with self.assertRaises(AccessError):
            self.open(job)

    def test_users_name_what_is_meant_for_it(self):
        admin = self.env.ref("base.user_admin")
        for user, name, error in (
            (self.manager, "testing_related__none", None),
            (self.manager, "write", AccessError),
            (self.manager, "no_such_method", AccessError),
            (self.manager, "_create_test_job", AccessError),
            (self.manager, 42, AccessError),
            (admin, "_create_test_job", None),
            (admin, "write", AccessError),
        ):
            with self.subTest(name, user=user.login):
                if error is None:
                    self.name(user, name)
                else:
                    self.assertRaises(error, self.name, user, name)

    def test_kwargs_are_a_dictionary(self):
        with self.assertRaisesRegex(UserError, "dictionary"):
            self.name(self.manager, "testing_related__none", kwargs=[1])

    def name(self, user, name, kwargs=None):
        values = {"related_action": {"func_name": name, "kwargs": kwargs or {}}}
        functions = self.env["queue.job.function"].with_user(user)
        call_kw(functions, "write", [self.function.ids, values], {})
