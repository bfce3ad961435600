# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""OpenTelemetry: a trace goes on in the job, by the real SDK."""

from contextlib import contextmanager
from unittest import mock, skipIf

from odoo.tools import mute_logger

from odoo.addons.queue_job.controllers.main import RunJobController
from odoo.addons.queue_job.core import tracing
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.tests.common import trap_jobs

from .common import JobCommonCase

try:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )
except ImportError:
    TracerProvider = None

LOGGER = "odoo.addons.queue_job.controllers.main"


@skipIf(TracerProvider is None, "opentelemetry-sdk is not installed")
class TestTracing(JobCommonCase):
    def setUp(self):
        super().setUp()
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("the caller")
        patcher = mock.patch.object(
            tracing.trace, "get_tracer_provider", return_value=provider
        )
        self.startPatcher(patcher)

    def stored(self, method=None, **options):
        """Delay a call, and load its job as a worker does."""
        model = self.env["test.queue.job"].with_delay(**options)
        job = getattr(model, method or "testing_method")("a")
        for step in (job.set_enqueued, job.set_started):
            step()
            job.store()
        self.env.flush_all()
        return Job.load(self.env, job.uuid)

    @contextmanager
    def job_method(self, function):
        """Give the test model this job method for a while."""
        function.__name__ = "testing"
        model = type(self.env["test.queue.job"])
        with mock.patch.object(model, "testing", function, create=True):
            yield

    def run_job(self, job):
        @contextmanager
        def in_temporary_env(job):
            yield job.env

        target = "odoo.addons.queue_job.job.Job.in_temporary_env"
        with mock.patch(target, in_temporary_env), mute_logger(LOGGER):
            RunJobController._runjob(self.env, job)

    def span(self, name):
        (span,) = [s for s in self.exporter.get_finished_spans() if s.name == name]
        return span

    def test_the_trace_of_the_caller_goes_on(self):
        with self.tracer.start_as_current_span("request"):
            job = self.stored()
        self.run_job(job)
        span, caller = self.span(job.job_function_name), self.span("request")
        self.assertEqual(span.context.trace_id, caller.context.trace_id)
        self.assertEqual(span.parent.span_id, caller.context.span_id)
        self.assertEqual(
            dict(span.attributes),
            {
                "queue_job.uuid": job.uuid,
                "queue_job.function": "<test.queue.job>.testing_method",
                "queue_job.channel": job.channel,
                "queue_job.database": self.env.cr.dbname,
                "queue_job.worker.attempt": 1,
                "queue_job.outcome": "done",
            },
        )

    def test_the_request_of_the_lease_is_linked(self):
        with self.tracer.start_as_current_span("request"):
            job = self.stored()
        with self.tracer.start_as_current_span("lease"):
            self.run_job(job)
        (link,) = self.span(job.job_function_name).links
        self.assertEqual(link.context.span_id, self.span("lease").context.span_id)

    def test_without_a_caller_s_span_nothing_is_kept(self):
        job = self.stored()
        self.assertFalse(job.db_record().options)
        with self.tracer.start_as_current_span("lease"):
            self.run_job(job)
        span = self.span(job.job_function_name)
        self.assertEqual(span.parent.span_id, self.span("lease").context.span_id)

    def test_a_failure_is_in_the_span(self):
        def failing(record, _argument):
            raise ValueError("broken")

        with self.job_method(failing):
            job = self.stored("testing")
            with self.assertRaises(ValueError):
                self.run_job(job)
        span = self.span(job.job_function_name)
        self.assertEqual(span.attributes["queue_job.outcome"], "failed")
        self.assertFalse(span.status.is_ok)
        self.assertEqual(span.events[0].attributes["exception.type"], "ValueError")

    def test_each_attempt_has_a_span(self):
        def postponed(record, _argument):
            raise RetryableJobError("Later")

        with self.job_method(postponed):
            self.run_job(self.stored("testing"))
        (span,) = self.exporter.get_finished_spans()
        self.assertEqual(span.attributes["queue_job.outcome"], "retried")
        self.assertEqual(span.attributes["queue_job.worker.attempt"], 1)

    def test_a_job_inside_a_job_belongs_to_the_trace(self):
        found = []

        def delaying(record, _argument):
            found.append(record.with_delay().testing_method().uuid)

        with self.job_method(delaying), self.tracer.start_as_current_span("request"):
            self.run_job(self.stored("testing"))
        inner = Job.load(self.env, found[0])
        trace_id = format(self.span("request").context.trace_id, "032x")
        self.assertIn(trace_id, inner.options["traceparent"])

    def test_it_is_no_option(self):
        with self.assertRaises(TypeError):
            self.env["test.queue.job"].with_delay(traceparent="x")
        with self.tracer.start_as_current_span("request"), trap_jobs() as trap:
            self.env["test.queue.job"].with_delay(priority=5).testing_method()
        trap.assert_enqueued_job(
            self.env["test.queue.job"].testing_method, properties={"priority": 5}
        )

    def test_without_the_library(self):
        with mock.patch.object(tracing, "trace", None):
            with self.tracer.start_as_current_span("request"):
                job = self.stored()
            self.assertFalse(job.db_record().options)
            self.run_job(job)
        self.assertEqual(len(self.exporter.get_finished_spans()), 1)
