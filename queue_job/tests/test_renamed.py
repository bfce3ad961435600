# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs wait while their method, or their model, gets another name."""

from odoo.exceptions import UserError

from ..declarations.report import jobs_of_missing_methods, report
from ..exception import RetryableJobError
from ..job import Job
from .helper_case import HelperCase

NOW = "testing"


class RenamedCase(HelperCase):
    def setUp(self):
        super().setUp()
        self.calls = []
        patcher = self.job_method(self.method())
        patcher.start()
        self.addCleanup(patcher.stop)
        self.channel = self.env.ref("queue_job.channel_low")

    def method(self):
        def function(partner, *args):
            """Test the new name"""
            self.calls.append((partner, args))

        return function

    def function(self, former_names="exported", **values):
        values = {
            "name": f"<res.partner>.{NOW}",
            "former_names": former_names,
            **values,
        }
        return self.env["queue.job.function"].create(values)

    def waiting(self, *args, method="exported", model="res.partner"):
        """Enqueue a job by a name, and forget the method of that name."""
        job = self.partner.with_delay().testing(*args)
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE queue_job
               SET method_name = %(method)s, model_name = %(model)s, name = NULL,
                   channel_method_name = '<' || %(model)s || '>.' || %(method)s,
                   records = replace(records::text, 'res.partner', %(model)s)::jsonb,
                   args = replace(args::text, 'res.partner', %(model)s)::jsonb
             WHERE uuid = %(uuid)s""",
            {"method": method, "model": model, "uuid": job.uuid},
        )
        self.env.invalidate_all()
        return Job.load(self.env, job.uuid)

    def texts(self):
        return [str(problem) for problem in report(self.env)]


class TestRenamedMethod(RenamedCase):
    def test_a_waiting_job_calls_the_method_of_now(self):
        job = self.waiting(5)
        self.function("other exported", timeout=30, channel_id=self.channel.id)
        job.perform()
        self.assertEqual(self.calls, [(self.partner, (5,))])
        self.assertEqual(job.job_function_name, f"<res.partner>.{NOW}")
        self.assertEqual(job.job_config.timeout, 30)
        self.assertEqual(job.description, "Test the new name")

    def test_the_row_keeps_what_it_was(self):
        job = self.waiting()
        self.function()
        record = self.drain_new().done
        self.assertEqual(record, job.db_record())
        self.assertEqual((record.state, record.method_name), ("done", "exported"))
        self.assertEqual(record.channel_method_name, "<res.partner>.exported")

    def test_its_failure_follows_the_function_of_now(self):
        job = self.waiting()
        function = self.function(failure_notice="none")
        policy = job.db_record()._failure_policy()
        self.assertEqual(policy.notice, "none")
        self.assertIn(job.db_record(), self.jobs_of(function))

    def jobs_of(self, function):
        domain = function.action_open_jobs()["domain"]
        return self.env["queue.job"].search(domain)

    def test_requeue_and_enqueue_once_more(self):
        job = self.waiting(7)
        record = job.db_record()
        record.button_cancelled()
        self.function()
        record.requeue()
        self.assertEqual(record.state, "pending")
        record.action_duplicate()
        copy = self.env["queue.job"].search([("id", ">", record.id)])
        self.assertEqual(copy.method_name, NOW)
        self.drain_new()
        self.assertEqual(self.calls, [(self.partner, (7,))] * 2)

    def test_without_a_former_name_it_fails(self):
        job = self.waiting()
        with self.assertRaisesRegex(AttributeError, "exported"):
            job.perform()
        self.function("another")
        with self.assertRaisesRegex(AttributeError, "exported"):
            Job.load(self.env, job.uuid).perform()

    def test_a_method_that_still_exists_is_called(self):
        """By data that came in another way, since it is refused."""
        function = self.function()
        self.env.cr.execute(
            "UPDATE queue_job_function SET former_names = 'exists' WHERE id = %s",
            [function.id],
        )
        self.env.registry.clear_cache()
        job = Job(self.partner.exists)
        self.assertEqual(job.perform(), self.partner)
        self.assertFalse(self.calls)

    def test_the_retry_pattern_of_now(self):
        def fails(partner):
            raise RetryableJobError("Again")

        job = self.waiting()
        self.function(retry_pattern={1: 33})
        with self.job_method(fails), self.assertRaises(RetryableJobError):
            job.perform()
        self.assertEqual(job._get_retry_seconds(), 33)


class TestRenamedModel(RenamedCase):
    def test_the_records_are_those_of_the_model_of_now(self):
        job = self.waiting(self.partner, model="old.partner")
        with self.assertRaises(KeyError):
            job.perform()
        self.function("<old.partner>.exported")
        Job.load(self.env, job.uuid).perform()
        self.assertEqual(self.calls, [(self.partner, (self.partner,))])
        self.assertEqual(job.db_record().records, self.partner)

    def test_its_method_may_have_kept_its_name(self):
        job = self.waiting(model="old.partner", method=NOW)
        self.function(f"<old.partner>.{NOW}")
        job.perform()
        self.assertEqual(len(self.calls), 1)


class TestDeclaration(RenamedCase):
    def test_mistakes_are_refused(self):
        self.function("taken")
        other = self.env["queue.job.function"].create({"name": "<res.partner>.write"})
        for text, message in {
            "res.partner.old": "res.partner.old is no name of a method. Give names sep",
            "exists": "<res.partner>.exists is a method still, and its jobs call that",
            "taken": "<res.partner>.taken is a former name of <res.partner>.testing",
            "a a": "<res.partner>.a is a former name of <res.partner>.write already",
        }.items():
            with self.subTest(text), self.assertRaisesRegex(UserError, message):
                other.former_names = text

    def test_the_function_of_before_is_to_be_deleted(self):
        old = self.env["queue.job.function"].create({"name": "<res.partner>.write"})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job_function SET method = 'exported',"
            " name = '<res.partner>.exported' WHERE id = %s",
            [old.id],
        )
        self.env.invalidate_all()
        self.function()
        config = old.job_config("<res.partner>.exported")
        self.assertNotEqual(config.job_function_id, old.id)
        (text,) = self.texts()
        self.assertIn("<res.partner>.testing names it in former_names", text)

    def test_jobs_of_a_method_that_is_gone(self):
        self.env["queue.job"].search([]).unlink()
        self.waiting(method="testign")
        self.waiting(model="old.partner")
        first, second = map(str, jobs_of_missing_methods(self.env))
        self.assertRegex(first, r"1 job\(s\) call <old.partner>.exported: .* no model")
        self.assertRegex(second, "testign is no method of res.partner.*mean testing?")
        self.function("testign <old.partner>.exported")
        self.assertEqual(list(jobs_of_missing_methods(self.env)), [])
