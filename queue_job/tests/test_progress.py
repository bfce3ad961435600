# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reports and loops inside of jobs, as the code of jobs sees them.

Here the reports use the cursor of the job; that they leave a running transaction over
a connection of their own is shown by the end-to-end tests.
"""

from unittest import mock

from odoo.exceptions import AccessError
from odoo.service import model as rpc_model

from odoo.addons.queue_job.exception import JobCancelled
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.progress import iteration, reporting

from .helper_case import HelperCase

NEVER = float("inf")


class ProgressCase(HelperCase):
    def run_job(self, function, **options):
        """Let a job call a function of the partner; return its record."""
        with self.job_method(function):
            job = self.partner.with_delay(**options).testing()
            self.drained = self.drain_new(follow_due_dates=True)
        return job.db_record()

    def progress_of(self, record):
        return self.env["queue.job.progress"].search([("job_id", "=", record.id)])


class TestReports(ProgressCase):
    def test_outside_of_jobs_nothing_happens(self):
        self.env["queue.job"].report_progress("Nobody listens", 10)
        jobs = self.env["queue.job"].with_context(job_uuid="no such job")
        jobs.report_progress("Nobody listens", 10)

    def test_a_report_is_stored_beside_the_job(self):
        def function(partner):
            partner.env["queue.job"].report_progress("Half", 5, valuemin=0, valuemax=10)

        record = self.run_job(function)
        self.assertEqual(record.state, "done")
        progress = self.progress_of(record)
        self.assertEqual((progress.percent, progress.message), (50, "Half"))

    def test_the_last_report_is_kept_even_if_throttled(self):
        def function(partner):
            for percent in range(101):
                partner.env["queue.job"].report_progress(f"At {percent}", percent)

        record = self.run_job(function)
        self.assertEqual(self.progress_of(record).message, "At 100")

    def test_reports_are_throttled(self):
        sent = []

        def function(partner):
            for number in range(1000):
                partner.env["queue.job"].report_progress("Again", number / 10)

        with mock.patch.object(
            reporting.Run, "_send", lambda run: sent.append(run.progress.percent)
        ):
            self.run_job(function)
        self.assertLess(len(sent), 8)
        self.assertEqual(sent[-1], 99.9)

    def test_the_user_of_the_job_hears_of_it(self):
        def function(partner):
            partner.env["queue.job"].report_progress("Private", 10)

        with mock.patch.object(
            type(self.env["bus.bus"]), "_sendone", autospec=True
        ) as send:
            record = self.run_job(function)
        messages = [
            call.args[1:] for call in send.mock_calls if "progress" in call.args[2]
        ]
        ((target, kind, message),) = messages
        self.assertEqual(target, self.env.user.partner_id)
        self.assertEqual(kind, "queue_job.progress.progress")
        self.assertEqual(message["uuid"], record.uuid)
        self.assertEqual(message["percent"], 10)

    def test_a_report_hears_of_a_cancellation(self):
        def function(partner):
            uuid = partner.env.context["job_uuid"]
            job = partner.env["queue.job"].sudo().search([("uuid", "=", uuid)])
            job._signal("cancel", "Not needed any more")
            partner.env["queue.job"].report_progress("Never seen")
            raise AssertionError("The job should have been stopped")

        record = self.run_job(function)
        self.assertEqual(record.state, "cancelled")
        self.assertEqual(record.result, "Not needed any more")

    def test_it_is_not_there_for_rpc(self):
        with self.assertRaises(AccessError):
            rpc_model.get_public_method(self.env["queue.job"], "report_progress")

    def test_no_run_is_left_behind(self):
        def function(partner):
            raise ValueError("It fails")

        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            self.run_job(function)
        self.assertFalse(reporting._runs)

    def test_the_percentage_on_the_job(self):
        def function(partner):
            partner.env["queue.job"].report_progress("Then it fails", 30)
            partner.env["queue.job"].flush_model()
            reporting.current_run(partner.env).close()
            raise JobCancelled("Enough")

        record = self.run_job(function)
        # as the work of the job, the report is undone in tests only
        self.assertIn(record.progress, (0, 30))
        self.assertEqual(self.run_job(lambda partner: None).progress, 100)


class TestJobIter(ProgressCase):
    def test_a_plain_loop_outside_of_jobs(self):
        self.assertEqual(list(self.partner.job_iter([1, 2, 3])), [1, 2, 3])

    def test_it_reports(self):
        def function(partner):
            for _item in partner.job_iter(range(4), "{progress} of {valuemax}"):
                pass

        progress = self.progress_of(self.run_job(function))
        self.assertEqual((progress.percent, progress.message), (100, "4 of 4"))

    def test_report_rate(self):
        def function(partner):
            for _item in partner.job_iter(range(10), "{progress}", report_rate=4):
                pass

        with mock.patch.object(reporting.Run, "report") as report:
            self.run_job(function)
        texts = [call.kwargs["message"] for call in report.mock_calls]
        self.assertEqual(texts, ["4", "8", "10"])

    def test_savepoint_keeps_the_items_before(self):
        try:
            for number in self.partner.job_iter([2, 1, 0], savepoint=True):
                self.partner.name = f"At {number}"
                self.partner.flush_recordset()
                1 / number
        except ZeroDivisionError:
            pass
        self.partner.invalidate_recordset()
        self.assertEqual(self.partner.name, "At 1")

    def test_a_stopping_server_interrupts_what_can_be_resumed(self):
        seen = []

        def function(partner):
            for item in partner.job_iter(range(5), resume_key="all"):
                seen.append(item)
                partner.create({"name": f"Item {item}"})

        stops = mock.patch.object(iteration, "server_stops", lambda: len(seen) == 3)
        with stops:
            record = self.run_job(function)
        self.assertEqual(seen, [0, 1, 2, 3, 4])
        self.assertEqual(record.state, "done")
        self.assertEqual(record.retry, 1)
        self.assertEqual(len(self.drained.attempts), 2)
        made = self.env["res.partner"].search_count([("name", "=like", "Item _")])
        self.assertEqual(made, 5)
        rows = self.env["queue.job.progress"].with_context(active_test=False)
        self.assertEqual(
            rows.search([("job_id", "=", record.id)]).mapped("key"), [False]
        )

    def test_a_retry_goes_on_after_the_last_commit(self):
        seen = []

        def function(partner):
            for item in partner.job_iter(range(4), resume_key="all"):
                seen.append(item)
                if len(seen) == 3:
                    raise iteration.RetryableJobError("Later", seconds=1)

        with mock.patch.object(iteration, "COMMIT_SECONDS", 0):
            self.run_job(function)
        self.assertEqual(seen, [0, 1, 2, 2, 3])


class TestUntilTimeout(ProgressCase):
    def test_the_rest_is_done_by_the_next_attempt(self):
        seen, told = [], []

        def function(partner):
            over = lambda: told.append(True)  # noqa: E731
            for item in partner.job_until_timeout([1, 2, 3, 4], on_timeout=over):
                seen.append(item)
                partner.create({"name": f"Part {item}"})

        # no time at all: one item for each attempt
        with mock.patch.object(iteration, "time_limit", lambda run, margin: 0):
            record = self.run_job(function)
        self.assertEqual(seen, [1, 2, 3, 4])
        self.assertEqual(len(self.drained.attempts), 4)
        self.assertEqual(len(told), 3)
        self.assertEqual((record.state, record.retry), ("done", 1))
        made = self.env["res.partner"].search_count([("name", "=like", "Part _")])
        self.assertEqual(made, 4)

    def test_the_rest_may_be_left(self):
        seen = []

        def function(partner):
            seen.extend(partner.job_until_timeout([1, 2], requeue=False))

        with mock.patch.object(iteration, "time_limit", lambda run, margin: 0):
            record = self.run_job(function)
        self.assertEqual((seen, record.state), ([1], "done"))

    def test_the_limit(self):
        job = Job(self.partner.read, timeout=60)
        run = reporting.Run(job)
        with mock.patch.dict(iteration.config.options, limit_time_real=100):
            self.assertAlmostEqual(iteration.time_limit(run, 5), run.began + 55)
        job.timeout = 0
        with mock.patch.dict(iteration.config.options, limit_time_real=100):
            self.assertAlmostEqual(iteration.time_limit(run, 5), run.began + 95)
        with mock.patch.dict(iteration.config.options, limit_time_real=0):
            self.assertEqual(iteration.time_limit(run, 5), NEVER)
