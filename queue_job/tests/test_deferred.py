# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest import mock

from odoo.addons.base.models.res_partner import ResPartner
from odoo.addons.queue_job import exception, jobs
from odoo.addons.queue_job.job import job as job_decorator
from odoo.addons.queue_job.jobs import (
    DefaultDeferredType,
    Deferred,
    DeferredType,
    HighPriorityDeferred,
    LowPriorityDeferred,
)

from ..progress.reporting import Run
from . import common
from .helper_case import HelperCase

NEW_NAME = {"name": "Deferred"}


class TestDeferred(HelperCase):
    def assert_writes(self, job):
        record = job.db_record()
        self.assertEqual(record.state, "pending")
        self.drain_new()
        self.assertEqual(record.state, "done")
        self.assertEqual(self.partner.name, "Deferred")

    def test_a_bound_method(self):
        self.assert_writes(Deferred(self.partner.write, NEW_NAME))

    def test_a_model_and_a_cursor(self):
        args = (self.env.cr, self.env.uid, "write", self.partner.ids, NEW_NAME)
        self.assert_writes(Deferred("res.partner", *args))

    def test_a_model_and_a_cursor_with_keywords(self):
        args = (self.env.cr, self.env.uid, "write", self.partner.ids)
        self.assert_writes(Deferred("res.partner", *args, vals=NEW_NAME))

    def test_a_method_of_the_model_takes_no_ids(self):
        job = Deferred("res.partner", self.env.cr, self.env.uid, "create", [NEW_NAME])
        self.assertEqual(job.recordset, self.env["res.partner"])
        self.assertEqual(job.args, ([NEW_NAME],))

    def test_a_database_and_a_user(self):
        dbname = self.env.cr.dbname
        with self.enter_registry_test_mode():
            job = Deferred(
                dbname,
                self.env.uid,
                "res.partner",
                "write",
                args=(self.partner.ids, NEW_NAME),
            )
            self.assertEqual(job.recordset.ids, self.partner.ids)
            self.assertEqual(job.user_id, self.env.uid)
            by_model = Deferred(
                "res.partner", dbname, self.env.uid, "write", self.partner.ids, NEW_NAME
            )
            self.assertEqual(by_model.method_name, "write")

    def test_another_database(self):
        with self.assertRaisesRegex(ValueError, "not the present one"):
            Deferred("some_other_db", self.env.uid, "res.partner", "write")

    def test_mistakes_are_told(self):
        with self.assertRaisesRegex(TypeError, "can't be deferred"):
            Deferred(5)
        with self.assertRaisesRegex(TypeError, "no method of a recordset"):
            Deferred(len, [])
        with self.assertRaisesRegex(TypeError, "needs the cursor"):
            Deferred("res.partner")
        with self.assertRaisesRegex(TypeError, "needs the ids"):
            Deferred("res.partner", self.env.cr, self.env.uid, "write")


class TestModels(HelperCase):
    """The model is a name, a class or a recordset."""

    def defer(self, model, *args):
        job = Deferred(model, self.env.cr, self.env.uid, "write", *args)
        return job.recordset, job.args

    def test_an_empty_recordset_and_a_class_are_names(self):
        expected = self.partner, (NEW_NAME,)
        ids = self.partner.ids
        for model in (
            "res.partner",
            self.env["res.partner"],
            type(self.env["res.partner"]),
            ResPartner,
        ):
            with self.subTest(model):
                self.assertEqual(self.defer(model, ids, NEW_NAME), expected)

    def test_records_are_those_of_the_call(self):
        found = self.defer(self.partner, NEW_NAME)
        self.assertEqual(found, (self.partner, (NEW_NAME,)))

    def test_a_method_of_the_model(self):
        job = Deferred(
            self.env["res.partner"], self.env.cr, self.env.uid, "create", [NEW_NAME]
        )
        self.assertEqual((len(job.recordset), job.args), (0, ([NEW_NAME],)))

    def test_too_little(self):
        for model in (self.partner, ResPartner):
            with self.assertRaisesRegex(TypeError, "needs the cursor"):
                Deferred(model)


class TestOldNames(HelperCase):
    def test_aliases(self):
        self.assertIs(common.JobsTester, common.JobsTrap)
        self.assertIs(exception.RetryableError, exception.RetryableJobError)

    def test_the_decorator_only_warns(self):
        def method(record):
            return record

        logger = "odoo.addons.queue_job.core.obsolete"
        with self.assertLogs(logger, "WARNING") as logs:
            self.assertIs(job_decorator(method), method)
            self.assertIs(job_decorator(default_channel="root.x")(method), method)
        self.assertRegex(logs.output[0], "@job on .*method has no effect.*delayed$")
        self.assertRegex(logs.output[1], "its options .default_channel.$")

    def test_report_progress_without_an_environment(self):
        reported = []

        def testing(partner):
            jobs.report_progress("Half", 50)
            jobs.report_progress("Message only")
            jobs.report_progress(message="By name", progress=70)
            jobs.report_progress(None, 80)
            jobs.report_progress(partner.env, "With it", 90)

        def report(run, **values):
            reported.append((values["message"], values["progress"]))

        with self.job_method(testing), mock.patch.object(Run, "report", report):
            self.partner.with_delay().testing()
            self.drain_new()
        jobs.report_progress("Outside", 5)
        self.assertEqual(
            reported,
            [
                ("Half", 50),
                ("Message only", None),
                ("By name", 70),
                (None, 80),
                ("With it", 90),
            ],
        )


class TestTypes(HelperCase):
    def test_options(self):
        later = DeferredType(priority=3, channel="root.low", max_retries=7)
        job = later(self.partner.write, NEW_NAME)
        self.assertEqual(job.priority, 3)
        self.assertEqual(job.channel, "root.low")
        self.assertEqual(job.max_retries, 7)

    def test_unknown_options_are_refused_by_name(self):
        with self.assertRaisesRegex(TypeError, "'routing_key'"):
            DeferredType(routing_key="high")

    def test_names_of_celery(self):
        later = DeferredType(
            time_limit=600, soft_time_limit=595, retry=False, ignore_result=True
        )
        job = later(self.partner.write, NEW_NAME)
        self.assertEqual((job.timeout, job.max_retries), (595, 1))
        self.assertEqual(job.options, {"ignore_result": True})
        self.assertEqual(
            DeferredType(retry=True)(self.partner.write, {}).max_retries, 5
        )
        self.drain_new()
        self.assertFalse(job.db_record().result)

    def test_names_of_celery_that_say_the_same_as_ours(self):
        for name, given in (
            ("timeout", {"time_limit": 5, "timeout": 6}),
            ("max_retries", {"retry": False, "max_retries": 2}),
        ):
            with self.assertRaisesRegex(ValueError, f"{name} say the same"):
                DeferredType(**given)

    def test_calls_that_follow(self):
        call = self.partner.delayable
        linked = DeferredType(
            link=call().write({"ref": "done"}),
            link_error=[call().write({"function": "failed"})],
        )
        for number in (1, 2):
            with self.subTest(number=number):
                self.counter = self.job_counter()
                self.partner.ref = False
                linked(self.partner.write, NEW_NAME)
                self.drain_new()
                states = sorted(self.counter.search_created().mapped("state"))
                self.assertEqual(states, ["cancelled", "done", "done"])
                self.assertEqual(self.partner.ref, "done")
        self.assertFalse(self.partner.function)

    def test_calls_that_follow_at_once(self):
        partner = self.partner.with_context(queue_job__no_delay=True)
        linked = DeferredType(
            link=partner.delayable().write({"ref": "done"}),
            link_error=partner.delayable().write({"function": "failed"}),
        )
        linked(partner.write, NEW_NAME)
        self.assertEqual((partner.ref, partner.function), ("done", False))

    def test_what_follows_has_to_be_a_call(self):
        for wrong in ("task", [self.partner]):
            with self.assertRaisesRegex(TypeError, "link and link_error take calls"):
                DeferredType(link=wrong)

    def test_presets(self):
        jobs_of = {
            "root.high": (HighPriorityDeferred, 1),
            "root.default": (DefaultDeferredType(), 10),
            "root.low": (LowPriorityDeferred, 100),
        }
        for channel, (deferred, priority) in jobs_of.items():
            job = deferred(self.partner.write, NEW_NAME)
            self.assertEqual((job.channel, job.priority), (channel, priority))

    def test_the_channels_exist(self):
        for name in ("high", "default", "low"):
            channel = self.env.ref(f"queue_job.channel_{name}")
            self.assertEqual(channel.complete_name, f"root.{name}")
            self.assertFalse(channel.capacity)

    def test_nested_calls_run_at_once(self):
        partner = self.partner.with_context(job_uuid="some job")
        with self.assertLogs("odoo.addons.queue_job.delay", "WARNING"):
            Deferred(partner.write, NEW_NAME)
        self.assertEqual(self.partner.name, "Deferred")
        self.assertFalse(self.counter.count_created())

    def test_nested_calls_may_be_allowed(self):
        partner = self.partner.with_context(job_uuid="some job")
        DeferredType(allow_nested=True)(partner.write, NEW_NAME)
        self.assertEqual(self.counter.count_created(), 1)

    def test_report_progress_outside_of_jobs(self):
        jobs.report_progress(self.env, "Nothing", 5)
