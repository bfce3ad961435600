# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""OpenTelemetry: the trace of the code that delays a job goes on in the job.

When a span is active where a job is delayed, its W3C context is kept in the job's
column `options` (`traceparent`, `tracestate`), beside the options of the caller. Each
attempt is a span below it, with a link to the request that runs the lease, if that is
traced as well. An SDK, which you set up, sends the spans where they belong.
Without it, or without the library `opentelemetry-api`, there are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .states import CANCELLED, DONE, FAILED, STARTED

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import (
        TraceContextTextMapPropagator,
    )
except ImportError:
    trace = None
else:
    _propagator = TraceContextTextMapPropagator()

TRACER = "odoo.addons.queue_job"
PARENT = "traceparent"

#: state after the attempt -> outcome; in any other, it will be tried again
_OUTCOMES = {
    DONE: "done",
    FAILED: "failed",
    CANCELLED: "cancelled",
    STARTED: "fenced",  # the job was given to another worker meanwhile
}


def carried() -> dict[str, str]:
    """Return the context of the active span, as it travels with a job."""
    carrier: dict[str, str] = {}
    if trace:
        _propagator.inject(carrier)
    return carrier


def attempt(job: Any) -> AbstractContextManager[None]:
    """Return the context manager around one attempt of a job."""
    tracer = _tracer()
    return _span(tracer, job) if tracer else nullcontext()


def _tracer() -> Any:
    """Return what makes spans, None while no SDK is set up."""
    provider = trace.get_tracer_provider() if trace else None
    if provider is None or isinstance(provider, trace.ProxyTracerProvider):
        return None
    return provider.get_tracer(TRACER)


@contextmanager
def _span(tracer: Any, job: Any) -> Iterator[None]:
    parent, links = None, []
    if PARENT in job.options:
        parent = _propagator.extract(job.options)
        request = trace.get_current_span().get_span_context()
        links = [trace.Link(request)] if request.is_valid else []
    attributes = {
        "queue_job.uuid": job.uuid,
        "queue_job.function": job.job_function_name,
        "queue_job.channel": job.channel or "",
        "queue_job.database": job.env.cr.dbname,
    }
    with tracer.start_as_current_span(
        job.job_function_name,
        context=parent,
        kind=trace.SpanKind.CONSUMER,
        links=links,
        attributes=attributes,
    ) as span:
        try:
            yield
        finally:
            outcome = _OUTCOMES.get(job.state, "retried")
            span.set_attribute("queue_job.worker.attempt", job.retry)
            span.set_attribute("queue_job.outcome", outcome)
